"""Places, indoors and outdoors, and which background a picture gets.

Each function paints the whole canvas and returns tags for what it painted.
"""

from collections.abc import Callable

import cv2
import numpy as np

from animetools.artist.canvas import Canvas
from animetools.artist.character import pick
from animetools.artist.colors import WHITE, Color, hue, light, mix, shade
from animetools.artist.curves import ellipse, join, moved, points, rectangle, ribbon, spline
from animetools.artist.patterns import PATTERNS, Scene, sparkles


def _cloud(scene: Scene, at: tuple[float, float], size: float, bright: Color, dark: Color) -> None:
    puffs = []
    for k in range(9):
        x = (k - 4) / 4
        radius = size * (0.34 - 0.2 * abs(x)) * scene.between(0.8, 1.25)
        puffs.append(
            ellipse(
                (at[0] + x * size, at[1] - radius * scene.between(0.1, 0.7)),
                (radius * 1.25, radius),
            )
        )
    base = ellipse(at, (size * 1.2, size * 0.07))
    with scene.canvas.clip(*puffs, base) as cloud:
        cloud.gradient(
            (0, at[1] - size * 0.5),
            (0, at[1] + size * 0.1),
            [bright, bright, mix(bright, dark, 0.5), dark],
        )
        for puff in puffs[1::2]:
            cloud.fill(moved(puff, size * 0.04, size * 0.13), mix(bright, dark, 0.35), 0.45)


def _clouds(scene: Scene, horizon: float, bright: Color, dark: Color, count: int) -> None:
    for k in range(count):
        y = horizon * (0.15 + 0.8 * (k + scene.between(0, 1)) / count)
        size = scene.width * scene.between(0.1, 0.24) * (0.5 + 0.7 * y / max(horizon, 1))
        _cloud(scene, (scene.between(0, scene.width), y), size, bright, dark)


def _day_sky(scene: Scene) -> list[str]:
    scene.wash((62, 142, 226), (126, 190, 244), (214, 238, 252))
    _clouds(scene, scene.height, WHITE, (184, 208, 236), 6)
    return ["sky", "cloud", "blue_sky", "cloudy_sky", "day", "outdoors"]


def _sunset_sky(scene: Scene) -> list[str]:
    scene.wash((84, 74, 150), (214, 112, 140), (250, 172, 116), (255, 226, 160))
    at = (scene.width * scene.between(0.15, 0.85), scene.height * scene.between(0.6, 0.85))
    size = min(scene.width, scene.height)
    scene.canvas.glow(at, (size * 0.6, size * 0.6), (255, 238, 190), 0.8)
    scene.canvas.fill(ellipse(at, (size * 0.07, size * 0.07)), (255, 250, 226))
    _clouds(scene, scene.height, (255, 204, 176), (190, 104, 146), 5)
    return ["sky", "cloud", "sunset", "orange_sky", "sun", "outdoors"]


def _night_sky(scene: Scene) -> list[str]:
    scene.wash((18, 22, 62), (44, 52, 116), (98, 92, 160))
    size = max(scene.width, scene.height)
    for _ in range(150):
        at = (scene.between(0, scene.width), scene.between(0, scene.height * 0.95))
        radius = size * scene.between(0.0006, 0.0022)
        scene.canvas.fill(
            ellipse(at, (radius, radius), 10), mix(WHITE, hue(scene.between(0, 360), 0.4, 1), 0.4)
        )
    sparkles(scene, (240, 244, 255), 6)
    tags = ["sky", "night", "night_sky", "star_(sky)", "starry_sky", "outdoors"]
    if scene.rng.random() < 0.7:
        at = (scene.width * scene.between(0.12, 0.88), scene.height * scene.between(0.1, 0.35))
        radius = size * scene.between(0.04, 0.09)
        scene.canvas.glow(at, (radius * 3, radius * 3), (236, 236, 255), 0.5)
        if scene.rng.random() < 0.5:
            turn = np.deg2rad(np.linspace(-105, 105, 40))
            out = np.stack([-np.cos(turn), np.sin(turn)], 1)
            hollow = out[::-1] * (0.62, 1.0) + np.array([0.1, 0.0])
            scene.canvas.fill(moved(join(out, hollow) * radius, *at), (255, 248, 220))
            return [*tags, "moon", "crescent_moon"]
        scene.canvas.fill(ellipse(at, (radius, radius), 64), (255, 248, 220))
        for dx, dy, r in ((-0.3, -0.2, 0.2), (0.3, 0.25, 0.26), (0.1, -0.45, 0.12)):
            scene.canvas.fill(
                ellipse((at[0] + dx * radius, at[1] + dy * radius), (r * radius, r * radius)),
                (238, 226, 196),
            )
        return [*tags, "moon", "full_moon"]
    return tags


