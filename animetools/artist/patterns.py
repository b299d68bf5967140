"""Abstract backgrounds: colors, patterns, lights, petals; and what a scene is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from animetools.artist.canvas import Canvas
from animetools.artist.character import pick
from animetools.artist.colors import WHITE, Color, hue, mix
from animetools.artist.curves import Points, ellipse, join, points, rectangle, spline


@dataclass(frozen=True)
class Scene:
    """The canvas to paint, its size in pixels, and a random generator."""

    canvas: Canvas
    width: float
    height: float
    rng: Generator

    def between(self, low: float, high: float) -> float:
        """A random number between two."""
        return float(self.rng.uniform(low, high))

    def wash(self, *colors: Color, slant: float = 0.0) -> None:
        """A gradient from the top to the bottom."""
        self.canvas.gradient((0, 0), (self.width * slant, self.height), colors)


_PLAIN: dict[str, Color] = {
    "pink_background": (252, 214, 224),
    "blue_background": (202, 224, 248),
    "green_background": (212, 238, 214),
    "yellow_background": (253, 243, 204),
    "purple_background": (226, 214, 246),
    "aqua_background": (206, 242, 242),
    "orange_background": (253, 224, 196),
    "grey_background": (214, 216, 222),
    "red_background": (212, 100, 104),
    "black_background": (38, 36, 46),
}


def _white(scene: Scene) -> list[str]:
    scene.canvas.flood(WHITE)
    return ["simple_background", "white_background"]


def _plain(scene: Scene) -> list[str]:
    name = pick(scene.rng, dict.fromkeys(_PLAIN, 1.0))
    scene.canvas.flood(_PLAIN[name])
    return ["simple_background", name]


def _gradient(scene: Scene) -> list[str]:
    start = scene.between(0, 360)
    one = hue(start, scene.between(0.15, 0.5), 1.0)
    two = hue(start + scene.between(30, 110), scene.between(0.15, 0.5), 1.0)
    scene.wash(one, two, slant=scene.between(-0.6, 0.6))
    return ["gradient_background", "gradient", "simple_background"]


def _soft_color(scene: Scene) -> Color:
    return hue(scene.between(0, 360), scene.between(0.12, 0.3), 1.0)


def _dots(scene: Scene) -> list[str]:
    base = _soft_color(scene)
    scene.canvas.flood(base)
    step = scene.between(0.06, 0.12) * max(scene.width, scene.height)
    for row in range(int(scene.height / step) + 2):
        for column in range(int(scene.width / step) + 2):
            at = ((column + 0.5 * (row % 2)) * step, row * step)
            scene.canvas.fill(ellipse(at, (step * 0.22, step * 0.22), 24), mix(base, WHITE, 0.6))
    return ["polka_dot", "polka_dot_background"]


def _stripes(scene: Scene) -> list[str]:
    base = _soft_color(scene)
    scene.canvas.flood(base)
    step = scene.between(0.06, 0.14) * scene.width
    lean = scene.height * scene.between(-0.8, 0.8)
    for k in range(-20, 40):
        x = k * step
        band = points(
            [
                (x, 0),
                (x + step / 2, 0),
                (x + step / 2 + lean, scene.height),
                (x + lean, scene.height),
            ]
        )
        scene.canvas.fill(band, mix(base, WHITE, 0.5))
    return ["striped_background"]


def _checks(scene: Scene) -> list[str]:
    base = _soft_color(scene)
    scene.canvas.flood(base)
    step = scene.between(0.05, 0.1) * max(scene.width, scene.height)
    for row in range(int(scene.height / step) + 1):
        for column in range(row % 2, int(scene.width / step) + 1, 2):
            scene.canvas.fill(
                rectangle(column * step, row * step, step, step), mix(base, WHITE, 0.45)
            )
    return ["checkered_background"]


def heart(at: tuple[float, float], size: float) -> Points:
    """A heart's outline."""
    half = spline([(0.0, -0.35), (0.45, -0.85), (0.95, -0.4), (0.6, 0.3), (0.0, 0.9)])
    return join(half, (half * points((-1, 1)))[::-1]) * size + points(at)


def star(at: tuple[float, float], size: float, arms: int = 5, depth: float = 0.45) -> Points:
    """A star's outline."""
    turn = np.arange(2 * arms) * np.pi / arms
    reach = np.where(np.arange(2 * arms) % 2, depth, 1.0) * size
    return np.stack([np.sin(turn) * reach, -np.cos(turn) * reach], 1) + points(at)


def _hearts(scene: Scene) -> list[str]:
    base = hue(scene.between(320, 365), scene.between(0.12, 0.3), 1.0)
    scene.wash(base, mix(base, WHITE, 0.5))
    size = max(scene.width, scene.height)
    for _ in range(26):
        at = (scene.between(0, scene.width), scene.between(0, scene.height))
        tone = mix(base, hue(345, 0.6, 1.0), scene.between(0.1, 0.5))
        scene.canvas.fill(heart(at, size * scene.between(0.012, 0.04)), tone)
    return ["heart", "heart_background"]


def _bokeh(scene: Scene) -> list[str]:
    start = scene.between(0, 360)
    scene.wash(
        hue(start, 0.5, scene.between(0.45, 0.9)),
        hue(start + 60, 0.45, scene.between(0.5, 0.95)),
        slant=0.4,
    )
    size = max(scene.width, scene.height)
    for _ in range(34):
        at = (scene.between(0, scene.width), scene.between(0, scene.height))
        radius = size * scene.between(0.012, 0.06)
        tone = hue(start + scene.between(-40, 100), 0.25, 1.0)
        scene.canvas.fill(ellipse(at, (radius, radius)), tone, scene.between(0.12, 0.4))
    return ["bokeh", "blurry_background", "blurry"]


def sparkles(scene: Scene, color: Color = WHITE, count: int = 18) -> list[str]:
    """Four-pointed lights scattered over the picture."""
    size = max(scene.width, scene.height)
    for _ in range(count):
        at = (scene.between(0, scene.width), scene.between(0, scene.height))
        reach = size * scene.between(0.006, 0.026)
        scene.canvas.glow(at, (reach * 1.3, reach * 1.3), color, 0.6)
        scene.canvas.fill(star(at, reach, 4, 0.16), color)
    return ["sparkle"]


def _sparkling(scene: Scene) -> list[str]:
    return [*_gradient(scene)[:1], *sparkles(scene)]


def petals(scene: Scene) -> list[str]:
    """Cherry petals scattered over everything."""
    size = max(scene.width, scene.height)
    for _ in range(26):
        at = (scene.between(0, scene.width), scene.between(0, scene.height))
        turn, reach = scene.between(0, 7), size * scene.between(0.005, 0.013)
        leaf = spline(
            [(-1, 0), (-0.2, -0.55), (0.85, -0.3), (0.65, 0.0), (0.85, 0.3), (-0.2, 0.55)],
            closed=True,
        )
        matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        scene.canvas.fill(
            leaf @ matrix * reach + points(at), (255, scene.between(186, 222), 216), 0.92
        )
    return ["petals", "cherry_blossoms"]


PATTERNS: dict[str, Callable[[Scene], list[str]]] = {
    "white": _white,
    "plain": _plain,
    "gradient": _gradient,
    "dots": _dots,
    "stripes": _stripes,
    "checks": _checks,
    "hearts": _hearts,
    "bokeh": _bokeh,
    "sparkling": _sparkling,
}
