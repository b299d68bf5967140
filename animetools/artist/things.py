"""Pictures of one thing without people: still lifes and small animals."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from animetools.artist.canvas import Canvas
from animetools.artist.character import pick
from animetools.artist.colors import WHITE, Color, hue, light, line_of, mix, shade
from animetools.artist.curves import Frame, Points, ellipse, join, mirrored, points, ribbon, spline


class _Desk:
    """Shapes drawn in one style, in the thing's own units (about -1..1, y down)."""

    def __init__(self, canvas: Canvas, frame: Frame, rng: Generator) -> None:
        self.canvas, self.frame, self.rng = canvas, frame, rng
        self.line = 0.018 * frame.size

    def part(self, shape: Points, *colors: Color) -> None:
        """Fill with one color, or several from left to right; draw the outline."""
        place = self.frame.flat(shape)
        with self.canvas.clip(place) as inside:
            left, right = self.frame.flat([(shape[:, 0].min(), 0), (shape[:, 0].max(), 0.2)])
            inside.gradient(left, right, colors if len(colors) > 1 else [*colors, *colors])
        self.canvas.stroke(place, self.line, line_of(colors[0], 0.6), closed=True)

    def ink(self, curve: Points, color: Color, wide: float = 1.0) -> None:
        self.canvas.stroke(self.frame.flat(curve), self.line * wide, color, (0.3, 0.3))

    def tone(self) -> Color:
        return hue(float(self.rng.uniform(0, 360)), 0.5, 0.92)


def _symmetric(half: list[tuple[float, float]]) -> Points:
    curve = spline(half)
    return join(curve, mirrored(curve)[::-1])


def _sword(desk: _Desk) -> list[str]:
    steel: Color = (206, 216, 232)
    gold: Color = (226, 186, 96)
    blade = points([(-0.11, 0.45), (-0.1, -1.0), (0.0, -1.25), (0.1, -1.0), (0.11, 0.45)])
    desk.part(blade, light(steel, 0.6), steel, shade(steel, 0.4))
    desk.ink(points([(0.0, 0.4), (0.0, -1.05)]), shade(steel, 0.7), 1.4)
    desk.part(
        spline(
            [(-0.48, 0.38), (0.0, 0.5), (0.48, 0.38), (0.5, 0.5), (0.0, 0.62), (-0.5, 0.5)],
            closed=True,
        ),
        gold,
        shade(gold, 0.3),
    )
    desk.part(points([(-0.07, 0.6), (0.07, 0.6), (0.07, 1.1), (-0.07, 1.1)]), (110, 70, 64))
    for y in np.arange(0.66, 1.08, 0.08):
        desk.ink(points([(-0.07, y), (0.07, y + 0.05)]), (60, 40, 44))
    desk.part(ellipse((0.0, 1.18), (0.12, 0.12)), desk.tone())
    return ["sword", "weapon", "still_life"]


def _cake(desk: _Desk) -> list[str]:
    cream: Color = (255, 248, 236)
    sponge: Color = (244, 206, 138)
    berry: Color = (226, 62, 74)
    desk.part(ellipse((0.0, 0.72), (1.25, 0.3)), (240, 242, 248), (214, 218, 230))
    desk.part(
        join(
            points([(-0.85, -0.1)]),
            spline([(-0.85, 0.6), (0.0, 0.78), (0.85, 0.6)]),
            points([(0.85, -0.1)]),
        ),
        sponge,
        shade(sponge, 0.25),
    )
    desk.part(
        join(
            spline([(-0.85, 0.2), (0.0, 0.36), (0.85, 0.2)]),
            spline([(0.85, 0.32), (0.0, 0.48), (-0.85, 0.32)]),
        ),
        mix(berry, cream, 0.35),
    )
    drips = [
        (x, -0.02 + 0.2 * (k % 2) + 0.12 * (1 - x * x))
        for k, x in enumerate(np.linspace(0.86, -0.86, 13))
    ]
    desk.part(
        join(
            spline([(-0.87, -0.1), (-0.5, -0.3), (0.0, -0.36), (0.5, -0.3), (0.87, -0.1)]),
            spline(drips),
        ),
        cream,
        shade(cream, 0.15),
    )
    for x, y in ((-0.55, -0.3), (0.0, -0.42), (0.55, -0.3)):
        desk.part(
            spline(
                [
                    (x - 0.17, y),
                    (x - 0.1, y - 0.2),
                    (x + 0.1, y - 0.2),
                    (x + 0.17, y),
                    (x, y + 0.2),
                ],
                closed=True,
            ),
            light(berry, 0.25),
            berry,
            shade(berry, 0.4),
        )
        desk.part(
            spline(
                [(x - 0.12, y - 0.2), (x, y - 0.13), (x + 0.12, y - 0.2), (x, y - 0.3)], closed=True
            ),
            (98, 172, 92),
        )
    return ["food", "cake", "strawberry", "still_life"]