def _city(scene: Scene) -> list[str]:
    dark = bool(scene.rng.random() < 0.4)
    tags = (
        _night_sky(scene)
        if dark
        else (_day_sky(scene) if scene.rng.random() < 0.6 else _sunset_sky(scene))
    )
    haze: Color = (70, 72, 134) if dark else (190, 208, 232)
    for layer in range(3):
        tone = mix(
            haze,
            (36, 40, 84) if dark else hue(scene.between(200, 240), 0.28, 0.62),
            0.3 + 0.3 * layer,
        )
        x = -scene.between(0, 0.1) * scene.width
        while x < scene.width:
            wide = scene.width * scene.between(0.07, 0.16)
            top = scene.height * scene.between(0.3 + 0.13 * layer, 0.62 + 0.12 * layer)
            scene.canvas.fill(rectangle(x, top, wide, scene.height), tone)
            scene.canvas.fill(rectangle(x, top, wide * 0.22, scene.height), shade(tone, 0.25))
            step = wide / 5
            for row in range(1, int((scene.height - top) / step / 1.3) + 1):
                for column in range(1, 4):
                    lit = scene.rng.random() < (0.55 if dark else 0.3)
                    pane: Color = (
                        (255, 226, 150) if dark and lit else mix(tone, WHITE if lit else haze, 0.35)
                    )
                    scene.canvas.fill(
                        rectangle(
                            x + column * step + step * 0.3,
                            top + row * step * 1.3 - step * 0.6,
                            step * 0.55,
                            step * 0.8,
                        ),
                        pane,
                    )
            x += wide * scene.between(0.95, 1.3)
    return [*tags, "city", "cityscape", "building", "skyscraper"]


def _hills(scene: Scene, y: float, tone: Color, rough: float) -> None:
    xs = np.linspace(-0.05, 1.05, 9) * scene.width
    ys = scene.height * (y + scene.rng.uniform(-rough, rough, 9))
    ridge = spline(np.stack([xs, ys], 1))
    scene.canvas.fill(
        join(
            ridge,
            [(scene.width * 1.1, scene.height * 1.1), (-scene.width * 0.1, scene.height * 1.1)],
        ),
        tone,
    )


def _tree(scene: Scene, x: float, foot: float, size: float, tone: Color) -> None:
    trunk = ribbon(
        spline([(x, foot), (x + size * 0.03, foot - size * 0.5), (x, foot - size)]),
        [size * 0.09, size * 0.06, size * 0.05],
    )
    scene.canvas.fill(trunk, mix((112, 82, 66), shade(tone, 0.6), 0.3))
    for tint, lift in ((shade(tone, 0.5), 0.0), (tone, 0.1), (light(tone, 0.25), 0.22)):
        for _ in range(6):
            at = (
                x + size * scene.between(-0.38, 0.38),
                foot - size * (1.0 + lift + scene.between(-0.25, 0.3)),
            )
            radius = size * scene.between(0.16, 0.32) * (1.0 - lift)
            knots = [
                (
                    at[0] + np.cos(a) * radius * scene.between(0.85, 1.15),
                    at[1] + np.sin(a) * radius * 0.8 * scene.between(0.85, 1.15),
                )
                for a in np.linspace(0, 2 * np.pi, 11)[:-1]
            ]
            scene.canvas.fill(spline(knots, closed=True), tint)


def _forest(scene: Scene) -> list[str]:
    scene.wash((186, 228, 214), (226, 246, 210), (160, 206, 140))
    size = scene.height
    for layer in range(3):
        tone = mix((170, 214, 180), (64, 132, 84), 0.25 + 0.3 * layer)
        _hills(scene, 0.7 + 0.1 * layer, mix((178, 222, 150), (110, 176, 92), layer / 2), 0.01)
        for k in range(6 - layer):
            x = scene.width * (k + scene.between(0, 1)) / (6 - layer)
            _tree(scene, x, size * (0.72 + 0.1 * layer), size * (0.36 + 0.13 * layer), tone)
    for _ in range(5):
        x = scene.between(0, scene.width)
        beam = points(
            [
                (x, -10),
                (x + scene.width * 0.07, -10),
                (x - scene.width * 0.2, size),
                (x - scene.width * 0.36, size),
            ]
        )
        scene.canvas.fill(beam, (255, 252, 214), 0.14)
    return ["forest", "tree", "nature", "outdoors", "day", "light_rays"]


