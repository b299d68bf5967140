"""Hair over the skull and the forehead; how any mass of hair is painted.

Coordinates are the face's: the crown is near y = -1.4, the brow at y = -0.2, the chin at 1.14.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import PCG64, Generator

from animetools.artist.canvas import Canvas
from animetools.artist.character import Character, Hair
from animetools.artist.colors import WHITE, light, line_of, mix, shade
from animetools.artist.curves import Frame, Points, bend, join, moved, points, ribbon, spline
from animetools.artist.style import Style, hatch

CROWN_Y = -1.36


# The right edge of the hair behind the head, from the temple down, and the ragged end's roughness.
@dataclass(frozen=True)
class Mass:
    """One mass of hair: its pieces, and the strands inside it, all in pixels."""

    pieces: list[Points]
    strands: list[Points]
    slivers: list[Points]
    top: Points
    bottom: Points


def chance(hair: Hair, part: int) -> Generator:
    """Each part of the hair has its own random generator, so that one part does not change another."""
    return Generator(PCG64([hair.seed, part]))


def paint_mass(
    canvas: Canvas,
    frame: Frame,
    who: Character,
    style: Style,
    mass: Mass,
    deep: float,
    inked: bool = True,
) -> None:
    """Draw the outline of all pieces as one, fill them, and draw the strands; `deep`: 0 lit, 1 in shadow."""
    hair = who.hair
    width = style.line * frame.size
    ink = line_of(hair.color, style.ink)
    for piece in mass.pieces if inked else []:
        canvas.stroke(piece, width * 2, ink, closed=True)
    base, tip = shade(hair.color, 0.55 * deep), shade(hair.tip, 0.4 * deep)
    dark = shade(base, 0.5)
    with canvas.clip(*mass.pieces) as inside:
        stops = [light(base, 0.18), base, mix(base, tip, 0.5), tip]
        inside.gradient(
            mass.top, mass.bottom, stops if style.soft or hair.tip != hair.color else [base, tip]
        )
        for sliver in mass.slivers:
            inside.fill(sliver, mix(base, dark, 0.75))
        for strand in mass.strands:
            inside.stroke(strand, width * 0.75, mix(dark, ink, 0.3), (0.15, 0.15))


def fringe(frame: Frame, who: Character) -> tuple[Points, list[tuple[Points, Points]]]:
    """The edge of the fringe from the viewer's left to right, as head units, and each lock's
    notch and tip.
    """
    hair = who.hair
    rng = chance(hair, 2)
    part = hair.part
    toward = -1.0 if part > 0 else 1.0
    count = {"blunt": 8, "between": 6}.get(hair.fringe, 7)
    if hair.fringe == "between" and rng.random() < 0.5:
        count = 5
    bounds = np.linspace(-1.04, 1.04, count + 1)
    bounds[1:-1] += rng.uniform(-0.06, 0.06, count - 1)
    locks: list[tuple[Points, Points]] = []
    pieces = []
    for k in range(count):
        left, right = float(bounds[k]), float(bounds[k + 1])
        x = (left + right) / 2
        tip_y, rise, lean = _lock(hair.fringe, x, part, toward, rng)
        sink = 0.3 * max(abs(x) - 0.55, 0)
        tip = np.array([x + lean, tip_y + sink])
        start = np.array([left, _notch(hair, left, part, toward, rise)])
        end = np.array([right, _notch(hair, right, part, toward, rise)])
        curl = lean * 0.35
        control_left = (start + tip) / 2 + (-0.05 - curl, 0.02)
        control_right = (end + tip) / 2 + (0.05 - curl, 0.05)
        pieces += [bend(start, control_left, tip, 8), bend(tip, control_right, end, 8)]
        locks.append((points(end), points(tip)))
    return join(*pieces), locks


def _lock(
    style: str, x: float, part: float, toward: float, rng: Generator
) -> tuple[float, float, float]:
    """One lock's tip height, its length above the notch, and how far its tip leans."""
    jitter = float(rng.uniform(-1, 1))
    away = x - part
    match style:
        case "blunt":
            return -0.08 + 0.03 * jitter, 0.12, 0.02 * jitter
        case "swept":
            reach = 0.1 + 0.12 * toward * away
            return reach + 0.07 * jitter, 0.34, toward * 0.2 * (1 if away * toward > -0.3 else -0.7)
        case "parted":
            return (
                -0.55 + 0.85 * min(abs(away), 1) ** 0.8 + 0.06 * jitter,
                0.3,
                0.16 * float(np.sign(away)),
            )
        case "one_eye":
            hidden = away * toward > 0.12
            return (
                (0.6 if hidden else -0.12 - 0.1 * away * toward) + 0.06 * jitter,
                0.4,
                toward * 0.16,
            )
        case _:
            center = max(0.0, 1 - abs(x) / 0.3)
            return (
                0.06 + 0.2 * center + 0.1 * jitter,
                0.38,
                -0.12 * float(np.sign(x)) * min(abs(x), 0.5) + 0.05 * jitter,
            )


