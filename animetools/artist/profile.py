"""Heads that do not face the viewer: from the side, and from behind.

The side view looks to the viewer's left in its own coordinates; the skull's middle is near x = 0.1.
"""

import numpy as np
from numpy.random import PCG64, Generator

from animetools.artist.back_hair import BACKS, ragged
from animetools.artist.canvas import Canvas
from animetools.artist.character import Character
from animetools.artist.colors import BLACK, WHITE, light, line_of, mix, skin_shade, times
from animetools.artist.curves import Frame, Points, bend, ellipse, join, points, ribbon, spline
from animetools.artist.hair import Mass, paint_mass
from animetools.artist.style import Style

_MOUTH_CORNERS = {"smile": -0.04, "laugh": -0.04, "cat": -0.03, "grin": -0.04, "fang": -0.04}


def side_outline() -> Points:
    """The face from the side: forehead, nose, lips, chin, jaw, and back over the ear."""
    front = spline(
        [(-0.62, -0.95), (-0.84, -0.5), (-0.9, -0.1), (-0.86, 0.16), (-0.91, 0.36), (-1.02, 0.54)]
    )
    lips = spline([(-1.02, 0.54), (-0.93, 0.62), (-0.915, 0.69), (-0.94, 0.76), (-0.9, 0.82)])
    chin = spline(
        [(-0.9, 0.82), (-0.91, 0.89), (-0.86, 0.97), (-0.85, 1.1), (-0.74, 1.2), (-0.5, 1.16)]
    )
    jaw = spline([(-0.5, 1.16), (-0.08, 0.94), (0.2, 0.72), (0.3, 0.3), (0.35, -0.4), (0.0, -0.9)])
    return join(front, lips, chin, jaw)


def draw_profile(canvas: Canvas, head: Frame, who: Character, style: Style) -> None:
    """A head from the side, with its hair."""
    skin = head.flat(side_outline())
    size, width = head.size, style.line * head.size
    canvas.fill(skin, who.skin)
    with canvas.clip(skin) as inside:
        if style.soft:
            inside.glow(
                head.flat((0.1, 0.7)), (0.8 * size, 0.8 * size), skin_shade(who.skin, 0.6), 0.6
            )
        fringe = spline([(-1.1, -0.3), (-0.7, 0.12), (-0.2, 0.3), (0.1, 0.9), (0.6, 0.9)])
        inside.fill(head.flat(join(fringe, [(0.6, -1.0), (-1.1, -1.0)])), skin_shade(who.skin, 0.5))
        if not style.sketch:
            pink = times(who.skin, (255, 150, 150))
            inside.glow(
                head.flat((-0.5, 0.62)), (0.3 * size, 0.2 * size), pink, min(who.blush, 0.8)
            )
    canvas.stroke(skin, width, line_of(who.skin, style.ink), closed=True)
    _ear(canvas, head, who, style)
    _eye(canvas, head, who, style)
    lift = _MOUTH_CORNERS.get(who.mouth, 0.02)
    if who.mouth in ("laugh", "small_open", "fang"):
        gap = points([(-0.93, 0.69), (-0.77, 0.68), (-0.79, 0.77), (-0.92, 0.79)])
        canvas.fill(head.flat(gap), (150, 58, 66))
    mouth = bend((-0.92, 0.715), (-0.83, 0.735), (-0.75, 0.725 + lift))
    canvas.stroke(head.flat(mouth), width * 0.9, line_of(who.skin, 0.7), (1, 0.2))
    nostril = bend((-0.95, 0.595), (-0.92, 0.57), (-0.9, 0.585))
    canvas.stroke(head.flat(nostril), width * 0.7, line_of(who.skin, 0.4), (0.3, 0.3))
    _side_hair(canvas, head, who, style)


def _ear(canvas: Canvas, head: Frame, who: Character, style: Style) -> None:
    lobe = spline(
        [(0.12, 0.1), (0.3, -0.08), (0.46, 0.06), (0.4, 0.32), (0.24, 0.5), (0.14, 0.42)],
        closed=True,
    )
    place = head.flat(lobe)
    canvas.fill(place, who.skin)
    ink = line_of(who.skin, style.ink)
    canvas.stroke(place, style.line * head.size, ink, closed=True)
    fold = spline([(0.22, 0.08), (0.36, 0.04), (0.33, 0.2), (0.24, 0.3)])
    canvas.stroke(head.flat(fold), style.line * 0.8 * head.size, skin_shade(who.skin, 0.9))