def _sea(scene: Scene) -> list[str]:
    evening = bool(scene.rng.random() < 0.35)
    tags = _sunset_sky(scene) if evening else _day_sky(scene)
    line = scene.height * scene.between(0.5, 0.66)
    near, far = ((96, 82, 150), (236, 150, 140)) if evening else ((28, 112, 182), (104, 196, 226))
    with scene.canvas.clip(rectangle(-5, line, scene.width + 10, scene.height)) as water:
        water.gradient((0, line), (0, scene.height), [far, near])
        for _ in range(70):
            y = line + (scene.height - line) * scene.between(0, 1) ** 1.6
            reach = scene.width * 0.02 + (y - line) * 0.25
            x = scene.between(0, scene.width)
            water.fill(
                ribbon(
                    spline([(x - reach, y), (x, y - 1), (x + reach, y)]),
                    [0.0, 1.5 + (y - line) * 0.008, 0.0],
                ),
                mix(far, WHITE, 0.6),
                0.7,
            )
    tags += ["ocean", "water", "horizon"]
    if scene.rng.random() < 0.6:
        _hills(scene, 0.9, (246, 226, 178), 0.02)
        tags += ["beach", "sand"]
    return tags


def _meadow(scene: Scene) -> list[str]:
    tags = _day_sky(scene)
    _hills(scene, 0.62, (150, 204, 170), 0.05)
    _hills(scene, 0.72, (128, 194, 112), 0.02)
    tone = hue(float(scene.rng.choice([0, 48, 280, 330, 20, 210])), 0.55, 1.0)
    size = max(scene.width, scene.height)
    for k in range(130):
        y = scene.height * (0.74 + 0.28 * (k / 130))
        radius = size * (0.004 + 0.016 * k / 130)
        at = points((scene.between(0, scene.width), y))
        shade_of = mix(tone, WHITE, scene.between(0, 0.6))
        for turn in np.arange(5) * 2 * np.pi / 5 + scene.between(0, 1):
            petal = moved(at, np.cos(turn) * radius * 0.6, np.sin(turn) * radius * 0.45)
            scene.canvas.fill(
                ellipse(petal[0].tolist(), (radius * 0.5, radius * 0.4), 12), shade_of
            )
        scene.canvas.fill(
            ellipse(at[0].tolist(), (radius * 0.3, radius * 0.25), 12), (255, 222, 96)
        )
    return [*tags, "flower", "flower_field", "field", "hill"]


def _mountains(scene: Scene) -> list[str]:
    tags = _day_sky(scene)
    for layer in range(2):
        tone = mix((176, 196, 226), (92, 112, 160), 0.3 + 0.5 * layer)
        for _ in range(3):
            x, wide = scene.between(0, scene.width), scene.width * scene.between(0.3, 0.5)
            peak, foot = (
                scene.height * scene.between(0.25 + 0.15 * layer, 0.45 + 0.1 * layer),
                scene.height * 0.8,
            )
            scene.canvas.fill(points([(x - wide, foot), (x, peak), (x + wide, foot)]), tone)
            scene.canvas.fill(
                points([(x, peak), (x + wide, foot), (x + wide * 0.2, foot)]), shade(tone, 0.4)
            )
            cut = (foot - peak) * 0.25
            snow = [
                (x, peak),
                (x + wide * 0.25, peak + cut),
                (x + wide * 0.1, peak + cut * 0.8),
                (x, peak + cut * 1.2),
                (x - wide * 0.12, peak + cut * 0.8),
                (x - wide * 0.25, peak + cut),
            ]
            scene.canvas.fill(points(snow), (250, 252, 255))
    _hills(scene, 0.74, (120, 186, 120), 0.03)
    _hills(scene, 0.88, (88, 162, 98), 0.02)
    return [*tags, "mountain", "nature", "grass"]


