"""Training pictures: drawn people put together in scenes, and made to look like other hands' pictures.

A scene is one person, several, a comic page, or nobody at all: places, things, textures, text, heads
from behind and bodies without heads.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from animetools.artist.character import pick
from examples.detector.backgrounds import background, panel_background, write, write_line
from examples.detector.sprites import Pixels, Sprite, Sprites

SMALLEST = 11  # pixels of a face's side; smaller ones count neither way
HIDDEN = (0.35, 0.6)  # the share of a face that is covered: from the first it counts neither way
KINDS = {"single": 44.0, "group": 20.0, "comic": 14.0, "nobody": 26.0}

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Label:
    """A face: its middle and side, and landmarks [4, 2], in pixels; or where none is to be learned."""

    x: float
    y: float
    side: float
    landmarks: Points
    counts: bool


@dataclass
class Scene:
    """A picture, uint8 [side, side, 3], and its faces."""

    rgb: Pixels
    labels: list[Label] = field(default_factory=list)


def scene_of(sprites: Sprites, side: int, rng: Generator) -> Scene:
    """A random scene."""
    kind = pick(rng, KINDS)
    if kind == "comic":
        scene = _comic(sprites, side, rng)
    else:
        scene = Scene(background(side, side, rng))
        if kind == "single":
            _put(scene, sprites, rng, (16 if rng.random() < 0.3 else 48, 0.95 * side))
        elif kind == "group":
            for _ in range(int(rng.integers(2, 8))):
                _put(scene, sprites, rng, (11, 0.5 * side))
        else:
            for _ in range(int(rng.integers(0, 4))):
                _decoy(scene, sprites, rng)
    if rng.random() < 0.12:
        write(scene.rgb, rng, int(rng.integers(1, 4)))
    if rng.random() < 0.12:
        _clutter(scene.rgb, scene.labels, rng)
    return scene


def _comic(sprites: Sprites, side: int, rng: Generator) -> Scene:
    """A page of panels, each with a person, often in shades of grey."""
    page = Scene(np.full((side, side, 3), 255 if rng.random() < 0.85 else 0, np.uint8))
    rows = np.sort(rng.uniform(0.25, 0.75, int(rng.integers(0, 3)))) * side
    top = 0.0
    gap = int(rng.integers(2, 8))
    for low in [*rows, float(side)]:
        columns = np.sort(rng.uniform(0.3, 0.7, int(rng.integers(0, 2)))) * side
        left = 0.0
        for right in [*columns, float(side)]:
            wide, high = int(right - left) - gap, int(low - top) - gap
            if min(wide, high) > 24:
                panel = Scene(panel_background(wide, high, rng))
                if rng.random() < 0.85:
                    _put(panel, sprites, rng, (12, 1.0 * min(wide, high)))
                if rng.random() < 0.5:
                    _bubble(panel, rng)
                x, y = int(left) + gap // 2, int(top) + gap // 2
                cv2.rectangle(panel.rgb, (0, 0), (wide - 1, high - 1), (20, 20, 20), 2)
                page.rgb[y : y + high, x : x + wide] = panel.rgb
                page.labels += [_moved(label, x, y) for label in panel.labels]
            left = right
        top = low
    if rng.random() < 0.75:
        grey = cv2.cvtColor(page.rgb, cv2.COLOR_RGB2GRAY)
        page.rgb = np.repeat(grey[..., None], 3, 2)
    return page


def _bubble(panel: Scene, rng: Generator) -> None:
    high, wide = panel.rgb.shape[:2]
    at = (int(rng.uniform(0, wide)), int(rng.uniform(0, 0.4) * high))
    axes = (int(wide * rng.uniform(0.12, 0.3)) + 3, int(high * rng.uniform(0.08, 0.2)) + 3)
    covered = [label for label in panel.labels if _is_near(label, at, axes)]
    if covered:
        return
    cv2.ellipse(panel.rgb, at, axes, 0, 0, 360, (255, 255, 255), -1, cv2.LINE_AA)
    cv2.ellipse(panel.rgb, at, axes, 0, 0, 360, (0, 0, 0), 1, cv2.LINE_AA)
    corner = (at[0] - axes[0] // 2, at[1])
    write_line(panel.rgb, corner, max(0.2, axes[0] / 120), (0, 0, 0), rng, 6)


def _is_near(label: Label, at: tuple[int, int], axes: tuple[int, int]) -> bool:
    return (
        abs(label.x - at[0]) < 0.4 * label.side + axes[0]
        and abs(label.y - at[1]) < 0.4 * label.side + axes[1]
    )


def _put(scene: Scene, sprites: Sprites, rng: Generator, sides: tuple[float, float]) -> None:
    """One more person, in front of the others; the face's side is within the limits."""
    high, wide = scene.rgb.shape[:2]
    goal = float(np.exp(rng.uniform(*np.log(sides))))
    fills = goal > 0.55 * max(wide, high)
    sprite = _chosen(sprites, rng, fills)
    x, y, side = sprite.face if sprite.face else (160.0, 130.0, 110.0)
    spread = float(rng.choice([0.0, 15.0, 35.0], p=[0.25, 0.35, 0.4]))
    turn = np.deg2rad(np.clip(rng.normal(0, spread), -60, 60))
    stretch = np.exp(rng.normal(0, 0.05))
    scale = goal / side * np.array([stretch, 1 / stretch])
    if rng.random() < 0.5:
        scale[0] = -scale[0]
    if sprite.near and rng.random() < 0.75:
        to = np.array([wide, high]) * rng.uniform(0.4, 0.6, 2)
    else:
        to = np.array([wide, high]) * rng.uniform(0.02, 0.98, 2)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.column_stack([spin * scale, to - spin * scale @ [x, y]])
    cover = _blend(scene.rgb, sprite.pixels, matrix, rng)
    _hide(scene, cover)
    if sprite.face is None:
        return
    marks = np.array(sprite.landmarks) @ matrix[:, :2].T + matrix[:, 2]
    if scale[0] < 0:
        marks = marks[[1, 0, 2, 3]]
    inside = _share(to[0], goal, wide) * _share(to[1], goal, high)
    is_in = 0 <= to[0] < wide and 0 <= to[1] < high
    counts = goal >= SMALLEST and inside > 0.55 and is_in
    scene.labels.append(Label(float(to[0]), float(to[1]), goal, marks, bool(counts)))


