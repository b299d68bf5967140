"""The dressed body: how each outfit is cut, in the body's coordinates."""

from dataclasses import dataclass

import numpy as np

from animetools.artist.body import (
    Build,
    Limb,
    arms,
    build_of,
    crease,
    draw_hand,
    draw_limb,
    draw_neck,
    legs,
    paint_part,
    trunk,
)
from animetools.artist.canvas import Canvas
from animetools.artist.character import Character
from animetools.artist.colors import WHITE, Color, grey, light, line_of, mix, shade
from animetools.artist.curves import Frame, ellipse, join, mirrored, moved, points, ribbon, spline
from animetools.artist.garments import GARMENTS, flower, top_color
from animetools.artist.style import Style


@dataclass(frozen=True)
class Cut:
    """How an outfit is cut.

    `sleeve`: share of the arm covered; `puff`: width of the sleeve; `lower`: what covers the legs;
    `tags`: the tags of the upper and the lower half.
    """

    sleeve: float
    puff: float
    lower: str
    tags: tuple[str, ...]


CUTS: dict[str, Cut] = {
    "serafuku": Cut(
        0.4, 1.3, "pleated", ("serafuku", "school_uniform", "sailor_collar", "neckerchief")
    ),
    "blazer": Cut(0.93, 1.15, "pleated", ("blazer", "school_uniform", "jacket", "necktie")),
    "hoodie": Cut(0.95, 1.4, "shorts", ("hoodie",)),
    "dress": Cut(0.3, 1.6, "gown", ("dress", "short_sleeves", "puffy_sleeves")),
    "kimono": Cut(0.85, 1.5, "robe", ("kimono", "japanese_clothes", "obi", "sash")),
    "sweater": Cut(0.95, 1.35, "skirt", ("sweater", "turtleneck")),
    "t-shirt": Cut(0.33, 1.35, "shorts", ("shirt", "t-shirt", "short_sleeves")),
    "armor": Cut(0.9, 1.0, "skirt", ("armor", "breastplate", "pauldrons")),
    "maid": Cut(0.3, 1.7, "gown", ("maid", "apron", "maid_apron", "puffy_short_sleeves")),
    "robe": Cut(0.9, 1.3, "gown", ("cape", "robe")),
    "military_uniform": Cut(
        0.94, 1.1, "trousers", ("military_uniform", "uniform", "buttons", "epaulettes")
    ),
    "collared_shirt": Cut(0.92, 1.2, "skirt", ("shirt", "collared_shirt")),
}


def lower_of(who: Character) -> str:
    """What the character wears below the waist."""
    lower = CUTS[who.outfit].lower
    return "trousers" if not who.girl and lower in ("pleated", "skirt", "shorts", "gown") else lower


def draw_body(
    canvas: Canvas, frame: Frame, head: Frame, who: Character, style: Style, bottom: float
) -> None:
    """The dressed body; `bottom`: the lowest y that the picture shows."""
    build = build_of(who)
    cut = CUTS[who.outfit]
    left, right = arms(who, build)
    top = top_color(who)
    if who.outfit == "robe":
        _cape_back(canvas, frame, who, style)
    if who.outfit == "hoodie":
        hood = spline(
            [(-1.25, 2.2), (-1.3, 1.5), (-0.7, 1.05), (0.7, 1.05), (1.3, 1.5), (1.25, 2.2)]
        )
        paint_part(canvas, frame, style, hood, shade(top, 0.35))
    if bottom > 5.0:
        _legs(canvas, frame, who, style, build)
    for limb in (left, right):
        if not limb.front:
            _arm(canvas, frame, who, style, limb, cut, top)
    draw_neck(canvas, frame, head, who, style)
    _trunk(canvas, frame, who, style, build, top)
    if bottom > 5.0:
        _lower(canvas, frame, who, style, build)
    if who.view != "from_behind":
        GARMENTS[who.outfit](canvas, frame, who, style)
    if "choker" in who.ornaments:
        band = points(
            [(-0.34, 1.5), (0.0, 1.58), (0.34, 1.5), (0.34, 1.62), (0.0, 1.7), (-0.34, 1.62)]
        )
        paint_part(canvas, frame, style, band, (52, 46, 58))
        paint_part(canvas, frame, style, ellipse((0, 1.72), (0.07, 0.08)), who.accent)
    for limb in (left, right):
        if limb.front:
            _arm(canvas, frame, who, style, limb, cut, top)


