"""The body below the chin: neck, trunk, limbs and hands, as shapes that clothes cover.

Coordinates are the face's units with the neck's foot at y = 1.75; the waist is near y = 4.9, the
hips at 6.2, the soles at 14.6.
"""

from dataclasses import dataclass

from animetools.artist.canvas import Canvas
from animetools.artist.character import Character
from animetools.artist.colors import Color, line_of, shade, skin_shade
from animetools.artist.curves import Frame, Points, mirrored, moved, points, ribbon, spline
from animetools.artist.style import Style

HIP_Y = 6.2


@dataclass(frozen=True)
class Limb:
    """An arm or a leg: its spine and half widths; `front`: drawn before the trunk or after it."""

    spine: Points
    widths: tuple[float, ...]
    front: bool


@dataclass(frozen=True)
class Build:
    """Half widths of a body."""

    shoulder: float
    chest: float
    waist: float
    hip: float


def build_of(who: Character) -> Build:
    """The measures of a girl or a boy."""
    return Build(1.34, 1.04, 0.8, 1.14) if who.girl else Build(1.62, 1.2, 1.0, 1.06)


def paint_part(
    canvas: Canvas, frame: Frame, style: Style, shape: Points, color: Color, dark_side: float = 0.0
) -> None:
    """Fill and outline one shape given in head units; `dark_side` shifts its shadow sideways."""
    place = frame.flat(shape)
    size = frame.size
    canvas.fill(place, color)
    if dark_side:
        with canvas.clip(place) as inside:
            inside.fill(place, shade(color, 0.4))
            inside.fill(place - (dark_side * size, 0.06 * size), color)
    canvas.stroke(place, style.line * size, line_of(color, style.ink), closed=True)


def crease(
    canvas: Canvas, frame: Frame, style: Style, knots: list[tuple[float, float]], color: Color
) -> None:
    """A fold in the cloth."""
    canvas.stroke(
        frame.flat(spline(knots)), style.line * 0.85 * frame.size, shade(color, 1.0), (0.2, 0.1)
    )


def trunk(build: Build, bottom: float = HIP_Y) -> Points:
    """The outline from the neck over shoulders and waist to the hips."""
    right = spline(
        [
            (0.3, 1.62),
            (0.58, 1.86),
            (build.shoulder - 0.22, 2.14),
            (build.shoulder, 2.5),
            (build.chest + 0.06, 3.1),
            (build.chest - 0.02, 3.6),
            (build.waist, 4.7),
            (build.hip - 0.06, 5.6),
            (build.hip, bottom),
        ]
    )
    left = mirrored(right)[::-1]
    return points([*right, *left])


def arms(who: Character, build: Build) -> tuple[Limb, Limb]:
    """The viewer's left and right arm in the character's pose."""
    x = build.shoulder - 0.2
    widths = (0.12, 0.3, 0.32, 0.3, 0.27, 0.25, 0.21, 0.17)
    hanging = spline(
        [
            (x - 0.3, 2.12),
            (x + 0.02, 2.5),
            (x + 0.3, 3.3),
            (x + 0.42, 4.4),
            (x + 0.48, 5.4),
            (x + 0.42, 6.5),
        ]
    )
    match who.arms:
        case "behind":
            back = spline(
                [
                    (x - 0.3, 2.12),
                    (x + 0.02, 2.5),
                    (x + 0.36, 3.3),
                    (x + 0.4, 4.3),
                    (x + 0.05, 5.1),
                    (x - 0.6, 5.6),
                ]
            )
            return Limb(mirrored(back), widths, False), Limb(back, widths, False)
        case "wave":
            up = spline(
                [
                    (x - 0.3, 2.12),
                    (x + 0.05, 2.5),
                    (x + 0.5, 3.4),
                    (x + 0.95, 3.75),
                    (x + 1.15, 2.8),
                    (x + 1.1, 1.5),
                ]
            )
            return Limb(mirrored(hanging), widths, False), Limb(up, widths, True)
        case "clasped":
            front = spline(
                [
                    (x - 0.3, 2.12),
                    (x + 0.02, 2.5),
                    (x + 0.34, 3.3),
                    (x + 0.3, 4.2),
                    (x - 0.4, 4.75),
                    (0.12, 5.0),
                ]
            )
            return Limb(mirrored(front), widths, True), Limb(front, widths, True)
        case "hip":
            hip = spline(
                [
                    (x - 0.3, 2.12),
                    (x + 0.02, 2.5),
                    (x + 0.5, 3.2),
                    (x + 0.95, 4.1),
                    (x + 0.5, 4.7),
                    (x - 0.15, 5.1),
                ]
            )
            return Limb(mirrored(hanging), widths, False), Limb(hip, widths, True)
        case _:
            return Limb(mirrored(hanging), widths, False), Limb(hanging, widths, False)