def _eye(canvas: Canvas, head: Frame, who: Character, style: Style) -> None:
    """An eye from the side: a wedge that opens to the front."""
    lash = mix(mix(line_of(who.hair.color, 0.6), (40, 26, 34), 0.55), BLACK, 0.15)
    brow = ribbon(spline([(-0.82, -0.26), (-0.62, -0.34), (-0.36, -0.24)]), [0.03, 0.035, 0.008])
    if who.eyes.lids[0] == "closed":
        lid = ribbon(spline([(-0.78, 0.26), (-0.62, 0.36), (-0.4, 0.3)]), [0.012, 0.045, 0.02])
        canvas.fill(head.flat(lid), lash)
        canvas.fill(head.flat(points([(-0.46, 0.31), (-0.3, 0.4), (-0.4, 0.27)])), lash)
    else:
        tall = who.eyes.height
        top, low = 0.24 - 0.3 * tall, 0.24 + 0.27 * tall
        upper = spline([(-0.8, top + 0.14), (-0.72, top), (-0.55, top + 0.02), (-0.42, top + 0.2)])
        white = join(
            upper,
            spline([(-0.42, top + 0.2), (-0.5, low - 0.06), (-0.68, low), (-0.78, low - 0.16)]),
        )
        with canvas.clip(head.flat(white)) as ball:
            ball.flood(mix(WHITE, who.skin, 0.08))
            color = who.eyes.colors[0]
            dark = mix(times(color, color), (30, 16, 44), 0.5) if not style.sketch else (70.0,) * 3
            iris = ellipse((-0.7, 0.24), (0.13, 0.28 * tall))
            with ball.clip(head.flat(iris)) as inside:
                stops = [dark, mix(dark, color, 0.7), light(color, 0.45)]
                inside.gradient(head.flat((0, top)), head.flat((0, low)), stops)
                inside.fill(
                    head.flat(ellipse((-0.72, 0.24), (0.06, 0.13 * tall))), mix(dark, BLACK, 0.4)
                )
            ball.shadow(
                head.flat(
                    join(upper, [(-0.3, top - 0.1), (-0.8, top - 0.1)]) + np.array([0, 0.06])
                ),
                color=(196, 186, 214),
            )
        canvas.fill(head.flat(ellipse((-0.73, 0.13), (0.035, 0.07 * tall))), WHITE)
        canvas.fill(head.flat(ribbon(upper, [0.03, 0.045, 0.055, 0.04])), lash)
        wing = points([(-0.5, top + 0.05), (-0.27, top + 0.12), (-0.41, top + 0.24)])
        canvas.fill(head.flat(wing), lash)
        under = spline([(-0.72, low), (-0.58, low - 0.01), (-0.5, low - 0.06)])
        canvas.stroke(head.flat(under), style.line * 0.8 * head.size, lash, (0.2, 0.2))
    canvas.fill(head.flat(brow), mix(line_of(who.hair.color, 0.45), who.hair.color, 0.2), 0.8)


def _side_hair(canvas: Canvas, head: Frame, who: Character, style: Style) -> None:
    """The hair over the skull from the side: fringe, lock before the ear, nape."""
    hair = who.hair
    rng = Generator(PCG64([hair.seed, 6]))
    crown = spline(
        [
            (-0.98, -0.2),
            (-0.95, -0.75),
            (-0.5, -1.25),
            (0.15, -1.4),
            (0.85, -1.15),
            (1.22, -0.5),
            (1.27, 0.1),
            (1.12, 0.7),
            (0.9, 1.05),
        ]
    )
    edges = [
        bend((0.9, 1.05), (0.72, 0.95), (0.6, 0.75)),
        bend((0.6, 0.75), (0.5, 0.3), (0.46, -0.1)),
        bend((0.46, -0.1), (0.2, -0.15), (0.1, 0.05)),
        bend((0.1, 0.05), (0.12, 0.6), (-0.02, float(rng.uniform(0.85, 1.1)))),
    ]
    at = edges[-1][-1]
    for notch, tip in (
        ((-0.14, 0.15), (-0.34, 0.42)),
        ((-0.4, -0.1), (-0.66, float(rng.uniform(0.0, 0.2)))),
        ((-0.66, -0.3), (-0.95, float(rng.uniform(-0.05, 0.15)))),
    ):
        edges.append(bend(at, (at + points(notch))[0] / 2 + np.array([0.04, 0.0]), notch))
        edges.append(
            bend(notch, points(notch)[0] * 0.5 + points(tip)[0] * 0.5 + np.array([0.1, 0.05]), tip)
        )
        at = edges[-1][-1]
    shape = head.flat(join(crown, *edges))
    pole = (0.35, -1.2)
    strands = []
    for end in (
        (-0.14, 0.15),
        (-0.4, -0.1),
        (-0.66, -0.3),
        (0.3, -0.1),
        (0.8, 0.7),
        (1.05, 0.4),
        (0.6, 0.4),
    ):
        way = bend(pole, (end[0] * 0.8 - 0.1, -0.9), end, 20)
        strands.append(head.flat(way[int(rng.integers(3, 9)) :]))
    mass = Mass([shape], strands, [], head.flat((0, -1.4)), head.flat((0, 0.9)))
    paint_mass(canvas, head, who, style, mass, 0.0)
    with canvas.clip(shape) as inside:
        _ring(inside, head, who, style, rng, 0.15)