def _arm(
    canvas: Canvas, frame: Frame, who: Character, style: Style, limb: Limb, cut: Cut, color: Color
) -> None:
    """An arm, its hand and its sleeve."""
    sleeve = cut.sleeve
    draw_limb(canvas, frame, style, limb, who.skin)
    draw_hand(canvas, frame, who, style, limb)
    if who.outfit == "kimono":
        _wide_sleeve(canvas, frame, who, style, limb, color)
        return
    draw_limb(canvas, frame, style, limb, color, sleeve, cut.puff)
    end = limb.spine[int(len(limb.spine) * sleeve) - 1]
    back = limb.spine[max(int(len(limb.spine) * (sleeve - 0.06)), 0)]
    width = float(np.interp(sleeve, np.linspace(0, 1, len(limb.widths)), limb.widths)) * cut.puff
    trim = {"serafuku": who.cloth, "maid": WHITE, "dress": light(color, 0.6)}.get(
        who.outfit, shade(color, 0.18)
    )
    if who.outfit == "military_uniform":
        trim = who.trim
    cuff = ribbon(points([back, end + (end - back) * 0.25]), [width * 1.04, width * 1.06])
    paint_part(canvas, frame, style, cuff, trim)
    shoulder = limb.spine[4]
    side = 1 if shoulder[0] > 0 else -1
    crease(
        canvas,
        frame,
        style,
        [
            (shoulder[0] - side * 0.36, shoulder[1] + 0.62),
            (shoulder[0] - side * 0.2, shoulder[1] + 0.5),
            (shoulder[0] + side * 0.05, shoulder[1] + 0.55),
        ],
        color,
    )