def draw_neck(canvas: Canvas, frame: Frame, head: Frame, who: Character, style: Style) -> None:
    """The neck and the collar bones, with the shadow of the head."""
    width = 0.3 if who.girl else 0.38
    low = 2.0
    joint = points(head.flat((0.0, 0.75), 0.2))[0]
    foot_left, foot_right = frame.flat([(-width - 0.04, 1.7), (width + 0.04, 1.7)])
    size = frame.size
    top_left, top_right = moved(joint, -width * size, 0)[0], moved(joint, width * size, 0)[0]
    chest = frame.flat([(0.9, 2.05), (0.6, 2.7 + low - 2), (0.0, 3.0), (-0.6, 2.7), (-0.9, 2.05)])
    shape = points([top_left, top_right, foot_right, *chest, foot_left])
    canvas.fill(shape, who.skin)
    with canvas.clip(shape) as inside:
        chin = head.flat(
            spline([(-1.0, 0.6), (-0.5, 1.3), (0.0, 1.62), (0.5, 1.3), (1.0, 0.6)]), 0.35
        )
        inside.fill(points([*chin, *head.flat([(1, 0), (-1, 0)])]), skin_shade(who.skin, 0.62))
    ink = line_of(who.skin, style.ink)
    canvas.stroke(points([top_left, foot_left]), style.line * size, ink)
    canvas.stroke(points([top_right, foot_right]), style.line * size, ink)
    for side in (-1, 1) if who.view != "from_behind" else ():
        bone = frame.flat([(side * 0.12, 2.02), (side * 0.5, 1.93), (side * 0.75, 1.95)])
        canvas.stroke(bone, style.line * 0.8 * size, skin_shade(who.skin, 1.0), (0.5, 0.1))


def draw_limb(
    canvas: Canvas,
    frame: Frame,
    style: Style,
    limb: Limb,
    color: Color,
    upto: float = 1.0,
    puff: float = 1.0,
) -> None:
    """A limb's outline filled down to a share of its length; `puff` widens it, as a sleeve does."""
    cut = max(int(len(limb.spine) * upto), 3)
    widths = [width * puff for width in limb.widths]
    kept = widths[: max(round(len(widths) * upto), 2)]
    side = 0.16 if limb.spine[-1, 0] > 0 else 0.1
    paint_part(canvas, frame, style, ribbon(limb.spine[:cut], kept), color, side)


def draw_hand(canvas: Canvas, frame: Frame, who: Character, style: Style, limb: Limb) -> None:
    """A simple hand at the end of an arm: palm, thumb and the lines between the fingers."""
    end, before = limb.spine[-1], limb.spine[-3]
    along = (end - before) / max(float(((end - before) ** 2).sum()) ** 0.5, 1e-9)
    across = points((-along[1], along[0]))[0]
    if end[0] < 0:
        across = -across
    raised = along[1] < -0.5

    def at(u: float, v: float) -> tuple[float, float]:
        x, y = end + across * u + along * v
        return (float(x), float(y))

    if raised:
        fingers = [
            (-0.2, 0.66, -0.13),
            (-0.07, 0.8, -0.045),
            (0.06, 0.78, 0.045),
            (0.19, 0.64, 0.13),
        ]
        for u, v, root in fingers:
            paint_part(
                canvas,
                frame,
                style,
                ribbon(
                    points([at(root, 0.15), at(u, v * 0.8), at(u * 1.05, v)]), [0.085, 0.08, 0.04]
                ),
                who.skin,
            )
        paint_part(
            canvas,
            frame,
            style,
            ribbon(points([at(-0.1, 0.1), at(-0.3, 0.3), at(-0.36, 0.45)]), [0.09, 0.08, 0.04]),
            who.skin,
        )
        palm = spline(
            [
                at(-0.16, -0.1),
                at(-0.2, 0.2),
                at(-0.16, 0.42),
                at(0.17, 0.42),
                at(0.2, 0.2),
                at(0.16, -0.1),
            ],
            closed=True,
        )
        place = frame.flat(palm)
        canvas.fill(place, who.skin)
        return
    thumb = ribbon(points([at(-0.08, 0.05), at(-0.24, 0.22), at(-0.22, 0.42)]), [0.08, 0.08, 0.03])
    paint_part(canvas, frame, style, thumb, who.skin)
    hand = spline(
        [
            at(-0.16, -0.06),
            at(-0.19, 0.3),
            at(-0.12, 0.62),
            at(0.1, 0.62),
            at(0.2, 0.3),
            at(0.16, -0.06),
        ],
        closed=True,
    )
    paint_part(canvas, frame, style, hand, who.skin)
    for u in (-0.06, 0.05):
        line = frame.flat([at(u, 0.3), at(u, 0.58)])
        canvas.stroke(line, style.line * 0.7 * frame.size, skin_shade(who.skin, 1.0), (0.3, 1))


def legs(build: Build) -> tuple[Limb, Limb]:
    """Both legs, standing."""
    x = build.hip * 0.47
    spine = spline(
        [(x, HIP_Y - 0.4), (x + 0.04, 8.2), (x + 0.02, 10.2), (x + 0.06, 12.2), (x, 14.2)]
    )
    widths = (0.53, 0.52, 0.43, 0.36, 0.35, 0.27, 0.19)
    return Limb(mirrored(spine), widths, False), Limb(spine, widths, False)
