"""Details of outfits: collars, bows, buttons, plates, in the body's coordinates."""

import numpy as np

from animetools.artist.body import paint_part
from animetools.artist.canvas import Canvas
from animetools.artist.character import Character
from animetools.artist.colors import WHITE, Color, grey, light, line_of, mix, shade
from animetools.artist.curves import Frame, ellipse, join, mirrored, points, ribbon, spline
from animetools.artist.style import Style


def top_color(who: Character) -> Color:
    if who.outfit == "serafuku":
        return mix(who.cloth, WHITE, 0.93)
    if who.outfit == "collared_shirt":
        return mix(who.cloth, WHITE, 0.82)
    if who.outfit == "maid":
        return mix(who.cloth, (58, 50, 66), 0.75)
    if who.outfit == "armor":
        return mix(who.cloth, (90, 86, 110), 0.5)
    return who.cloth


def flower(
    canvas: Canvas,
    frame: Frame,
    style: Style,
    at: tuple[float, float],
    size: float,
    color: Color,
    depth: float = 0.0,
) -> None:
    """A five-petalled blossom."""
    for k in range(5):
        turn = np.deg2rad(72 * k - 90)
        out = np.array([np.cos(turn), np.sin(turn)])
        petal = ellipse((0, 0), (0.62, 0.5), 16) @ np.array([out, [-out[1], out[0]]]) + out * 0.62
        place = frame.flat(petal * size + points(at), depth)
        canvas.fill(place, color)
        canvas.stroke(
            place, style.line * 0.6 * frame.size, line_of(color, style.ink * 0.6), closed=True
        )
    canvas.fill(
        frame.flat(ellipse(at, (size * 0.36, size * 0.36), 16), depth),
        mix((255, 226, 120), color, 0.1),
    )


def bow(
    canvas: Canvas,
    frame: Frame,
    style: Style,
    at: tuple[float, float],
    size: float,
    color: Color,
    depth: float = 0.0,
) -> None:
    """A ribbon tied in a bow."""
    for side in (-1, 1):
        tail = points([(0.02, 0.1), (0.62, 1.25), (0.36, 1.12), (0.12, 1.35), (-0.05, 0.2)])
        loop = spline(
            [(0.0, 0.0), (0.55, -0.5), (1.15, -0.42), (1.12, 0.42), (0.5, 0.36)], closed=True
        )
        for shape, tone in ((tail, shade(color, 0.2)), (loop, color)):
            place = frame.flat(shape * points((side * size, size)) + points(at), depth)
            canvas.fill(place, tone)
            canvas.stroke(place, style.line * frame.size, line_of(color, style.ink), closed=True)
        fold = spline([(0.15, 0.0), (0.45, -0.08), (0.75, -0.05)])
        canvas.stroke(
            frame.flat(fold * points((side * size, size)) + points(at), depth),
            style.line * 0.8 * frame.size,
            shade(color, 1.0),
            (1, 0.1),
        )
    knot = frame.flat(ellipse(at, (size * 0.24, size * 0.27)), depth)
    canvas.fill(knot, shade(color, 0.1))
    canvas.stroke(knot, style.line * frame.size, line_of(color, style.ink), closed=True)


def _collar(canvas: Canvas, frame: Frame, style: Style, color: Color, low: float = 2.35) -> None:
    """A shirt's two collar points."""
    for side in (-1, 1):
        flap = points([(0.02, 1.98), (0.33, 1.5), (0.5, 1.7), (0.46, low), (0.1, 2.2)])
        paint_part(canvas, frame, style, flap * points((side, 1)), color)


def _necktie(canvas: Canvas, frame: Frame, style: Style, color: Color, end: float = 4.2) -> None:
    knot = points([(-0.15, 2.02), (0.15, 2.02), (0.1, 2.3), (-0.1, 2.3)])
    blade = points([(-0.1, 2.3), (0.1, 2.3), (0.24, end - 0.25), (0.0, end), (-0.24, end - 0.25)])
    paint_part(canvas, frame, style, blade, color, 0.08)
    paint_part(canvas, frame, style, knot, light(color, 0.12))


