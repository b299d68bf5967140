"""What is behind people in training pictures: colors, patterns, places, things, textures and letters."""

from functools import cache

import cv2
import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from animetools.artist import patterns, scenery, things
from animetools.artist.canvas import Canvas
from animetools.artist.character import pick
from animetools.artist.colors import WHITE
from examples.detector.sprites import Pixels

DRAWN, DRAWN_SIDE = 150, 288  # how many backgrounds of each kind, and their size
WORDS = "AaBbEeGgKkMmOoRrSsTtXxYyZz0123456789!?#%&"


def background(wide: int, high: int, rng: Generator) -> Pixels:
    """Something without a face: uint8 [high, wide, 3]."""
    kind = pick(
        rng, {"plain": 3, "pattern": 2, "place": 2.2, "thing": 1, "leaves": 3.5, "noise": 2}
    )
    match kind:
        case "plain":
            low, top = rng.integers(0, 256, (2, 3))
            if rng.random() < 0.5:
                low = top = rng.choice([0, 255, 255, 128], 1)
            share = np.linspace(0, 1, high)[:, None, None]
            shades = np.broadcast_to(low + (top - low) * share, (high, wide, 3))
            return np.ascontiguousarray(shades, np.uint8)
        case "leaves":
            return _leaves(wide, high, rng)
        case "noise":
            return _noise(wide, high, rng)
    rgb = _drawn(kind, int(rng.integers(DRAWN)))
    side = int(rng.uniform(0.5, 1) * len(rgb))
    x, y = (int(n) for n in rng.integers(0, len(rgb) - side + 1, 2))
    part = rgb[y : y + side, x : x + side]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return np.asarray(cv2.resize(part, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _drawn(kind: str, number: int) -> Pixels:
    """One of animedraw's backgrounds; drawing takes longer than all else, so there are not many."""
    rng = Generator(PCG64(SeedSequence([ord(kind[1]), number])))
    canvas = Canvas.blank(DRAWN_SIDE, DRAWN_SIDE, 1.0, WHITE)
    drawn = patterns.Scene(canvas, DRAWN_SIDE, DRAWN_SIDE, rng)
    if kind == "place":
        scenery.paint_place(drawn)
    else:
        scenery.paint_background(drawn)
    if kind == "thing":
        things.draw_thing(canvas, DRAWN_SIDE, DRAWN_SIDE, rng)
    return canvas.finish(DRAWN_SIDE, DRAWN_SIDE)


def _leaves(wide: int, high: int, rng: Generator) -> Pixels:
    """Overlapping shapes of all sizes, whose statistics are those of photographs.

    Source: Lee, Mumford and Huang 2001, the dead leaves model.
    """
    rgb = np.full((high, wide, 3), rng.integers(0, 256, 3), np.uint8)
    tones = rng.integers(0, 256, (int(rng.integers(2, 9)), 3))
    # Branches, lights and foliage are many and small.
    count = int(rng.integers(15, 160) if rng.random() < 0.6 else rng.integers(200, 500))
    lines = 0.15 if rng.random() < 0.7 else 0.8
    coarse = rng.uniform(1, 4) if count < 200 else rng.uniform(0.5, 1.5)
    radius = np.minimum(3.0 * rng.power(1.0, count) ** -0.7, 0.4 * max(wide, high))
    for r in np.sort(radius * coarse)[::-1]:
        at = (int(rng.integers(0, wide)), int(rng.integers(0, high)))
        noisy = tones[int(rng.integers(len(tones)))] + rng.normal(0, 25, 3)
        tone = tuple(np.clip(noisy, 0, 255).tolist())
        kind = rng.random()
        if kind < 0.5 * (1 - lines):
            axes = (max(1, int(r)), max(1, int(r * rng.uniform(0.2, 1))))
            cv2.ellipse(rgb, at, axes, float(rng.uniform(0, 180)), 0, 360, tone, -1, cv2.LINE_AA)
        elif kind < 1 - lines:
            angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
            corners = at + r * np.stack([np.cos(angle), np.sin(angle)], 1)
            cv2.fillPoly(rgb, [corners.astype(np.int32)], tone, cv2.LINE_AA)
        else:
            to = (at[0] + int(rng.normal(0, 2 * r)), at[1] + int(rng.normal(0, 2 * r)))
            cv2.line(rgb, at, to, tone, max(1, int(r / 8)), cv2.LINE_AA)
    if rng.random() < 0.6:
        grain = _noise(wide, high, rng).astype(np.float32) - 128
        rgb = np.asarray(np.clip(rgb + grain * rng.uniform(0.1, 0.5), 0, 255), np.uint8)
    return rgb


def _noise(wide: int, high: int, rng: Generator) -> Pixels:
    """Clouds: noise of many sizes, in two or three colors."""
    fall = rng.uniform(0.35, 0.8)
    rgb = np.zeros((high, wide, 3), np.float32)
    grey = rng.random() < 0.5
    for level in range(1, 8):
        cells = 2**level
        coarse = rng.normal(0, fall**level, (cells, cells, 1 if grey else 3)).astype(np.float32)
        part = cv2.resize(coarse, (wide, high), interpolation=cv2.INTER_LINEAR)
        rgb += part.reshape(high, wide, -1)
    rgb = (rgb - rgb.mean()) / (rgb.std() + 1e-6) * rng.uniform(15, 70) + rng.uniform(40, 215)
    return np.asarray(np.clip(rgb * np.exp(rng.normal(0, 0.15, 3)), 0, 255), np.uint8)


def panel_background(wide: int, high: int, rng: Generator) -> Pixels:
    """A panel's background: white, speed lines, or anything."""
    chance = rng.random()
    if chance < 0.35:
        return np.full((high, wide, 3), 255, np.uint8)
    if chance < 0.55:
        rgb = np.full((high, wide, 3), 255, np.uint8)
        at = rng.uniform(0.2, 0.8, 2) * (wide, high)
        for angle in rng.uniform(0, 2 * np.pi, int(rng.integers(20, 90))):
            way = np.array([np.cos(angle), np.sin(angle)]) * (wide + high)
            near = at + way * rng.uniform(0.15, 0.4)
            start, end = near.astype(int).tolist(), (at + way).astype(int).tolist()
            cv2.line(rgb, start, end, (0, 0, 0), 1, cv2.LINE_AA)
        return rgb
    return background(wide, high, rng)


def write(rgb: Pixels, rng: Generator, lines: int) -> None:
    """Lines of letters."""
    high, wide = rgb.shape[:2]
    x, y = (int(n) for n in rng.uniform(-0.1, 0.8, 2) * (wide, high))
    size = float(np.exp(rng.uniform(np.log(0.25), np.log(2.5))))
    tone = tuple(rng.integers(0, 256, 3).tolist())
    for line in range(lines):
        write_line(rgb, (x, y + int((line + 1) * 26 * size)), size, tone, rng, 14)


def write_line(
    rgb: Pixels,
    at: tuple[int, int],
    size: float,
    tone: tuple[int, ...],
    rng: Generator,
    longest: int,
) -> None:
    text = "".join(rng.choice([*WORDS, " "], int(rng.integers(2, longest))))
    thick = max(1, int(size * rng.uniform(0.8, 3)))
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX]))
    cv2.putText(rgb, text, at, font, size, tone, thick, cv2.LINE_AA)