def _share(middle: float, side: float, limit: int) -> float:
    return float(max(0.0, min(middle + side / 2, limit) - max(middle - side / 2, 0)) / side)


def _chosen(sprites: Sprites, rng: Generator, near: bool | None) -> Sprite:
    """A random sprite, near or not."""
    while True:
        number = int(rng.integers(len(sprites)))
        if near is None or sprites.facts[number]["near"] == near:
            return sprites[number]


def _blend(rgb: Pixels, pixels: Pixels, matrix: Points, rng: Generator) -> Pixels:
    """Put a restyled sprite over a picture in place; returns its coverage, uint8 [H, W]."""
    size = (rgb.shape[1], rgb.shape[0])
    shrink = abs(np.linalg.det(matrix[:, :2])) ** 0.5
    if shrink < 0.56:  # linear sampling would skip pixels
        step = 0.5 if shrink > 0.28 else 0.25 if shrink > 0.14 else 0.125
        pixels = np.asarray(
            cv2.resize(pixels, None, fx=step, fy=step, interpolation=cv2.INTER_AREA), np.uint8
        )
        matrix = np.column_stack([matrix[:, :2] / step, matrix[:, 2]])
    made = cv2.warpAffine(_restyled(pixels, rng), matrix, size, flags=cv2.INTER_LINEAR)
    cover = made[..., 3]
    below = cv2.multiply(rgb, cv2.merge([255 - cover] * 3), scale=1 / 255)
    rgb[:] = cv2.add(below, made[..., :3])
    return np.asarray(cover, np.uint8)


def _hide(scene: Scene, cover: Pixels) -> None:
    """Forget the faces behind something new, or do not count them where only a part is seen."""
    kept = []
    for label in scene.labels:
        half = label.side / 2
        y, x = max(0, int(label.y - half)), max(0, int(label.x - half))
        part = cover[y : max(y + 1, int(label.y + half)), x : max(x + 1, int(label.x + half))]
        hidden = float(part.mean()) / 255 if part.size else 0.0
        if hidden < HIDDEN[0]:
            kept.append(label)
        elif hidden < HIDDEN[1]:
            kept.append(Label(label.x, label.y, label.side, label.landmarks, False))
    scene.labels = kept


def _moved(label: Label, x: int, y: int) -> Label:
    return Label(
        label.x + x, label.y + y, label.side, np.add(label.landmarks, (x, y)), label.counts
    )


def _restyled(pixels: Pixels, rng: Generator) -> Pixels:
    """A sprite in other colors, with other lines, or painted."""
    chance = rng.random()
    if chance < 0.25:
        return pixels
    rgb, cover = pixels[..., :3], pixels[..., 3:]
    if chance < 0.4:
        core = np.ones((3, 3), np.uint8)
        changed = (cv2.erode if rng.random() < 0.5 else cv2.dilate)(rgb, core)
        rgb = np.asarray(cv2.addWeighted(changed, 0.7, rgb, 0.3, 0), np.uint8)
    elif chance < 0.52:
        rgb = np.asarray(cv2.medianBlur(rgb, int(rng.choice([3, 5, 7]))), np.uint8)
    elif chance < 0.6:
        rgb = _line_art(rgb, cover, rng)
    if rng.random() < 0.5:
        # Mixed channels turn the hue, keep smooth shading and leave white white.
        mixing = np.eye(3) + rng.normal(0, 0.18, (3, 3))
        mixing /= mixing.sum(1, keepdims=True)
        rgb = np.asarray(cv2.transform(rgb, mixing.astype(np.float32)), np.uint8)
    return np.concatenate([np.minimum(rgb, cover), cover], 2)