def draw_side_back(canvas: Canvas, head: Frame, who: Character, style: Style) -> None:
    """The hair that hangs behind the neck in the side view."""
    hair = who.hair
    rng = Generator(PCG64([hair.seed, 7]))
    edge, rough = BACKS[hair.length]
    low = edge[-1][1]
    back = spline(
        [(0.6, -1.2), (1.22, -0.4), (1.26, 0.4), (1.2 + 0.06 * low, low * 0.7), (1.1, low)]
    )
    front = spline([(0.3, low), (0.25, low * 0.6), (0.05, 0.6), (0.0, -0.6)])
    shape = head.flat(
        join(back, ragged(points((1.1, low))[0], points((0.3, low))[0], 4, rough, rng), front)
    )
    strands = []
    for share in np.linspace(0.1, 0.9, 6):
        x = 0.2 + 0.95 * share
        strands.append(
            head.flat(spline([(x, -0.2), (x + 0.05, low * 0.5), (x - 0.02, low * 0.97)]))
        )
    mass = Mass([shape], strands, [], head.flat((0, -0.5)), head.flat((0, low)))
    paint_mass(canvas, head, who, style, mass, 0.35)


def draw_behind_head(canvas: Canvas, head: Frame, who: Character, style: Style) -> None:
    """The crown from behind, over the hair that hangs down."""
    rng = Generator(PCG64([who.hair.seed, 8]))
    angle = np.linspace(np.pi * 1.2, -np.pi * 0.2, 40)
    arc = np.stack([np.cos(angle) * 1.16, -0.2 - np.sin(angle) * 1.19], 1)
    low = [(0.95, 0.75), (0.5, 1.0), (0.0, 1.06), (-0.5, 1.0), (-0.95, 0.75)]
    shape = head.flat(join(arc, spline(low)))
    strands = []
    for x in np.linspace(-0.95, 0.95, 15):
        way = bend((0.0, -1.2), (x * 1.25, -0.9), (x * 1.05, 0.95), 20)
        strands.append(head.flat(way[int(rng.integers(2, 8)) : int(rng.integers(16, 21))]))
    mass = Mass([shape], strands, [], head.flat((0, -1.4)), head.flat((0, 1.0)))
    paint_mass(canvas, head, who, style, mass, 0.1, inked=False)
    with canvas.clip(shape) as inside:
        _ring(inside, head, who, style, rng, 0.0)
    canvas.stroke(
        head.flat(arc[4:-4]),
        style.line * 1.1 * head.size,
        line_of(who.hair.color, style.ink),
        (0.1, 0.1),
    )


def _ring(
    canvas: Canvas, head: Frame, who: Character, style: Style, rng: Generator, x: float
) -> None:
    """The band of light on the crown."""
    if style.sketch:
        return
    for start, stop in ((-0.85, 0.1), (0.2, 0.75)):
        xs = np.linspace(start, stop, 16)
        bow = -0.85 + 0.4 * xs**2
        fade = np.sin(np.linspace(0, np.pi, len(xs))) ** 0.6
        up = bow - fade * rng.uniform(0.02, 0.08, len(xs))
        down = bow + fade * rng.uniform(0.02, 0.14, len(xs)) * np.where(
            np.arange(len(xs)) % 2, 1.0, 0.35
        )
        band = join(np.stack([xs + x, up], 1), np.stack([xs + x, down], 1)[::-1])
        canvas.fill(head.flat(band), light(who.hair.color, 0.6), 0.8)
