"""What is worn on the head: hats, ears of animals, ribbons, flowers, glasses."""

import numpy as np

from animetools.artist.canvas import Canvas
from animetools.artist.character import Character
from animetools.artist.colors import WHITE, Color, light, line_of, mix, shade
from animetools.artist.curves import Frame, Points, ellipse, join, moved, points, ribbon, spline
from animetools.artist.garments import bow, flower
from animetools.artist.hair import front_pieces
from animetools.artist.style import Style

GOLD: Color = (240.0, 204.0, 110.0)


def _part(
    canvas: Canvas, frame: Frame, style: Style, shape: Points, color: Color, depth: float = 0.0
) -> Points:
    """Fill and outline one shape; returns its position."""
    place = frame.flat(shape, depth)
    canvas.fill(place, color)
    canvas.stroke(place, style.line * frame.size, line_of(color, style.ink), closed=True)
    return place


def draw_behind(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """Draw what is behind the head."""
    if who.halo:
        ring = ellipse((0.0, -1.95), (0.85, 0.22))
        canvas.glow(
            frame.flat((0, -1.95)), (1.3 * frame.size, 0.6 * frame.size), (255, 236, 150), 0.6
        )
        canvas.stroke(frame.flat(ring), 0.1 * frame.size, (255, 226, 120), closed=True)
        canvas.stroke(frame.flat(ring), 0.035 * frame.size, (255, 250, 220), closed=True)
    if who.hat == "straw_hat":
        brim = _part(canvas, frame, style, ellipse((0.0, -0.72), (2.05, 0.78)), (232, 200, 130))
        canvas.shadow(brim, color=(226, 200, 190))
    if who.hat == "witch_hat":
        _part(canvas, frame, style, ellipse((0.0, -0.8), (2.2, 0.66)), shade(_hat_color(who), 0.5))
    if "hair_ribbon" in who.ornaments and who.hair.bundle == "ponytail":
        for side in (-1, 1):
            bow(canvas, frame, style, (side * 0.25, -1.32), 0.45, who.accent, -0.1)


def _hat_color(who: Character) -> Color:
    return mix(who.accent, (52, 44, 72), 0.72)


def draw_on(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """Draw what is on the hair and in front of the face."""
    if who.animal_ears:
        _animal_ears(canvas, frame, who, style)
    if who.horns:
        for side in (-1, 1):
            spine = spline([(0.62, -1.05), (0.95, -1.35), (1.0, -1.8), (0.75, -2.1)]) * points(
                (side, 1)
            )
            horn = _part(canvas, frame, style, ribbon(spine, [0.18, 0.16, 0.1, 0.0]), (104, 70, 84))
            with canvas.clip(horn) as inside:
                for k in (5, 9, 13, 17):
                    ring = frame.flat(ribbon(spine[k : k + 2], [0.2, 0.2]))
                    inside.fill(ring, (150, 108, 116))
    for name in who.ornaments:
        _ornament(canvas, frame, who, style, name)
    if who.glasses:
        _glasses(canvas, frame, who, style)
    if who.eyepatch:
        side = -1 if who.hair.part > 0 else 1
        strap = frame.round(
            spline([(-side * 0.9, -0.55), (side * 0.1, -0.2), (side * 1.0, 0.25)]), 0.9
        )
        canvas.stroke(strap, 0.05 * frame.size, (240, 240, 244))
        patch = spline(
            [(0.16, 0.0), (0.46, -0.12), (0.78, 0.02), (0.76, 0.42), (0.46, 0.56), (0.18, 0.4)],
            closed=True,
        )
        place = frame.round(patch * points((side, 1)), 0.85)
        canvas.fill(place, (246, 246, 250))
        canvas.stroke(place, style.line * frame.size, (110, 106, 120), closed=True)
    if who.hat:
        _HATS[who.hat](canvas, frame, who, style)


def _animal_ears(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    color = who.hair.color
    inner = mix((250, 196, 196), color, 0.2)
    for side in (-1, 1):
        sign = points((side, 1))
        match who.animal_ears:
            case "rabbit_ears":
                outer = spline(
                    [
                        (0.22, -1.2),
                        (0.14, -1.9),
                        (0.32, -2.75),
                        (0.58, -2.8),
                        (0.72, -2.0),
                        (0.62, -1.15),
                    ]
                )
                hollow = spline(
                    [
                        (0.34, -1.35),
                        (0.28, -1.95),
                        (0.4, -2.55),
                        (0.52, -2.55),
                        (0.58, -2.0),
                        (0.5, -1.35),
                    ]
                )
            case "fox_ears":
                outer = join(
                    spline([(0.32, -1.22), (0.5, -1.72), (0.92, -2.22)]),
                    spline([(0.92, -2.22), (1.15, -1.6), (1.1, -0.75)]),
                )
                hollow = join(
                    spline([(0.5, -1.2), (0.62, -1.6), (0.88, -1.98)]),
                    spline([(0.88, -1.98), (1.0, -1.5), (0.98, -0.95)]),
                )
            case _:
                outer = join(
                    spline([(0.3, -1.22), (0.48, -1.62), (0.86, -1.95)]),
                    spline([(0.86, -1.95), (1.14, -1.42), (1.12, -0.72)]),
                )
                hollow = join(
                    spline([(0.5, -1.2), (0.6, -1.5), (0.84, -1.76)]),
                    spline([(0.84, -1.76), (1.0, -1.4), (0.98, -0.95)]),
                )
        place = frame.flat(outer * sign, -0.02)
        canvas.fill(place, color)
        with canvas.clip(place) as inside:
            inside.fill(
                frame.flat(hollow * sign, -0.02), inner if not style.sketch else (210, 208, 214)
            )
            tip = (
                spline([(0.2, -0.5), (0.5, -1.2), (0.78, -1.42), (0.95, -1.2), (1.1, -0.5)]) * sign
            )
            if who.animal_ears != "rabbit_ears":
                inside.fill(frame.flat(tip, -0.02), light(color, 0.25))
        canvas.stroke(
            frame.flat((outer * sign)[4:-4], -0.02),
            style.line * frame.size,
            line_of(color, style.ink),
        )


def _ornament(canvas: Canvas, frame: Frame, who: Character, style: Style, name: str) -> None:
    side = -1 if who.hair.part < 0 else 1
    match name:
        case "hairclip":
            for k in range(2):
                bar = moved(
                    [(-0.2, 0.0), (0.2, -0.1), (0.21, -0.03), (-0.19, 0.07)],
                    side * 0.78,
                    -0.5 + 0.15 * k,
                )
                place = frame.round(bar, 0.9, 1.3)
                canvas.fill(place, who.accent)
                canvas.stroke(
                    place,
                    style.line * 0.8 * frame.size,
                    line_of(who.accent, style.ink),
                    closed=True,
                )
        case "hair_flower":
            x, y = frame.round((side * 0.85, -0.72), 0.9, 1.3)[0]
            flower(
                canvas,
                Frame(float(x), float(y), frame.size),
                style,
                (0.0, 0.0),
                0.26,
                mix(who.accent, WHITE, 0.35),
            )
        case "hairband":
            arc = [(-1.2, -0.2), (-0.92, -0.86), (0.0, -1.2), (0.92, -0.86), (1.2, -0.2)]
            place = frame.round(ribbon(spline(arc), [0.05, 0.08, 0.09, 0.08, 0.05]), 0.6, 1.25)
            with canvas.clip(*front_pieces(frame, who)) as inside:
                inside.fill(place, who.accent)
                ink = line_of(who.accent, style.ink)
                inside.stroke(place, style.line * frame.size, ink, closed=True)
        case "hair_bow":
            bow(canvas, frame, style, (side * 0.5, -1.28), 0.55, who.accent, 0.1)
        case "hair_ribbon":
            at = {
                "twintails": (0.98, -0.86),
                "side_ponytail": (1.0, -0.6),
                "low_twintails": (0.97, 0.95),
            }
            x, y = at.get(who.hair.bundle, (0.86, -0.8))
            lone = who.hair.bundle not in ("twintails", "low_twintails")
            tail_side = -1 if who.hair.part > 0 else 1
            if who.hair.bundle != "ponytail":
                for way in (tail_side,) if lone else (-1, 1):
                    bow(canvas, frame, style, (way * x, y), 0.34, who.accent, 0.0)
        case "earrings":
            for way in (-1, 1):
                gem = spline([(1.0, 0.5), (1.08, 0.64), (1.0, 0.78), (0.92, 0.64)], closed=True)
                _part(canvas, frame, style, gem * points((way, 1)), who.accent, -0.05)
        case "maid_headdress":
            for x in np.linspace(-0.78, 0.78, 9):
                puff = ellipse((x, -1.28 + 0.36 * x * x), (0.15, 0.17), 20)
                _part(canvas, frame, style, puff, (252, 252, 255))
            band = ribbon(spline([(-0.95, -0.85), (0.0, -1.18), (0.95, -0.85)]), [0.06, 0.07, 0.06])
            _part(canvas, frame, style, band, who.accent)
        case "crown":
            top = [
                (-0.55, -1.2),
                (-0.66, -1.72),
                (-0.33, -1.46),
                (0.0, -1.86),
                (0.33, -1.46),
                (0.66, -1.72),
                (0.55, -1.2),
            ]
            low = spline([(0.55, -1.2), (0.0, -1.1), (-0.55, -1.2)])
            _part(canvas, frame, style, join(points(top), low), GOLD)
            for x, y in ((-0.36, -1.28), (0.0, -1.26), (0.36, -1.28)):
                _part(canvas, frame, style, ellipse((x, y), (0.08, 0.1), 16), who.accent)


def _glasses(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    color = mix(who.accent, (70, 60, 74), 0.5)
    width = max(0.024, style.line) * frame.size
    for side in (-1, 1):
        if who.glasses == "round":
            rim = ellipse((side * who.eyes.x, who.eyes.y + 0.05), (0.37, 0.36))
        else:
            box = spline(
                [
                    (-0.36, -0.2),
                    (0.0, -0.24),
                    (0.36, -0.22),
                    (0.37, 0.1),
                    (0.26, 0.34),
                    (-0.24, 0.34),
                    (-0.35, 0.12),
                ],
                closed=True,
            )
            rim = box * points((side, 1)) + points((side * who.eyes.x, who.eyes.y + 0.05))
        place = frame.round(rim, 0.92)
        with canvas.clip(place, opacity=0.16) as inside:
            inside.fill(
                frame.round(
                    [
                        (side * who.eyes.x - 0.3, 0.6),
                        (side * who.eyes.x + 0.05, -0.2),
                        (side * who.eyes.x + 0.3, -0.2),
                        (side * who.eyes.x - 0.05, 0.65),
                    ],
                    0.92,
                ),
                WHITE,
            )
        canvas.stroke(place, width, color, closed=True)
        arm = frame.round(
            [(side * (who.eyes.x + 0.36), who.eyes.y - 0.03), (side * 1.0, who.eyes.y - 0.06)], 0.9
        )
        canvas.stroke(arm, width, color)
    bridge = frame.round(
        spline([(-0.11, who.eyes.y + 0.0), (0.0, who.eyes.y - 0.05), (0.11, who.eyes.y + 0.0)]), 1.0
    )
    canvas.stroke(bridge, width, color)


def _witch_hat(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    color = _hat_color(who)
    tilt = -1.0 if who.hair.part > 0 else 1.0
    cone = join(
        spline([(-1.12, -0.95), (-0.72, -1.7), (-0.25 + 0.2 * tilt, -2.6), (0.55 * tilt, -3.1)]),
        spline([(0.55 * tilt, -3.1), (0.4 + 0.1 * tilt, -2.5), (0.75, -1.7), (1.12, -0.95)]),
        spline([(1.12, -0.95), (0.0, -0.78), (-1.12, -0.95)]),
    )
    place = _part(canvas, frame, style, cone, color)
    with canvas.clip(place) as inside:
        inside.fill(
            frame.flat(
                spline([(0.3, -0.5), (0.35, -1.8), (0.4 * tilt + 0.2, -3.2), (2, -3.2), (2, -0.5)])
            ),
            shade(color, 0.5),
        )
        band = ribbon(spline([(-1.2, -1.12), (0.0, -0.96), (1.2, -1.12)]), [0.17, 0.18, 0.17])
        inside.fill(frame.flat(band), who.accent)
    canvas.stroke(place, style.line * frame.size, line_of(color, style.ink), closed=True)
    brim = join(
        spline([(-2.2, -0.86), (-1.1, -0.95), (0.0, -0.84), (1.1, -0.95), (2.2, -0.86)]),
        spline([(2.2, -0.86), (1.15, -0.5), (0.0, -0.42), (-1.15, -0.5), (-2.2, -0.86)]),
    )
    _part(canvas, frame, style, brim, light(color, 0.08))
    buckle = points([(-0.2, -1.22), (0.2, -1.22), (0.2, -0.8), (-0.2, -0.8)])
    canvas.stroke(frame.flat(buckle), 0.07 * frame.size, GOLD, closed=True)


def _beret(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    tilt = -1 if who.hair.part > 0 else 1
    cap = spline(
        [
            (-1.06, -0.82),
            (-1.3, -1.2),
            (-0.75, -1.72),
            (0.2, -1.78),
            (1.15, -1.42),
            (1.22, -0.98),
            (0.9, -0.72),
            (0.0, -0.98),
        ],
        closed=True,
    )
    place = _part(canvas, frame, style, cap * points((tilt, 1)), who.accent)
    with canvas.clip(place) as inside:
        inside.fill(
            frame.flat(
                spline([(-1.2, -0.6), (0.0, -1.12), (1.4, -0.85), (1.3, -0.5)]) * points((tilt, 1))
            ),
            shade(who.accent, 0.45),
        )
    canvas.stroke(place, style.line * frame.size, line_of(who.accent, style.ink), closed=True)
    canvas.stroke(
        frame.flat([(0.15 * tilt, -1.77), (0.22 * tilt, -1.95)]),
        0.08 * frame.size,
        shade(who.accent, 0.3),
    )


def _baseball_cap(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    dome = join(
        spline(
            [
                (-1.22, -0.62),
                (-1.12, -1.15),
                (-0.55, -1.58),
                (0.0, -1.66),
                (0.55, -1.58),
                (1.12, -1.15),
                (1.22, -0.62),
            ]
        ),
        spline([(1.22, -0.62), (0.0, -0.86), (-1.22, -0.62)]),
    )
    place = _part(canvas, frame, style, dome, who.accent)
    with canvas.clip(place) as inside:
        inside.fill(
            frame.flat(spline([(0.45, -0.5), (0.6, -1.2), (0.4, -1.8), (2, -1.8), (2, -0.5)])),
            shade(who.accent, 0.35),
        )
    for x in (-0.55, 0.0, 0.55):
        seam = frame.flat(spline([(x * 0.2, -1.64), (x, -1.25), (x * 1.15, -0.8)]))
        canvas.stroke(seam, style.line * 0.7 * frame.size, shade(who.accent, 0.9))
    visor = join(
        spline([(-0.98, -0.78), (0.0, -0.98), (0.98, -0.78)]),
        spline([(0.98, -0.78), (0.7, -0.42), (0.0, -0.34), (-0.7, -0.42), (-0.98, -0.78)]),
    )
    _part(canvas, frame, style, visor, mix(who.trim, who.accent, 0.25), 0.15)
    _part(canvas, frame, style, ellipse((0.0, -1.67), (0.1, 0.06), 16), shade(who.accent, 0.3))


def _straw_hat(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    straw = (244.0, 216.0, 150.0)
    dome = join(
        spline(
            [(-1.08, -0.95), (-0.98, -1.5), (-0.5, -1.8), (0.5, -1.8), (0.98, -1.5), (1.08, -0.95)]
        ),
        spline([(1.08, -0.95), (0.0, -0.76), (-1.08, -0.95)]),
    )
    brim = join(
        spline([(-2.05, -0.75), (-1.0, -0.98), (0.0, -0.86), (1.0, -0.98), (2.05, -0.75)]),
        spline([(2.05, -0.75), (1.1, -0.56), (0.0, -0.5), (-1.1, -0.56), (-2.05, -0.75)]),
    )
    place = _part(canvas, frame, style, dome, straw)
    with canvas.clip(place) as inside:
        for k in range(7):
            weave = frame.flat(
                spline([(-1.2, -1.7 + 0.12 * k), (0.0, -1.58 + 0.13 * k), (1.2, -1.7 + 0.12 * k)])
            )
            inside.stroke(weave, style.line * 0.6 * frame.size, (214, 178, 112))
        band = ribbon(spline([(-1.2, -1.13), (0.0, -0.98), (1.2, -1.13)]), [0.14, 0.15, 0.14])
        inside.fill(frame.flat(band), who.accent)
    canvas.stroke(place, style.line * frame.size, line_of(straw, style.ink), closed=True)
    _part(canvas, frame, style, brim, straw)
    for y in (-0.82, -0.7):
        weave = frame.flat(spline([(-1.8, y + 0.02), (0.0, y + 0.13), (1.8, y + 0.02)]))
        canvas.stroke(weave, style.line * 0.6 * frame.size, (214, 178, 112), (0.3, 0.3))


_HATS = {
    "witch_hat": _witch_hat,
    "beret": _beret,
    "baseball_cap": _baseball_cap,
    "straw_hat": _straw_hat,
}