def _line_art(rgb: Pixels, cover: Pixels, rng: Generator) -> Pixels:
    """Lines alone, on white, or with some of the tones left.

    Source: Winnemöller, Kyprianidis and Olsen 2012, the extended difference of Gaussians.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) + 255 - cover[..., 0]
    sigma = float(rng.uniform(0.6, 1.4))
    fine, soft = (cv2.GaussianBlur(grey, (0, 0), s) for s in (sigma, 1.6 * sigma))
    lines = np.clip(255 + (fine - soft) * rng.uniform(8, 25), 0, 255)
    tones = rng.uniform(0, 0.7) if rng.random() < 0.5 else 0.0
    made = lines[..., None] * (1 - tones * (1 - rgb / 255.0))
    return np.asarray(np.clip(made, 0, 255), np.uint8)


def _decoy(scene: Scene, sprites: Sprites, rng: Generator) -> None:
    """What may be taken for a face: a body without its head, a head from behind, balls, writing."""
    high, wide = scene.rgb.shape[:2]
    kind = rng.random()
    if kind < 0.45:
        sprite = _chosen(sprites, rng, None)
        pixels = sprite.pixels
        if sprite.face:
            x, y, side = sprite.face
            pixels = pixels.copy()
            pixels[: min(len(pixels), int(y + 0.56 * side))] = 0
        scale = float(np.exp(rng.uniform(np.log(0.25), np.log(2.0))))
        turn = float(rng.normal(0, 30))
        at = rng.uniform(0.1, 0.9, 2) * (wide, high)
        middle = (160, 250 if sprite.face else 130)
        turned = np.array(cv2.getRotationMatrix2D(middle, turn, scale), np.float64)
        matrix = np.column_stack([turned[:, :2], turned[:, 2] + at - middle])
        _blend(scene.rgb, pixels, matrix, rng)
    elif kind < 0.6:
        # A light patch with dark spots, where eyes and a mouth might be.
        reach = float(np.exp(rng.uniform(np.log(5), np.log(30))))
        center = rng.uniform(0, 1, 2) * (wide, high)
        for n in range(int(rng.integers(3, 9))):
            spot = (center + rng.normal(0, 0.5 * reach * (n > 0), 2)).astype(int).tolist()
            half = reach if n == 0 else reach * rng.uniform(0.08, 0.3)
            axes = [max(1, int(half * rng.uniform(0.5, 1.2))) for _ in range(2)]
            level = rng.integers(150, 256, 3) if n == 0 else rng.integers(0, 120, 3)
            shade, turn = tuple(level.tolist()), float(rng.uniform(0, 180))
            cv2.ellipse(scene.rgb, spot, axes, turn, 0, 360, shade, -1, cv2.LINE_AA)
    elif kind < 0.8:
        # Pairs and rows of round things.
        radius = int(np.exp(rng.uniform(np.log(2), np.log(40))))
        tone, rim = (tuple(rng.integers(0, 256, 3).tolist()) for _ in range(2))
        x, y = (int(n) for n in rng.uniform(0, 1, 2) * (wide, high))
        for n in range(int(rng.integers(1, 5))):
            ball = (x + n * int(radius * rng.uniform(1.8, 3)), y + int(rng.normal(0, radius / 2)))
            cv2.circle(scene.rgb, ball, radius, tone, -1, cv2.LINE_AA)
            cv2.circle(scene.rgb, ball, radius, rim, max(1, radius // 6), cv2.LINE_AA)
            if rng.random() < 0.4:
                cv2.circle(scene.rgb, ball, max(1, radius // 2), rim, -1, cv2.LINE_AA)
    else:
        write(scene.rgb, rng, int(rng.integers(1, 8)))


def _clutter(rgb: Pixels, labels: list[Label], rng: Generator) -> None:
    """Things in front of the picture: bars, blots, a hand's width of a face."""
    high, wide = rgb.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        at = rng.uniform(0, 1, 2) * (wide, high)
        if labels and rng.random() < 0.6:
            face = labels[int(rng.integers(len(labels)))]
            at = (
                np.array([face.x, face.y])
                + rng.choice([-1, 1], 2) * rng.uniform(0.3, 0.6) * face.side
            )
        reach = 0.25 * (labels[0].side if labels else 60)
        wide_high = [max(1, int(n)) for n in rng.uniform(0.2, 1, 2) * reach]
        tone = tuple(rng.integers(0, 256, 3).tolist())
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(rgb, at.astype(int).tolist(), wide_high, turn, 0, 360, tone, -1, cv2.LINE_AA)