def _teacup(desk: _Desk) -> list[str]:
    china = mix(desk.tone(), WHITE, 0.75)
    desk.part(ellipse((0.0, 0.78), (1.15, 0.24)), china, shade(china, 0.2))
    handle = ribbon(
        spline([(0.62, -0.05), (1.05, -0.1), (1.08, 0.35), (0.5, 0.45)]), [0.07, 0.08, 0.07]
    )
    desk.part(handle, china, shade(china, 0.3))
    desk.part(
        join(
            spline([(-0.75, -0.25), (-0.66, 0.4), (-0.3, 0.76)]),
            mirrored(spline([(-0.75, -0.25), (-0.66, 0.4), (-0.3, 0.76)]))[::-1],
        ),
        light(china, 0.5),
        china,
        shade(china, 0.3),
    )
    desk.part(ellipse((0.0, -0.25), (0.75, 0.2)), shade(china, 0.1))
    desk.part(ellipse((0.0, -0.22), (0.64, 0.15)), (190, 116, 62), (146, 80, 46))
    for x in (-0.2, 0.12):
        desk.ink(
            spline([(x, -0.45), (x + 0.12, -0.7), (x - 0.08, -0.95), (x + 0.06, -1.2)]),
            mix(china, WHITE, 0.6),
            2.5,
        )
    return ["cup", "teacup", "tea", "saucer", "still_life"]


def _plant(desk: _Desk) -> list[str]:
    leaf: Color = (92, 168, 96)
    tone = mix(desk.tone(), WHITE, 0.2)
    for x in (-0.5, -0.1, 0.4):
        stem = spline([(x * 0.2, 0.3), (x * 0.7, -0.2), (x, -0.62)])
        desk.part(ribbon(stem, [0.03, 0.025]), shade(leaf, 0.2))
        for k in range(6):
            turn = k * np.pi / 3 + x
            at = (x + np.cos(turn) * 0.17, -0.7 + np.sin(turn) * 0.17)
            desk.part(ellipse(at, (0.15, 0.14), 24), light(tone, 0.3), tone)
        desk.part(ellipse((x, -0.7), (0.1, 0.1), 24), (250, 206, 84))
    for side in (-1, 1):
        blade = spline([(0.0, 0.35), (0.5, 0.0), (0.95, 0.05), (0.55, 0.32)], closed=True) * points(
            (side, 1)
        )
        desk.part(blade, light(leaf, 0.3), leaf, shade(leaf, 0.3))
    pot: Color = (206, 122, 86)
    desk.part(
        points([(-0.5, 0.4), (0.5, 0.4), (0.36, 1.1), (-0.36, 1.1)]),
        light(pot, 0.2),
        pot,
        shade(pot, 0.4),
    )
    desk.part(
        points([(-0.58, 0.28), (0.58, 0.28), (0.56, 0.46), (-0.56, 0.46)]),
        light(pot, 0.2),
        pot,
        shade(pot, 0.4),
    )
    return ["flower", "plant", "potted_plant", "still_life"]


def _fish(desk: _Desk) -> list[str]:
    tone = desk.tone()
    tail = spline([(0.7, 0.0), (1.3, -0.48), (1.16, 0.0), (1.3, 0.48)], closed=True)
    desk.part(tail, tone, light(tone, 0.4))
    desk.part(spline([(-0.2, -0.4), (0.2, -0.85), (0.6, -0.3)]), shade(tone, 0.15))
    body = spline(
        [
            (-1.05, 0.05),
            (-0.6, -0.4),
            (0.1, -0.46),
            (0.8, -0.06),
            (0.8, 0.08),
            (0.1, 0.46),
            (-0.6, 0.42),
        ],
        closed=True,
    )
    desk.part(body, light(tone, 0.5), tone, shade(tone, 0.2))
    for x in np.linspace(-0.3, 0.55, 5):
        for y in np.linspace(-0.2, 0.25, 3):
            desk.ink(spline([(x, y - 0.1), (x - 0.09, y), (x, y + 0.1)]), shade(tone, 0.6))
    desk.part(ellipse((-0.74, -0.06), (0.06, 0.06), 24), (40, 40, 52))
    for k in range(4):
        desk.part(
            ellipse((-1.15 - 0.08 * k, -0.3 - 0.26 * k), (0.04 + 0.02 * k, 0.04 + 0.02 * k), 24),
            (226, 244, 255),
        )
    return ["fish", "animal", "bubble", "animal_focus"]