def _wide_sleeve(
    canvas: Canvas, frame: Frame, who: Character, style: Style, limb: Limb, color: Color
) -> None:
    """A kimono's sleeve, hanging from the forearm."""
    upper = limb.spine[: int(len(limb.spine) * 0.9)]
    paint_part(canvas, frame, style, ribbon(upper, [0.42, 0.45, 0.5, 0.5]), color, 0.12)
    elbow, wrist = limb.spine[len(limb.spine) // 2], upper[-1]
    side = 1.0 if limb.spine[8, 0] > 0 else -1.0
    drop = points([(0.0, 1.7)])[0]
    hang = spline(
        [
            elbow + np.array([0.4 * side, -0.1]),
            wrist + np.array([0.45 * side, 0.1]),
            wrist + drop * 0.8 + np.array([0.5 * side, 0]),
            wrist * 0.5 + elbow * 0.5 + drop,
            elbow + np.array([-0.35 * side, 0.3]),
        ],
        closed=True,
    )
    paint_part(canvas, frame, style, hang, color, 0.15 * side)
    for k in range(2):
        flower(
            canvas,
            frame,
            style,
            (float(wrist[0]) + 0.1 * side, float(wrist[1]) + 0.5 + 0.45 * k),
            0.17,
            who.trim,
        )


def _trunk(
    canvas: Canvas, frame: Frame, who: Character, style: Style, build: Build, color: Color
) -> None:
    """The upper garment without its neckline's details."""
    body = trunk(build)
    neck = {
        "dress": [(-0.72, 1.86), (-0.6, 2.35), (0.0, 2.62), (0.6, 2.35), (0.72, 1.86)],
        "t-shirt": [(-0.5, 1.74), (-0.32, 2.02), (0.0, 2.12), (0.32, 2.02), (0.5, 1.74)],
        "kimono": [(-0.42, 1.7), (-0.3, 1.95), (0.0, 2.55), (0.3, 1.95), (0.42, 1.7)],
        "serafuku": [(-0.5, 1.74), (-0.3, 2.1), (0.0, 2.75), (0.3, 2.1), (0.5, 1.74)],
    }.get(who.outfit, [(-0.36, 1.66), (-0.3, 1.8), (0.0, 1.9), (0.3, 1.8), (0.36, 1.66)])
    keep = body[np.abs(body[:, 0]) > abs(neck[0][0])]
    middle = len(keep) // 2
    shape = join(keep[:middle], keep[middle:], spline(neck))
    place = frame.flat(shape)
    size = frame.size
    canvas.fill(place, color)
    with canvas.clip(place) as inside:
        dark = shade(color, 0.4)
        if style.soft:
            inside.gradient(
                frame.flat((-1.4, 1.5)),
                frame.flat((1.6, 5.5)),
                [light(color, 0.12), color, shade(color, 0.22)],
            )
        inside.fill(
            frame.flat(
                spline(
                    [
                        (build.chest + 0.3, 2.4),
                        (build.chest - 0.25, 3.4),
                        (build.waist - 0.3, 4.7),
                        (build.hip, 6.4),
                        (3, 6),
                        (3, 2),
                    ]
                )
            ),
            dark,
        )
        if who.girl and who.view != "from_behind" and who.outfit not in ("kimono", "armor"):
            for side in (-1, 1):
                inside.fill(
                    frame.flat(
                        spline(
                            [
                                (side * 0.12, 3.66),
                                (side * 0.5, 3.84),
                                (side * 0.95, 3.6),
                                (side * 0.55, 4.02),
                                (side * 0.12, 3.66),
                            ]
                        )
                    ),
                    dark,
                )
        fall = spline([(-0.95, 1.5), (-0.5, 2.2), (0.0, 2.4), (0.5, 2.2), (0.95, 1.5)])
        inside.fill(frame.flat(fall), shade(color, 0.45))
    canvas.stroke(place, style.line * size, line_of(color, style.ink), closed=True)
    for side in (-1, 1):
        crease(
            canvas,
            frame,
            style,
            [(side * (build.chest + 0.02), 3.0), (side * 0.8, 3.15), (side * 0.62, 3.12)],
            color,
        )
        crease(
            canvas,
            frame,
            style,
            [(side * build.waist, 4.6), (side * 0.6, 4.75), (side * 0.45, 4.7)],
            color,
        )


def _legs(canvas: Canvas, frame: Frame, who: Character, style: Style, build: Build) -> None:
    """Legs, stockings and shoes."""
    lower = lower_of(who)
    sock = shade(who.cloth, 0.3) if grey(who.cloth) < 0.7 else (62.0, 58.0, 72.0)
    shoe = mix(who.accent, (70, 48, 44), 0.75)
    for limb in legs(build):
        side = 1.0 if limb.spine[0, 0] > 0 else -1.0
        x = float(limb.spine[-1, 0])
        if lower == "trousers":
            cloth = shade(mix(who.cloth, (60, 62, 84), 0.6), 0.2)
            draw_limb(canvas, frame, style, limb, cloth, 1.0, 1.06)
        else:
            draw_limb(canvas, frame, style, limb, who.skin)
            cut = int(len(limb.spine) * 0.52)
            paint_part(
                canvas, frame, style, ribbon(limb.spine[cut:], [0.4, 0.37, 0.3, 0.2]), sock, 0.1
            )
        foot = spline(
            [
                (x - 0.24, 13.95),
                (x + 0.24, 13.95),
                (x + 0.3 + 0.12 * side, 14.5),
                (x + 0.16 * side, 14.72),
                (x - 0.3 + 0.12 * side, 14.5),
            ],
            closed=True,
        )
        paint_part(canvas, frame, style, foot, shoe, 0.1)


def _lower(canvas: Canvas, frame: Frame, who: Character, style: Style, build: Build) -> None:
    """Skirt, shorts, gown or the kimono's lower half."""
    lower = lower_of(who)
    color = top_color(who) if lower == "gown" else who.cloth
    if who.outfit in ("hoodie", "sweater", "t-shirt", "collared_shirt"):
        color = mix(who.accent, (70, 66, 90), 0.55)
    if lower == "trousers":
        return
    if lower == "shorts":
        for side in (-1, 1):
            leg = points(
                [
                    (0.0, 5.9),
                    (side * (build.hip + 0.06), 5.9),
                    (side * (build.hip + 0.16), 7.5),
                    (side * 0.08, 7.5),
                ]
            )
            paint_part(canvas, frame, style, leg, color, 0.1)
        return
    if lower == "robe":
        gown = spline(
            [
                (build.hip, 4.9),
                (build.hip + 0.16, 6.5),
                (build.hip + 0.05, 10.0),
                (build.hip - 0.05, 13.8),
            ]
        )
        shape = join(gown, mirrored(gown)[::-1])
        paint_part(canvas, frame, style, shape, color, 0.25)
        crease(canvas, frame, style, [(0.1, 6.0), (0.3, 9.0), (0.15, 13.7)], color)
        for k, (x, y) in enumerate(
            [(-0.5, 8.2), (0.5, 10.0), (-0.3, 11.8), (0.75, 12.6), (-0.8, 10.4)]
        ):
            flower(canvas, frame, style, (x, y), 0.2 + 0.03 * k, who.trim)
        return
    hem, flare = {"pleated": (7.7, 0.75), "skirt": (7.5, 0.6), "gown": (9.2, 1.6)}[lower]
    top = 4.75
    flank = spline([(build.waist + 0.03, top), (build.hip + 0.2, 5.9), (build.hip + flare, hem)])
    count = 9
    xs = np.linspace(build.hip + flare, -build.hip - flare, 2 * count + 1)
    sag = hem + 0.3 * (1 - (xs / xs[0]) ** 2)
    edge = np.stack([xs, sag - 0.1 * (np.arange(len(xs)) % 2)], 1)
    paint_part(canvas, frame, style, join(flank, edge, mirrored(flank)[::-1]), color, 0.2)
    for k in range(2, 2 * count - 1, 2):
        x, y = edge[k]
        crease(
            canvas,
            frame,
            style,
            [(x * 0.5, top + 0.9), (x * 0.8, (top + y) / 2 + 0.4), (x, y)],
            color,
        )
    if lower == "gown":
        frill = np.stack([xs, sag - 0.35], 1)
        lace = WHITE if who.outfit == "maid" else light(color, 0.55)
        band = join(frill, moved(edge, 0, 0.1)[::-1])
        paint_part(canvas, frame, style, band, lace)
    belt = points(
        [
            (-build.waist - 0.03, top - 0.14),
            (build.waist + 0.03, top - 0.14),
            (build.waist + 0.06, top + 0.16),
            (-build.waist - 0.06, top + 0.16),
        ]
    )
    paint_part(canvas, frame, style, belt, shade(color, 0.3) if lower != "gown" else who.accent)


def _cape_back(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    side = spline([(0.6, 1.75), (1.6, 2.3), (2.1, 4.5), (2.5, 9.0)])
    paint_part(canvas, frame, style, join(side, mirrored(side)[::-1]), shade(who.accent, 0.5))
