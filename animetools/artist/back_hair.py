"""Hair behind the head, and hair that is tied: tails, braids, buns, ringlets.

Coordinates are the face's.
"""

import numpy as np
from numpy.random import Generator

from animetools.artist.canvas import Canvas
from animetools.artist.character import Character, Hair
from animetools.artist.colors import Color, light, line_of, mix, shade
from animetools.artist.curves import (
    Frame,
    Points,
    bend,
    ellipse,
    join,
    mirrored,
    moved,
    points,
    ribbon,
    spline,
)
from animetools.artist.hair import Mass, chance, paint_mass
from animetools.artist.style import Style

BACKS: dict[str, tuple[list[tuple[float, float]], float]] = {
    "short": ([(1.18, 0.0), (1.15, 0.45), (0.98, 0.86), (0.78, 1.02)], 0.16),
    "spiky": ([(1.16, 0.0), (1.12, 0.4), (0.95, 0.8), (0.7, 0.98)], 0.22),
    "bob": ([(1.23, 0.0), (1.33, 0.6), (1.3, 1.05), (1.02, 1.3)], 0.1),
    "medium": ([(1.21, 0.0), (1.3, 0.7), (1.38, 1.4), (1.24, 2.0)], 0.34),
    "long": ([(1.22, 0.0), (1.32, 0.8), (1.46, 1.8), (1.58, 3.0), (1.42, 4.1)], 0.6),
    "very_long": ([(1.22, 0.0), (1.35, 0.9), (1.6, 2.4), (1.85, 4.5), (1.7, 7.0)], 0.9),
}