def _room(scene: Scene) -> list[str]:
    wall = hue(scene.between(20, 60), scene.between(0.08, 0.22), scene.between(0.86, 0.97))
    scene.canvas.flood(wall)
    wide, high = scene.width, scene.height
    left, top = wide * scene.between(0.06, 0.5), high * 0.08
    pane_wide, pane_high = wide * 0.42, high * 0.5
    with scene.canvas.clip(rectangle(left, top, pane_wide, pane_high)) as view:
        inner = Scene(view, wide, high * 0.62, scene.rng)
        dark = scene.rng.random() < 0.3
        tags = _night_sky(inner) if dark else _day_sky(inner)
    frame = mix(WHITE, wall, 0.2)
    thick = wide * 0.012
    for x in (left, left + pane_wide / 2, left + pane_wide):
        scene.canvas.fill(
            rectangle(x - thick, top - thick, 2 * thick, pane_high + 2 * thick), frame
        )
    for y in (top, top + pane_high * 0.5, top + pane_high):
        scene.canvas.fill(
            rectangle(left - thick, y - thick, pane_wide + 2 * thick, 2 * thick), frame
        )
    curtain = hue(scene.between(0, 360), 0.3, 0.92)
    for x, way in ((left - wide * 0.05, 1), (left + pane_wide + wide * 0.05, -1)):
        drape = join(
            spline(
                [
                    (x, top - high * 0.05),
                    (x - way * wide * 0.02, top + pane_high * 0.6),
                    (x, high * 0.72),
                ]
            ),
            spline(
                [
                    (x + way * wide * 0.1, high * 0.72),
                    (x + way * wide * 0.06, top + pane_high * 0.5),
                    (x + way * wide * 0.14, top - high * 0.05),
                ]
            ),
        )
        scene.canvas.fill(drape, curtain)
        for share in (0.3, 0.6, 0.85):
            fold = spline(
                [
                    (x + way * wide * 0.13 * share, top - high * 0.05),
                    (x + way * wide * 0.05 * share, top + pane_high * 0.6),
                    (x + way * wide * 0.09 * share, high * 0.72),
                ]
            )
            scene.canvas.stroke(fold, wide * 0.005, shade(curtain, 0.35), (1, 0.3))
    floor = mix((190, 142, 104), wall, 0.15)
    scene.canvas.fill(rectangle(-5, high * 0.82, wide + 10, high), floor)
    scene.canvas.fill(rectangle(-5, high * 0.8, wide + 10, high * 0.025), mix(WHITE, wall, 0.3))
    if scene.rng.random() < 0.6:
        side = wide * 0.72 if left < wide * 0.3 else wide * 0.04
        for row in range(3):
            shelf = high * (0.3 + 0.17 * row)
            scene.canvas.fill(rectangle(side, shelf, wide * 0.24, high * 0.02), shade(floor, 0.35))
            x = side + wide * 0.01
            while x < side + wide * 0.21:
                book = wide * scene.between(0.012, 0.028)
                tall = high * scene.between(0.08, 0.13)
                scene.canvas.fill(
                    rectangle(x, shelf - tall, book * 0.92, tall),
                    hue(scene.between(0, 360), 0.4, 0.75),
                )
                x += book
        tags = [*tags, "book", "bookshelf"]
    kept = [tag for tag in tags if tag != "outdoors"]
    return [*kept, "indoors", "window", "curtains"]


PLACES: dict[str, Callable[[Scene], list[str]]] = {
    "day_sky": _day_sky,
    "sunset_sky": _sunset_sky,
    "night_sky": _night_sky,
    "city": _city,
    "forest": _forest,
    "sea": _sea,
    "meadow": _meadow,
    "mountains": _mountains,
    "room": _room,
}


def paint_background(scene: Scene) -> list[str]:
    """Paint a background behind characters; returns its tags."""
    backgrounds = PATTERNS | PLACES
    weights = dict.fromkeys(backgrounds, 1.0) | {"white": 2.5, "plain": 2, "gradient": 2}
    name = pick(scene.rng, weights)
    tags = backgrounds[name](scene)
    if name in PLACES and scene.rng.random() < 0.4:
        _blur(scene.canvas, max(scene.width, scene.height) * scene.between(0.004, 0.012))
        tags = [*tags, "blurry_background", "blurry", "depth_of_field"]
    return tags


def paint_place(scene: Scene) -> list[str]:
    """Paint a landscape or a room without people; returns its tags."""
    name = pick(scene.rng, dict.fromkeys(PLACES, 1.0))
    return ["no_humans", "scenery", *PLACES[name](scene)]


def _blur(canvas: Canvas, radius: float) -> None:
    """Blur the picture; done at a quarter of the size, where it makes no difference."""
    high, wide = canvas.pixels.shape[:2]
    small = cv2.resize(
        canvas.pixels, (max(wide // 4, 1), max(high // 4, 1)), interpolation=cv2.INTER_AREA
    )
    small = cv2.GaussianBlur(small, (0, 0), max(radius * canvas.scale / 4, 0.5))
    canvas.pixels[:] = cv2.resize(small, (wide, high), interpolation=cv2.INTER_LINEAR)