def _notch(hair: Hair, x: float, part: float, toward: float, rise: float) -> float:
    """Where the hair opens between two locks."""
    side = 0.45 * max(abs(x) - 0.6, 0) / 0.44
    match hair.fringe:
        case "blunt":
            return -0.2 + side
        case "parted":
            return -0.95 + 0.75 * math.sqrt(min(abs(x - part) / 0.9, 1)) + side
        case "one_eye":
            return (0.12 if (x - part) * toward > 0.2 else -0.4) + side
        case _:
            return -0.04 - rise + side


def front_pieces(frame: Frame, who: Character) -> list[Points]:
    """The outlines of the hair over the forehead, for the shadow it throws."""
    edge, _ = fringe(frame, who)
    return [join(frame.flat(_cap_arc(who.hair)), frame.round(edge[::-1], 0.85, 1.3))]


def _cap_arc(hair: Hair) -> Points:
    """The outer edge of the hair over the skull, from the viewer's left ear to the right one."""
    angle = np.linspace(np.pi * 1.13, -np.pi * 0.13, 40)
    return np.stack([np.cos(angle) * 1.14, -0.2 - np.sin(angle) * 1.19 * hair.volume], 1)


def draw_front(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """The fringe, the hair over the skull with its ring of light, the side locks."""
    hair = who.hair
    rng = chance(hair, 3)
    _, locks = fringe(frame, who)
    (cap,) = front_pieces(frame, who)
    pole = (hair.part * 0.8, CROWN_Y + 0.05)

    def meridian(to: Points, start: float, stop: float) -> Points:
        x, y = to[0]
        way = bend(pole, (x * 1.12 + pole[0] * 0.1, pole[1] + 0.3 * (y - pole[1])), (x, y), 24)
        return way[int(start * 24) : max(int(stop * 24), int(start * 24) + 2) + 1]

    def put(curve: Points) -> Points:
        return frame.round(curve, 0.85, 1.3)

    strands, slivers = [], []
    for notch, tip in locks:
        strands.append(put(meridian(notch, rng.uniform(0.3, 0.6), 1.0)))
        strands.append(
            put(
                meridian(
                    tip * 0.7 + notch * 0.3 + (rng.uniform(-0.06, 0.06), 0),
                    rng.uniform(0.5, 0.7),
                    0.97,
                )
            )
        )
        way = meridian(moved(notch, 0.03, 0.0), 0.5, 1.0)
        slivers.append(put(ribbon(way, [0.0, 0.03, 0.0])))
    for _ in range(5):
        x = float(rng.uniform(-1, 1))
        strands.append(
            put(meridian(points((x, -0.3)), rng.uniform(0.0, 0.15), rng.uniform(0.3, 0.55)))
        )
    hanging = _side_locks(canvas, frame, who, style)
    mass = Mass([cap], strands, slivers, frame.flat((0, -1.4)), frame.flat((0, 0.25)))
    paint_mass(canvas, frame, who, style, mass, deep=0.0, inked=False)
    with canvas.clip(cap) as inside:
        _ring(inside, frame, hair, style, rng)
    with canvas.clip(cap, *hanging) as inside:
        _side_shadow(inside, frame, hair, style)
    _loose_locks(
        canvas,
        who,
        style,
        [
            put(meridian(moved(n * 0.55 + t * 0.45, 0, 0.02), 0.42, 1.0))
            for n, t in locks
            if rng.random() < 0.4
        ],
        frame.size,
    )
    # The sides stay open: there this hair runs into the hair behind.
    ink = line_of(hair.color, style.ink)
    edge, _ = fringe(frame, who)
    canvas.stroke(put(edge), style.line * frame.size, ink, (0.2, 0.2))
    canvas.stroke(frame.flat(_cap_arc(hair)[5:-5]), style.line * frame.size * 1.1, ink, (0.1, 0.1))
    if hair.ahoge:
        _ahoge(canvas, frame, who, style, rng)


def _loose_locks(
    canvas: Canvas, who: Character, style: Style, spines: list[Points], size: float
) -> None:
    """Single locks that lie over the fringe and end in front of it."""
    ink = line_of(who.hair.color, style.ink)
    for spine in spines:
        onward = spine[-1] + (spine[-1] - spine[-4]) * (0.5, 0.9)
        whole = np.concatenate([spine, onward[None]])
        lock = ribbon(whole, np.array([0.0, 0.03, 0.05, 0.055, 0.045, 0.0]) * size)
        half = len(lock) // 2
        with canvas.clip(lock) as inside:
            stops = [
                who.hair.color,
                light(who.hair.color, 0.16),
                mix(who.hair.color, who.hair.tip, 0.7),
            ]
            inside.gradient(spine[0], onward, stops)
        for edge in (lock[:half], lock[half:][::-1]):
            canvas.stroke(edge, style.line * 0.8 * size, ink, (0.05, 0.6))


def _ring(canvas: Canvas, frame: Frame, hair: Hair, style: Style, rng: Generator) -> None:
    """The band of light around the crown, ragged as the strands are."""
    if style.sketch:
        return
    shine = light(hair.color, 0.62)
    height = float(rng.uniform(-0.98, -0.82))
    for start, stop in ((-0.92, 0.05), (0.14, 0.62), (0.7, 0.9)):
        xs = np.linspace(start, stop, max(int((stop - start) * 22), 4))
        bow = height + 0.5 * xs**2
        fade = np.sin(np.linspace(0, np.pi, len(xs))) ** 0.6
        up = bow - fade * rng.uniform(0.02, 0.09, len(xs))
        down = bow + fade * rng.uniform(0.02, 0.15, len(xs)) * np.where(
            np.arange(len(xs)) % 2, 1.0, 0.35
        )
        band = join(np.stack([xs, up], 1), np.stack([xs, down], 1)[::-1])
        canvas.fill(frame.round(band, 0.85, 1.35), shine, 0.8)


def _side_shadow(canvas: Canvas, frame: Frame, hair: Hair, style: Style) -> None:
    """The side of the hair that is turned from the light."""
    if style.soft:
        dark = shade(hair.color, 0.5)
        for way, strength in ((1, 0.55), (-1, 0.3)):
            radii = (0.6 * frame.size, 1.3 * frame.size)
            canvas.glow(frame.flat((way * 1.25, -0.1)), radii, dark, strength)
        return
    knots = [
        (1.5, -1.3),
        (0.98, -0.95),
        (0.74, -0.4),
        (0.8, 0.3),
        (0.95, 1.0),
        (1.0, 3.0),
        (1.5, 3.0),
    ]
    place = frame.hang(spline(knots))
    if style.sketch:
        with canvas.clip(place) as dim:
            hatch(dim, frame)
    else:
        canvas.shadow(place, color=shade(WHITE, 0.35))


def _side_locks(canvas: Canvas, frame: Frame, who: Character, style: Style) -> list[Points]:
    """Locks that frame the face in front of the ears; returns their outlines."""
    hair = who.hair
    rng = chance(hair, 4)
    if hair.sides == "none":
        return []
    reach = {"locks": rng.uniform(0.75, 1.15), "long_locks": rng.uniform(1.6, 2.6)}.get(
        hair.sides, 0.92
    )
    drawn: list[Points] = []
    for side in (-1, 1):
        long = float(reach + rng.uniform(-0.1, 0.1))
        if hair.sides == "hime":
            shape = join(
                spline([(0.8, -0.5), (0.83, 0.2), (0.82, 0.95)]),
                [(1.18, 1.0)],
                spline([(1.2, 0.6), (1.2, 0.0), (1.1, -0.6)]),
            )
            pieces = [shape]
            inner = [spline([(x, -0.3), (x + 0.02, 0.3), (x, 0.92)]) for x in (0.92, 1.0, 1.09)]
        else:
            wave = hair.wave * 0.1
            spine = spline(
                [
                    (0.8, -0.85),
                    (1.04, 0.0),
                    (0.99 + wave, long * 0.62),
                    (1.03 - wave, long * 0.85),
                    (0.9, long + 0.12),
                ]
            )
            pieces = [ribbon(spine, [0.03, 0.12, 0.15, 0.14, 0.12, 0.0])]
            second = spline([(0.85, -0.75), (1.12, 0.1), (1.12, long * 0.55), (1.1, long * 0.85)])
            pieces.append(ribbon(second, [0.02, 0.1, 0.11, 0.08, 0.0]))
            inner = [moved(spine[6:-4], 0.02, 0), moved(spine[10:-2], -0.05, 0)]
        sign = points((side, 1))
        mass = Mass(
            [frame.hang(piece * sign, 0.3) for piece in pieces],
            [frame.hang(line * sign, 0.3) for line in inner],
            [],
            frame.flat((0, -1.4)),
            frame.hang((side, long + 0.2), 0.3),
        )
        paint_mass(canvas, frame, who, style, mass, deep=0.0)
        drawn += mass.pieces
    return drawn


def _ahoge(canvas: Canvas, frame: Frame, who: Character, style: Style, rng: Generator) -> None:
    """A lock that stands up from the crown."""
    side = float(rng.choice([-1, 1]))
    spine = spline(
        [(0.02, -1.3), (0.02 + 0.1 * side, -1.65), (0.38 * side, -1.82), (0.62 * side, -1.62)]
    )
    curl = frame.flat(ribbon(moved(spine, who.hair.part * 0.5, 0), [0.0, 0.06, 0.07, 0.05, 0.0]))
    canvas.fill(curl, who.hair.color)
    canvas.stroke(curl[2:-2], style.line * frame.size * 0.9, line_of(who.hair.color, style.ink))