def draw_back(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """The hair behind the neck and the body, and bundles tied high."""
    hair = who.hair
    rng = chance(hair, 1)
    if hair.bundle in ("twintails", "ponytail", "side_ponytail"):
        for spine in _high_tails(hair, rng):
            draw_tail(canvas, frame, who, style, spine, rng, deep=0.35)
    if hair.bundle == "double_bun":
        for side in (-1, 1):
            _bun(canvas, frame, who, style, side)
    edge, rough = BACKS[hair.length]
    right = spline([(0.0, -1.3), (0.6, -1.16), (1.02, -0.74), *edge])
    right[:, 0] += hair.wave * 0.09 * np.sin(right[:, 1] * 4.2) * np.clip(right[:, 1], 0, 1)
    right[:, 0] *= 0.5 + 0.5 * hair.volume
    left = mirrored(right)[::-1]
    sway = 0.05 * float(rng.normal()) * np.clip(right[:, 1] - 0.6, 0, None) ** 1.2
    right[:, 0] += sway
    left[:, 0] += sway[::-1]
    low_right, low_left = right[-1], left[0]
    count = 5 if rough < 0.3 else 7
    ends = ragged(low_right, low_left, count, rough, rng)
    silhouette = frame.hang(join(right, ends, left), -0.22)
    depth = float(low_right[1])
    strands = []
    for share in np.linspace(-0.9, 0.9, 13):
        x = share * 1.1
        bottom = share * float(low_right[0])
        way = spline(
            [
                (x * 0.9, 0.2),
                (x * 1.05, 0.2 + (depth - 0.2) * 0.5),
                (bottom, depth * rng.uniform(0.85, 1.02)),
            ]
        )
        way[:, 0] += hair.wave * 0.09 * np.sin(way[:, 1] * 4.2 + share)
        strands.append(frame.hang(way, -0.22))
    slivers = [
        frame.hang(
            ribbon(bend((x, 0.6), (x * 1.05, depth * 0.6), (x * 1.1, depth)), [0.0, 0.07, 0.0]),
            -0.22,
        )
        for x in rng.uniform(-1.1, 1.1, 4)
    ]
    pieces = [silhouette, *_tufts(frame, rng, low=min(depth, 1.6))]
    if hair.length == "spiky":
        pieces += _spikes(frame, rng)
    mass = Mass(pieces, strands, slivers, frame.hang((0, -0.6)), frame.hang((0, depth)))
    paint_mass(canvas, frame, who, style, mass, deep=0.3)
    with canvas.clip(*pieces) as inside:
        inside.glow(
            frame.hang((0, 0.9)),
            (1.25 * frame.size, 1.5 * frame.size),
            shade(hair.color, 1.0),
            0.85,
        )


def ragged(start: Points, end: Points, count: int, rough: float, rng: Generator) -> Points:
    """Pointed ends of hair from one point to another."""
    pieces = []
    places = np.linspace(0, 1, count + 1)
    for k in range(count):
        a, b = start + (end - start) * places[k], start + (end - start) * places[k + 1]
        tip = a + (b - a) * rng.uniform(0.3, 0.7) + (0, rough * rng.uniform(0.5, 1.1))
        notch = b - (0, rough * rng.uniform(0.0, 0.3)) if k < count - 1 else b
        pieces += [bend(a, a * 0.5 + tip * 0.5 + (0.04, 0.1 * rough), tip, 6)]
        pieces += [bend(tip, tip * 0.5 + notch * 0.5 + (-0.04, 0.1 * rough), notch, 6)]
    return join(*pieces)


def _tufts(frame: Frame, rng: Generator, low: float) -> list[Points]:
    """A few strands that stray from the outline."""
    tufts = []
    for side in (-1, 1):
        for _ in range(int(rng.integers(1, 4))):
            y = float(rng.uniform(-0.1, low - 0.4))
            out = float(rng.uniform(0.1, 0.24))
            spine = spline(
                [(1.0, y - 0.5), (1.15, y), (1.18 + out * 0.6, y + 0.3), (1.22 + out, y + 0.62)]
            )
            tufts.append(
                frame.hang(ribbon(spine, [0.05, 0.1, 0.06, 0.0]) * points((side, 1)), -0.15)
            )
    return tufts


def _spikes(frame: Frame, rng: Generator) -> list[Points]:
    """Locks that stand out around the head, combed to one side."""
    way = float(rng.choice([-1, 1]))
    spikes = []
    for angle in (-205, -188, -170, -150, -128, -104, -80, -56, -32, -10, 8, 25):
        turn = np.deg2rad(angle + rng.uniform(-8, 8))
        out = np.array([np.cos(turn), np.sin(turn)])
        # On top they lie over to one side, at the sides they fall.
        lean = way if abs(out[0]) < 0.4 else np.sign(out[0])
        fall = np.array([lean * 0.3 * max(-out[1], 0), 0.34 * abs(out[0]) ** 2])
        reach, half = float(rng.uniform(1.3, 1.6)), float(rng.uniform(0.22, 0.36))
        across = np.array([-out[1], out[0]])
        middle = np.array([0, -0.2])
        tip = middle + out * reach + fall
        one, two = middle + out * 1.05 - across * half, middle + out * 1.05 + across * half
        swell = out * 0.14
        spikes.append(
            frame.flat(
                join(
                    bend(one, (one + tip) / 2 + swell - fall * 0.4, tip),
                    bend(tip, (two + tip) / 2 - fall * 0.3, two),
                ),
                -0.05,
            )
        )
    return spikes


def _high_tails(hair: Hair, rng: Generator) -> list[Points]:
    """The spines of tails tied high on the head."""
    long = float(rng.uniform(0.75, 1.35))
    out = float(rng.uniform(0.85, 1.2))
    match hair.bundle:
        case "twintails":
            high = float(rng.uniform(-0.95, -0.55))
            spine = spline(
                [
                    (0.95, high),
                    (1.45 * out, high - 0.12),
                    (1.8 * out, high + 0.75),
                    (1.75 * out, high + 2.0 * long),
                    (1.55 * out, high + 3.2 * long),
                    (1.75 * out, high + 4.0 * long),
                ]
            )
            return [spine, mirrored(spine)]
        case "ponytail":
            side = float(rng.choice([-1, 1]))
            return [
                spline(
                    [
                        (0.1, -1.2),
                        (0.85, -1.62),
                        (1.6 * out, -1.1),
                        (1.75 * out, 0.3),
                        (1.5, 1.5 * long),
                        (1.7, 2.6 * long),
                    ]
                )
                * points((side, 1))
            ]
        case _:
            side = -1.0 if hair.part > 0 else 1.0
            return [
                spline(
                    [
                        (0.9, -0.55),
                        (1.4, -0.75),
                        (1.7 * out, 0.1),
                        (1.6 * out, 1.4 * long),
                        (1.4, 2.5 * long),
                        (1.6, 3.2 * long),
                    ]
                )
                * points((side, 1))
            ]


def draw_tail(
    canvas: Canvas,
    frame: Frame,
    who: Character,
    style: Style,
    spine: Points,
    rng: Generator,
    deep: float,
    depth: float = -0.15,
    thick: float = 1.0,
) -> None:
    """One tied tail of hair along a spine, splitting into pointed ends."""
    wave = who.hair.wave
    place = np.linspace(0, 1, len(spine))
    if wave:
        spine = spine + np.stack([np.sin(place * 14) * 0.1 * wave, place * 0], 1)
    widths = np.array([0.12, 0.3, 0.4, 0.4, 0.33, 0.2, 0.0]) * thick
    pieces = [ribbon(spine, widths)]
    side = np.stack([place**1.5 * 0.3, -(place**2) * 0.35], 1) * thick
    pieces += [
        ribbon(spine[: len(spine) - 4] + side[: len(spine) - 4] * (way, 1), widths * 0.62)
        for way in (-1, 1)
    ]
    strands = []
    for share in (-0.66, -0.35, 0.0, 0.3, 0.62):
        ease = np.interp(place, np.linspace(0, 1, len(widths)), widths) * share
        offset = np.stack([np.cos(place * 0) * ease, ease * 0.15], 1)
        first = int(rng.integers(2, 9))
        strands.append(
            frame.hang((spine + offset)[first : int(len(spine) * rng.uniform(0.75, 1))], depth)
        )
    cut = int(len(spine) * 0.3)
    slivers = [
        frame.hang(
            ribbon(
                moved(spine, way * 0.2 * thick, 0.1)[cut:-3], [0.0, 0.07 * thick, 0.04 * thick, 0.0]
            ),
            depth,
        )
        for way in (-0.9, 0.7)
    ]
    outlines = [frame.hang(piece, depth) for piece in pieces]
    mass = Mass(
        outlines, strands, slivers, frame.hang(spine[0], depth), frame.hang(spine[-1], depth)
    )
    paint_mass(canvas, frame, who, style, mass, deep)


def _bun(canvas: Canvas, frame: Frame, who: Character, style: Style, side: int) -> None:
    """A round bun on top of the head."""
    center = (side * 0.82, -1.16)
    ball = frame.flat(ellipse(center, (0.44, 0.42)), -0.1)
    whirl = [
        frame.flat(points(center) + np.stack([np.cos(a), np.sin(a)], 1) * r, -0.1)
        for r, a in ((0.3, np.linspace(0.4, 4.4, 20)), (0.17, np.linspace(3.2, 7.6, 20)))
    ]
    low = frame.flat(ellipse((center[0] - side * 0.1, center[1] + 0.34), (0.4, 0.2)), -0.1)
    paint_mass(
        canvas,
        frame,
        who,
        style,
        Mass([ball], whirl, [low], frame.flat((center[0], -1.6)), frame.flat((center[0], -0.7))),
        0.15,
    )


def draw_low_bundles(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """Bundles that hang over the shoulders, in front of the body."""
    hair = who.hair
    rng = chance(hair, 5)
    sides = (
        (-1, 1)
        if hair.bundle in ("low_twintails", "twin_braids", "drills")
        else (int(rng.choice([-1, 1])),)
    )
    long = float(rng.uniform(0.8, 1.2))
    for side in sides:
        sign = points((side, 1))
        if hair.bundle == "low_twintails":
            spine = spline(
                [
                    (0.98, 0.95),
                    (1.22, 1.5),
                    (1.32, 2.2 * long),
                    (1.15, 3.0 * long),
                    (1.3, 3.6 * long),
                ]
            )
            draw_tail(canvas, frame, who, style, spine * sign, rng, 0.1, 0.05, 0.75)
            _tie(canvas, frame, (side * 0.97, 0.95), 0.16, who.accent, style)
        elif hair.bundle in ("braid", "twin_braids"):
            _braid(canvas, frame, who, style, side, long)
        elif hair.bundle == "drills":
            _drill(canvas, frame, who, style, side, long)


def _tie(
    canvas: Canvas, frame: Frame, at: tuple[float, float], radius: float, color: Color, style: Style
) -> None:
    """A band around a bundle."""
    band = frame.hang(ellipse(at, (radius, radius * 0.6)), 0.05)
    canvas.fill(band, color)
    canvas.stroke(band, style.line * frame.size, line_of(color, style.ink), closed=True)


def _braid(
    canvas: Canvas, frame: Frame, who: Character, style: Style, side: int, long: float
) -> None:
    """Plaits: overlapping leaves, left and right in turn."""
    spine = spline(
        [(0.88, 0.75), (1.12, 1.35), (1.02, 2.1 * long), (0.85, 3.1 * long)], steps=20
    ) * points((side, 1))
    count = 9
    for k in range(count * 2):
        share = k / (count * 2)
        at = spine[int(share * (len(spine) - 1))]
        way = 1 if k % 2 else -1
        size = 0.23 * (1 - 0.35 * share)
        leaf = spline(
            [(-0.2, -0.5), (0.55, -0.75), (0.95, 0.0), (0.3, 0.85), (-0.35, 0.6)], closed=True
        )
        leaf = leaf * points((way * size, size)) + at
        place = frame.hang(leaf, 0.05)
        stroke = frame.hang(
            spline([(0.6, -0.5), (0.5, 0.0), (0.1, 0.6)]) * points((way * size, size)) + at, 0.05
        )
        base = mix(who.hair.color, who.hair.tip, share)
        ink = line_of(base, style.ink)
        canvas.fill(place, base if way > 0 else shade(base, 0.15))
        canvas.stroke(place, style.line * frame.size * 0.9, ink, closed=True)
        canvas.stroke(stroke, style.line * frame.size * 0.6, shade(base, 0.6), (0.2, 0.2))
    end = spine[-1]
    tuft = spline(moved([(0, -0.05), (0.1, 0.25), (0.0, 0.55)], float(end[0]), float(end[1])))
    mass = Mass(
        [frame.hang(ribbon(tuft, [0.1, 0.17, 0.0]), 0.05)],
        [],
        [],
        frame.hang(end),
        frame.hang(moved(end, 0, 0.5)),
    )
    paint_mass(canvas, frame, who, style, mass, 0.0)
    _tie(canvas, frame, (float(end[0]), float(end[1])), 0.15, who.accent, style)


def _drill(
    canvas: Canvas, frame: Frame, who: Character, style: Style, side: int, long: float
) -> None:
    """A ringlet: bands that widen, then narrow downwards."""
    count = 9
    for k in range(count, -1, -1):
        share = k / count
        x, y = side * (1.2 + 0.14 * np.sin(share * 4)), 0.0 + share * 2.5 * long
        wide = 0.36 * np.sin(np.pi * (0.22 + 0.78 * share)) ** 0.8 + 0.03
        band = spline(
            [(-1, -0.6), (0, -1), (1, -0.85), (1.04, 0.1), (0.2, 0.95), (-0.95, 0.75)], closed=True
        )
        place = frame.hang(band * points((wide * side, 0.24)) + points((x, y)), 0.05)
        base = mix(who.hair.color, who.hair.tip, share)
        canvas.stroke(place, style.line * frame.size * 2, line_of(base, style.ink), closed=True)
        with canvas.clip(place) as inside:
            left, right = frame.hang([(x - wide, y - 0.1 * side), (x + wide, y + 0.1 * side)], 0.05)
            inside.gradient(
                left, right, [shade(base, 0.4), base, light(base, 0.5), base, shade(base, 0.3)]
            )