def _serafuku(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    collar = who.cloth
    for side in (-1, 1):
        flap = join(
            spline([(0.34, 1.62), (0.85, 1.85), (1.18, 2.1)]),
            spline([(1.2, 2.25), (0.98, 2.72), (0.0, 3.15)]),
            spline([(0.02, 2.82), (0.24, 2.2), (0.3, 1.8)]),
        )
        paint_part(canvas, frame, style, flap * points((side, 1)), collar)
        stripe = spline([(1.08, 2.14), (0.9, 2.6), (0.06, 3.0)]) * points((side, 1))
        canvas.stroke(frame.flat(stripe), 0.05 * frame.size, mix(who.trim, WHITE, 0.75))
    bow(canvas, frame, style, (0.0, 3.12), 0.5, who.accent)


def _blazer(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    shirt = points(
        [(-0.36, 1.62), (0.0, 1.95), (0.36, 1.62), (0.58, 2.2), (0.0, 4.3), (-0.58, 2.2)]
    )
    paint_part(canvas, frame, style, shirt, (248, 248, 252), 0.1)
    _collar(canvas, frame, style, (252, 252, 255))
    if who.arms in ("behind", "hip"):
        bow(canvas, frame, style, (0.0, 2.3), 0.34, who.accent)
    else:
        _necktie(canvas, frame, style, who.accent)
    for side in (-1, 1):
        lapel = points(
            [
                (0.38, 1.58),
                (0.72, 1.8),
                (0.98, 2.6),
                (0.7, 2.7),
                (0.86, 2.95),
                (0.0, 4.45),
                (0.5, 2.4),
            ]
        )
        paint_part(canvas, frame, style, lapel * points((side, 1)), shade(who.cloth, 0.12))
    for y in (4.6, 5.2):
        paint_part(
            canvas,
            frame,
            style,
            ellipse((0.0, y), (0.09, 0.09), 16),
            mix((230, 200, 110), who.trim, 0.2),
        )


def _hoodie(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    for side in (-1, 1):
        rim = ribbon(
            spline([(0.95, 1.4), (0.78, 1.95), (0.32, 2.35), (0.0, 2.5)]), [0.16, 0.24, 0.22, 0.16]
        )
        paint_part(canvas, frame, style, rim * points((side, 1)), light(who.cloth, 0.12))
        string = frame.flat(spline([(side * 0.22, 2.5), (side * 0.26, 3.0), (side * 0.2, 3.5)]))
        canvas.stroke(string, 0.06 * frame.size, mix(who.trim, WHITE, 0.6))
        canvas.stroke(string[-4:], 0.1 * frame.size, who.accent)
    pocket = spline([(-0.75, 5.6), (-0.5, 4.9), (0.5, 4.9), (0.75, 5.6)])
    canvas.stroke(frame.flat(pocket), style.line * frame.size, line_of(who.cloth, style.ink))


def _dress(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    edge = spline([(-0.72, 1.86), (-0.6, 2.35), (0.0, 2.62), (0.6, 2.35), (0.72, 1.86)])
    lace = light(who.cloth, 0.65)
    for at in edge[::3]:
        paint_part(canvas, frame, style, ellipse(tuple(at), (0.13, 0.12), 14), lace)
    bow(canvas, frame, style, (0.0, 2.85), 0.3, who.accent)
    for side in (-1, 1):
        seam = frame.flat(spline([(side * 0.5, 2.7), (side * 0.42, 3.6), (side * 0.5, 4.6)]))
        canvas.stroke(seam, style.line * 0.8 * frame.size, shade(who.cloth, 0.9), (0.2, 0.2))


def _kimono(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    under = mix(who.trim, WHITE, 0.6)
    for offset, color in ((0.0, under), (0.16, shade(who.cloth, 0.15))):
        right = ribbon(
            spline(
                [
                    (0.36 + offset, 1.6),
                    (0.34 + offset, 2.0),
                    (-0.2 + offset, 2.9),
                    (-0.72 + offset, 4.3),
                ]
            ),
            [0.1, 0.12, 0.12],
        )
        paint_part(canvas, frame, style, right, color)
        left = ribbon(
            spline(
                [
                    (-0.36 - offset, 1.6),
                    (-0.34 - offset, 2.0),
                    (0.2 - offset, 2.9),
                    (0.72 - offset, 4.3),
                ]
            ),
            [0.1, 0.12, 0.12],
        )
        paint_part(canvas, frame, style, left, color)
    obi = spline([(-0.98, 4.0), (0.0, 4.12), (0.98, 4.0)])
    low = spline([(1.0, 5.15), (0.0, 5.28), (-1.0, 5.15)])
    paint_part(canvas, frame, style, join(obi, low), who.accent, 0.15)
    cord = points([(-1.0, 4.52), (1.0, 4.52), (1.0, 4.7), (-1.0, 4.7)])
    paint_part(canvas, frame, style, cord, mix(who.trim, WHITE, 0.3))
    for at, size in (((-0.85, 3.2), 0.18), ((0.95, 2.6), 0.2), ((-1.1, 2.55), 0.14)):
        flower(canvas, frame, style, at, size, who.trim)


def _sweater(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    collar = spline([(-0.38, 1.36), (0.0, 1.5), (0.38, 1.36)])
    low = spline([(0.5, 1.86), (0.0, 2.05), (-0.5, 1.86)])
    paint_part(canvas, frame, style, join(collar, low), light(who.cloth, 0.15), 0.1)
    for x in np.linspace(-0.3, 0.3, 6):
        line = frame.flat([(x, 1.5), (x * 1.25, 1.93)])
        canvas.stroke(line, style.line * 0.7 * frame.size, shade(who.cloth, 0.6), (0.3, 0.3))
    for x in (-0.45, 0.45):
        for y in np.arange(2.4, 4.4, 0.42):
            knit = frame.flat(spline([(x - 0.12, y), (x, y + 0.14), (x + 0.12, y)]))
            canvas.stroke(knit, style.line * 0.7 * frame.size, shade(who.cloth, 0.7), (0.3, 0.3))


def _tshirt(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    rim = ribbon(
        spline([(-0.5, 1.74), (-0.32, 2.02), (0.0, 2.12), (0.32, 2.02), (0.5, 1.74)]),
        [0.06, 0.07, 0.06],
    )
    paint_part(canvas, frame, style, rim, who.accent)
    if grey(who.trim) > 0.55:
        star = [
            (
                np.sin(k * np.pi / 5) * (0.45 if k % 2 == 0 else 0.2),
                3.1 - np.cos(k * np.pi / 5) * (0.45 if k % 2 == 0 else 0.2),
            )
            for k in range(10)
        ]
        paint_part(canvas, frame, style, points(star), who.accent)
    else:
        for y in (2.75, 3.15, 3.55):
            band = frame.flat(ribbon(spline([(-1.0, y), (0.0, y + 0.08), (1.0, y)]), [0.08, 0.08]))
            canvas.fill(band, who.trim)


def _armor(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    steel = mix((206, 212, 226), who.accent, 0.12)
    half = spline([(0.0, 2.35), (0.7, 2.3), (1.02, 2.9), (0.86, 3.8), (0.6, 4.5), (0.0, 4.7)])
    plate = join(half, mirrored(half)[::-1])
    place = frame.flat(plate)
    with canvas.clip(place) as inside:
        inside.gradient(
            frame.flat((-1, 2.3)),
            frame.flat((1, 4.7)),
            [light(steel, 0.7), steel, shade(steel, 0.45), light(steel, 0.2)],
        )
    canvas.stroke(place, style.line * frame.size, line_of(steel, style.ink), closed=True)
    canvas.stroke(frame.flat([(0.0, 2.35), (0.0, 4.7)]), style.line * frame.size, shade(steel, 0.9))
    gorget = join(
        spline([(-0.42, 1.5), (0.0, 1.68), (0.42, 1.5)]),
        spline([(0.62, 2.1), (0.0, 2.45), (-0.62, 2.1)]),
    )
    paint_part(canvas, frame, style, gorget, light(steel, 0.3), 0.12)
    gold = (232.0, 194.0, 104.0)
    for side in (-1, 1):
        for k in range(3):
            guard = spline(
                [
                    (0.85, 2.0 + 0.28 * k),
                    (1.3, 1.86 + 0.3 * k),
                    (1.86, 2.3 + 0.34 * k),
                    (1.8, 2.72 + 0.3 * k),
                    (1.2, 2.5 + 0.3 * k),
                ],
                closed=True,
            )
            paint_part(
                canvas,
                frame,
                style,
                guard * points((side, 1)),
                mix(steel, WHITE, 0.25 - 0.12 * k),
                0.1,
            )
        rim = spline([(0.9, 2.1), (1.34, 1.95), (1.84, 2.38)]) * points((side, 1))
        canvas.stroke(frame.flat(rim), 0.06 * frame.size, gold)
    paint_part(
        canvas,
        frame,
        style,
        spline([(0, 2.8), (0.16, 3.0), (0, 3.3), (-0.16, 3.0)], closed=True),
        who.accent,
    )


def _maid(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    apron = (250.0, 250.0, 254.0)
    bib = points([(-0.62, 2.75), (0.62, 2.75), (0.72, 4.7), (-0.72, 4.7)])
    skirt = join(
        spline([(-0.75, 4.7), (-1.15, 6.4), (-1.2, 7.9)]),
        spline([(-0.8, 8.35), (0.0, 8.5), (0.8, 8.35)]),
        spline([(1.2, 7.9), (1.15, 6.4), (0.75, 4.7)]),
    )
    paint_part(canvas, frame, style, skirt, apron, 0.2)
    paint_part(canvas, frame, style, bib, apron, 0.1)
    for side in (-1, 1):
        for y in np.linspace(1.95, 4.4, 8):
            x = side * float(np.interp(y, [1.9, 2.9, 4.5], [0.72, 0.85, 0.75]))
            paint_part(canvas, frame, style, ellipse((x, y), (0.2, 0.21), 16), apron)
    _collar(canvas, frame, style, apron, 2.2)
    bow(canvas, frame, style, (0.0, 2.25), 0.36, who.accent)


def _robe(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    cape = mix(who.accent, who.cloth, 0.2)
    for side in (-1, 1):
        flap = join(
            spline([(0.3, 1.62), (0.8, 1.82), (1.5, 2.25), (1.85, 3.4), (1.95, 4.6)]),
            spline([(1.4, 4.5), (0.75, 3.6), (0.16, 2.4)]),
        )
        paint_part(canvas, frame, style, flap * points((side, 1)), cape, 0.14)
        hem = spline([(1.78, 4.5), (1.3, 4.3), (0.66, 3.4), (0.2, 2.5)]) * points((side, 1))
        canvas.stroke(frame.flat(hem), 0.05 * frame.size, mix((236, 204, 120), who.trim, 0.3))
    collar = join(
        spline([(-0.6, 1.35), (-0.3, 1.75), (0.0, 1.9), (0.3, 1.75), (0.6, 1.35)]),
        spline([(0.7, 1.9), (0.0, 2.35), (-0.7, 1.9)]),
    )
    paint_part(canvas, frame, style, collar, shade(cape, 0.12))
    paint_part(canvas, frame, style, ellipse((0.0, 2.3), (0.17, 0.17)), (236, 204, 120))
    paint_part(canvas, frame, style, ellipse((0.0, 2.3), (0.1, 0.1)), who.trim)


def _military(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    gold = (236.0, 202.0, 112.0)
    collar = join(
        spline([(-0.42, 1.34), (0.0, 1.56), (0.42, 1.34)]),
        spline([(0.56, 1.9), (0.0, 2.14), (-0.56, 1.9)]),
    )
    paint_part(canvas, frame, style, collar, shade(who.cloth, 0.15), 0.1)
    canvas.stroke(
        frame.flat(spline([(-0.5, 1.84), (0.0, 2.08), (0.5, 1.84)])), 0.05 * frame.size, gold
    )
    canvas.stroke(
        frame.flat([(0.0, 2.1), (0.0, 6.2)]), style.line * frame.size, line_of(who.cloth, style.ink)
    )
    for y in np.arange(2.6, 5.6, 0.62):
        bar = frame.flat([(-0.5, y), (0.5, y)])
        canvas.stroke(bar, 0.05 * frame.size, gold)
        for x in (-0.5, 0.5):
            paint_part(canvas, frame, style, ellipse((x, float(y)), (0.1, 0.1), 16), gold)
    for side in (-1, 1):
        board = spline([(0.85, 1.92), (1.4, 2.12), (1.5, 2.36), (0.9, 2.14)], closed=True) * points(
            (side, 1)
        )
        paint_part(canvas, frame, style, board, gold)
        for k in range(5):
            x = side * (1.02 + 0.12 * k)
            canvas.stroke(
                frame.flat([(x, 2.2 + 0.04 * k), (x, 2.5 + 0.04 * k)]),
                0.05 * frame.size,
                shade(gold, 0.3),
            )


def _shirt(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    canvas.stroke(
        frame.flat([(0.0, 2.1), (0.0, 6.2)]),
        style.line * 0.9 * frame.size,
        line_of(top_color(who), 0.4),
    )
    _collar(canvas, frame, style, light(top_color(who), 0.5))
    if grey(who.trim) > 0.6:
        _necktie(canvas, frame, style, who.accent)
    else:
        bow(canvas, frame, style, (0.0, 2.3), 0.36, who.accent)
    for y in (4.5, 5.1):
        paint_part(canvas, frame, style, ellipse((0.12, y), (0.07, 0.07), 14), (250, 250, 250))


GARMENTS = {
    "serafuku": _serafuku,
    "blazer": _blazer,
    "hoodie": _hoodie,
    "dress": _dress,
    "kimono": _kimono,
    "sweater": _sweater,
    "t-shirt": _tshirt,
    "armor": _armor,
    "maid": _maid,
    "robe": _robe,
    "military_uniform": _military,
    "collared_shirt": _shirt,
}