def _bird(desk: _Desk) -> list[str]:
    tone = desk.tone()
    desk.part(points([(0.7, 0.1), (1.35, 0.42), (1.2, 0.6), (0.6, 0.4)]), shade(tone, 0.35))
    body = spline(
        [
            (-0.85, -0.5),
            (-0.4, -0.78),
            (0.05, -0.42),
            (0.7, 0.05),
            (0.55, 0.55),
            (-0.2, 0.75),
            (-0.75, 0.3),
        ],
        closed=True,
    )
    desk.part(body, light(tone, 0.45), tone, shade(tone, 0.15))
    desk.part(
        spline([(-0.2, 0.0), (0.5, 0.0), (1.05, 0.32), (0.3, 0.48)], closed=True), shade(tone, 0.25)
    )
    desk.part(points([(-0.82, -0.5), (-1.12, -0.38), (-0.8, -0.3)]), (246, 174, 70))
    desk.part(ellipse((-0.55, -0.48), (0.05, 0.05), 20), (36, 34, 44))
    for x in (-0.15, 0.12):
        desk.ink(points([(x, 0.72), (x, 1.0), (x - 0.14, 1.06)]), (190, 120, 66), 2.0)
    desk.part(
        ribbon(spline([(-1.3, 1.05), (0.0, 1.1), (1.3, 1.0)]), [0.05, 0.07, 0.04]), (140, 98, 76)
    )
    return ["bird", "animal", "branch", "animal_focus"]


def _crystals(desk: _Desk) -> list[str]:
    tone = desk.tone()
    for x, lean, tall in (
        (-0.6, -0.3, 0.9),
        (0.6, 0.25, 1.05),
        (-0.2, -0.1, 1.5),
        (0.3, 0.12, 1.7),
        (0.0, 0.0, 1.1),
    ):
        left, top, right = (x - 0.24, 0.9), (x + lean, 0.9 - tall), (x + 0.24, 0.9)
        mid_left, mid_right = (
            (x + lean * 0.75 - 0.24, 1.05 - tall * 0.85),
            (x + lean * 0.75 + 0.24, 1.05 - tall * 0.85),
        )
        desk.part(
            points([left, mid_left, top, (x + lean * 0.75, 1.12 - tall * 0.8), (x, 1.0)]),
            light(tone, 0.65),
            light(tone, 0.2),
        )
        desk.part(
            points([(x, 1.0), (x + lean * 0.75, 1.12 - tall * 0.8), top, mid_right, right]),
            tone,
            shade(tone, 0.5),
        )
    return ["crystal", "gem", "still_life"]


def _mushrooms(desk: _Desk) -> list[str]:
    tone = desk.tone()
    for x, y, size in ((-0.6, 0.4, 0.6), (0.65, 0.5, 0.5), (0.0, 0.0, 1.0)):
        at = points((x, y))
        stem = _symmetric([(0.0, 0.2), (0.22, 0.2), (0.2, 0.7), (0.3, 0.95), (0.0, 1.02)])
        desk.part(stem * size + at, (255, 246, 228), (226, 206, 184))
        cap = join(
            spline([(-0.75, 0.25), (-0.6, -0.35), (0.0, -0.7), (0.6, -0.35), (0.75, 0.25)]),
            spline([(0.75, 0.25), (0.0, 0.42), (-0.75, 0.25)]),
        )
        desk.part(cap * size + at, light(tone, 0.25), tone, shade(tone, 0.35))
        for u, v, r in (
            (-0.35, -0.1, 0.12),
            (0.1, -0.4, 0.14),
            (0.42, 0.02, 0.11),
            (0.0, 0.1, 0.09),
        ):
            desk.part(
                ellipse((x + u * size, y + v * size), (r * size, r * size * 0.9), 20),
                (255, 250, 240),
            )
    return ["mushroom", "plant", "still_life"]


THINGS: dict[str, Callable[[_Desk], list[str]]] = {
    "sword": _sword,
    "cake": _cake,
    "teacup": _teacup,
    "plant": _plant,
    "fish": _fish,
    "bird": _bird,
    "crystals": _crystals,
    "mushrooms": _mushrooms,
}


def draw_thing(canvas: Canvas, width: float, height: float, rng: Generator) -> list[str]:
    """Draw one thing in the middle of the picture; returns its tags."""
    size = min(width, height) * float(rng.uniform(0.24, 0.34))
    frame = Frame(width / 2, height / 2, size, roll=float(rng.normal(0, 8)))
    name = pick(rng, dict.fromkeys(THINGS, 1.0))
    canvas.glow((width / 2, height / 2 + size * 1.1), (size * 1.3, size * 0.3), (90, 80, 110), 0.35)
    return ["no_humans", *THINGS[name](_Desk(canvas, frame, rng))]
