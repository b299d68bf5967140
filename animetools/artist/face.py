"""The face: skin, ears, eyes, brows, nose and mouth.

Coordinates: the cheeks lie near x = -1 and 1, the eyes' line at y = 0.2, the chin at y = 1.14.
"""

import numpy as np
from numpy.typing import NDArray

from animetools.artist.canvas import Canvas
from animetools.artist.character import Character, Eyes
from animetools.artist.colors import (
    BLACK,
    INK,
    WHITE,
    Color,
    glint,
    light,
    line_of,
    mix,
    shade,
    skin_shade,
    times,
)
from animetools.artist.curves import (
    Frame,
    Points,
    bend,
    ellipse,
    join,
    moved,
    points,
    ribbon,
    spline,
)
from animetools.artist.style import Style, hatch

Plane = NDArray[np.float32]


def face_outline(frame: Frame, who: Character) -> Points:
    """The edge of the face from forehead to chin, as pixels."""
    jaw = 0.03 * who.chin
    right = points(
        [
            (0.0, -1.0),
            (0.53, -0.86),
            (0.89, -0.45),
            (0.93, 0.0),
            (0.905, 0.3),
            (0.805 + jaw, 0.62),
            (0.53 + 1.8 * jaw, 0.95 + jaw),
            (0.19 + jaw, 1.175 + jaw),
            (0.0, 1.235 + jaw),
        ]
    )
    left = right[-2:0:-1] * points((-1, 1))
    knots = np.concatenate([right, left])
    # The chin stands further out than the temples, so it moves further when the head turns.
    depth = np.interp(knots[:, 1], [-1, -0.2, 0.3, 1.15], [0.1, 0.12, 0.2, 0.42])
    smooth = spline(np.stack([depth, depth], 1), closed=True)[:, 0]
    return frame.flat(spline(knots, closed=True), smooth)


def draw_ears(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """Both ears, to be covered by the face and the hair."""
    for side in (-1, 1):
        lobe = spline(
            [(0.88, -0.02), (1.06, -0.1), (1.17, 0.06), (1.13, 0.3), (1.02, 0.47), (0.88, 0.42)],
            closed=True,
        )
        place = frame.flat(lobe * points((side, 1)), -0.12)
        canvas.fill(place, skin_shade(who.skin, 0.15))
        canvas.stroke(place, style.line * frame.size, line_of(who.skin, style.ink), closed=True)
        fold = spline([(0.98, 0.02), (1.09, 0.04), (1.07, 0.2), (1.0, 0.3)])
        inner = frame.flat(fold * points((side, 1)), -0.12)
        canvas.stroke(inner, style.line * 0.8 * frame.size, skin_shade(who.skin, 0.95), (0.3, 0.3))


def draw_skin(
    canvas: Canvas, frame: Frame, who: Character, style: Style, over: list[Points]
) -> None:
    """The face's skin, with the shadow of the shapes `over` it (the fringe)."""
    outline = face_outline(frame, who)
    size = frame.size
    dark = skin_shade(who.skin, 0.5)
    canvas.fill(outline, who.skin)
    with canvas.clip(outline) as skin:
        if style.soft:
            skin.glow(frame.flat([(0.0, 0.6)], 0.5), (1.1 * size, 0.7 * size), light(who.skin), 0.7)
            for side in (-1, 1):
                edge = frame.flat([(side * 1.05, 0.55)], 0.2)
                skin.glow(edge, (0.42 * size, 0.8 * size), dark, 0.55)
        for shape in over:
            fall = moved(shape, 0.02 * size, 0.13 * size)
            if style.sketch:
                with skin.clip(fall) as under:
                    hatch(under, frame)
            else:
                skin.fill(fall, mix(who.skin, dark, 0.9))
    canvas.stroke(outline, style.line * size, line_of(who.skin, style.ink), closed=True)


def draw_blush(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """Warm cheeks, with a few ink marks where the blush is strong."""
    if style.sketch and who.blush < 0.4:
        return
    size = frame.size
    pink = times(who.skin, (255, 150, 150))
    for side in (-1, 1):
        place = frame.round([(side * 0.6, 0.62)])
        if not style.sketch:
            canvas.glow(place, (0.34 * size, 0.2 * size), pink, min(who.blush, 0.8))
        if who.blush > 0.4:
            for k in range(3):
                x = side * 0.6 + (k - 1) * 0.1
                mark = frame.round([(x + 0.03, 0.57), (x - 0.03, 0.67)])
                canvas.stroke(mark, style.line * 0.8 * size, shade(pink, 0.4), (0.5, 0.3))


def draw_nose(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """A hint of a nose."""
    size = frame.size
    turn = 1.0 if who.yaw >= 0 else -1.0
    tip = 0.03 * turn
    wedge = [(tip, 0.53), (tip + 0.045 * turn, 0.6), (tip - 0.03 * turn, 0.61)]
    canvas.fill(frame.round(wedge, 1.0), mix(who.skin, skin_shade(who.skin, 0.9), 0.7))
    mark = bend((tip + 0.045 * turn, 0.575), (tip + 0.05 * turn, 0.61), (tip - 0.005 * turn, 0.618))
    canvas.stroke(
        frame.round(mark, 1.0),
        style.line * 0.8 * size,
        mix(skin_shade(who.skin, 1.0), INK, 0.3),
        (0.3, 0.5),
    )


def draw_mouth(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """The mouth, by the character's mood."""
    size = frame.size
    ink = line_of(who.skin, 0.75)
    thin = style.line * 0.95 * size

    def put(curve: Points) -> Points:
        return frame.round(curve + points((0, 0.86)), 0.9)

    def line(curve: Points, taper: tuple[float, float] = (0.35, 0.35)) -> None:
        canvas.stroke(put(curve), thin, ink, taper)

    def open_mouth(shape: Points, teeth: float, tongue: float) -> None:
        inside = mix((150, 52, 60), who.skin, 0.08) if not style.sketch else (120.0, 116.0, 120.0)
        with canvas.clip(put(shape)) as mouth:
            mouth.flood(inside)
            low, high = float(shape[:, 1].max()), float(shape[:, 1].min())
            red = (236.0, 128.0, 128.0) if not style.sketch else (214.0, 210.0, 214.0)
            mouth.fill(put(ellipse((0, low + 0.03), (0.13, (low - high) * tongue))), red)
            if teeth:
                bite = ellipse((0, high - 0.02), (0.3, (low - high) * teeth))
                mouth.fill(put(bite), (255, 252, 248))
        canvas.stroke(put(shape), thin * 0.9, ink, closed=True)

    match who.mouth:
        case "smile":
            line(
                spline([(-0.17, -0.045), (-0.09, 0.015), (0, 0.03), (0.09, 0.015), (0.17, -0.045)])
            )
        case "line":
            line(points([(-0.1, 0.0), (0, 0.008), (0.1, 0.0)]))
        case "smirk":
            line(spline([(-0.12, 0.015), (0, 0.025), (0.1, -0.005), (0.16, -0.05)]))
        case "small_open":
            open_mouth(ellipse((0, 0.02), (0.075, 0.065)), 0, 0.5)
        case "laugh":
            top = spline([(-0.24, -0.08), (-0.1, -0.055), (0, -0.05), (0.1, -0.055), (0.24, -0.08)])
            low = spline([(0.24, -0.08), (0.19, 0.07), (0, 0.17), (-0.19, 0.07), (-0.24, -0.08)])
            open_mouth(join(top, low), 0.22, 0.5)
        case "fang":
            top = spline([(-0.19, -0.05), (0, -0.03), (0.19, -0.05)])
            low = spline([(0.19, -0.05), (0.13, 0.08), (0, 0.12), (-0.13, 0.08), (-0.19, -0.05)])
            open_mouth(join(top, low), 0, 0.45)
            fang = points([(0.09, -0.043), (0.15, -0.048), (0.115, 0.02)])
            canvas.fill(put(fang), (255, 252, 248))
        case "grin":
            top = spline([(-0.24, -0.07), (0, -0.035), (0.24, -0.07)])
            low = spline([(0.24, -0.07), (0.14, 0.055), (0, 0.075), (-0.14, 0.055), (-0.24, -0.07)])
            open_mouth(join(top, low), 2.2, 0.1)
        case "grit":
            top = spline([(-0.17, 0.0), (0, -0.03), (0.17, 0.0)])
            low = spline([(0.17, 0.0), (0.13, 0.07), (0, 0.055), (-0.13, 0.07), (-0.17, 0.0)])
            open_mouth(join(top, low), 2.5, 0.1)
        case "cat":
            line(spline([(-0.17, -0.03), (-0.12, 0.03), (-0.05, 0.025), (0, -0.02)]), (0.4, 1))
            line(spline([(0, -0.02), (0.05, 0.025), (0.12, 0.03), (0.17, -0.03)]), (1, 0.4))
        case "wavy":
            line(spline([(-0.13, 0.01), (-0.07, -0.02), (0, 0.015), (0.07, -0.02), (0.13, 0.01)]))
        case "pout":
            line(spline([(-0.07, 0.025), (0, -0.02), (0.07, 0.025)]))
        case _:
            line(spline([(-0.13, 0.03), (0, -0.015), (0.13, 0.03)]))
    if who.mouth in ("smile", "line", "smirk", "frown", "cat"):
        below = put(points([(-0.045, 0.09), (0, 0.1), (0.045, 0.09)]))
        canvas.stroke(below, thin * 0.7, skin_shade(who.skin, 0.8), (0.3, 0.3))


def _eye_point(eyes: Eyes, side: int, frame: Frame, curve: Points) -> Points:
    """An eye's own coordinates (u outward, v down, both about -1..1) as pixels."""
    tilted = curve.copy()
    tilted[:, 1] -= curve[:, 0] * eyes.slant
    own = tilted * points((0.262 * eyes.width, 0.322 * eyes.height))
    return frame.round(own * points((side, 1)) + points((side * eyes.x, eyes.y)), 0.8)


def draw_eye(canvas: Canvas, frame: Frame, who: Character, style: Style, side: int) -> None:
    """One eye; side -1 is the viewer's left."""
    eyes = who.eyes
    which = 0 if side < 0 else 1
    lid = eyes.lids[which]
    color = eyes.colors[which]
    size = frame.size
    lash = mix(mix(line_of(who.hair.color, 0.6), (40, 26, 34), 0.55), BLACK, 0.15)

    def put(curve: Points) -> Points:
        return _eye_point(eyes, side, frame, points(curve))

    if lid == "closed":
        happy = who.mouth in ("smile", "laugh", "cat", "fang", "grin")
        rise = -0.55 if happy else 0.45
        arc = spline([(-0.95, 0.35), (-0.5, 0.35 + rise * 0.75), (0.1, 0.35 + rise), (1.0, 0.3)])
        canvas.fill(put(ribbon(arc, [0.03, 0.11, 0.15, 0.14, 0.03])), lash)
        for u in (0.55, 0.8):
            v = 0.35 + rise * (0.55 if u < 0.7 else 0.3)
            tick = points([(u, v), (u + 0.28, v + (0.2 if not happy else -0.12))])
            canvas.fill(put(ribbon(tick, [0.07, 0.0])), lash)
        return

    drop = 0.42 if lid == "half" else 0.0
    upper = spline(
        [
            (-1.0, 0.28),
            (-0.78, -0.42 + drop),
            (-0.25, -0.86 + drop),
            (0.35, -0.88 + drop),
            (0.85, -0.45 + drop),
            (1.0, 0.0 + drop * 0.4),
        ]
    )
    lower = spline(
        [
            (1.0, 0.0 + drop * 0.4),
            (0.84, 0.58),
            (0.3, 0.92),
            (-0.35, 0.9),
            (-0.82, 0.62),
            (-1.0, 0.28),
        ]
    )
    white = join(upper, lower)
    with canvas.clip(put(white)) as ball:
        ball.flood(mix(WHITE, who.skin, 0.08))
        center = (
            side * eyes.x + eyes.gaze[0] * 0.2 - side * 0.015,
            eyes.y + 0.012 + eyes.gaze[1] * 0.2,
        )
        _iris(ball, frame, eyes, color, center, style)
        brow_shade = put(upper + points((0, 0.32)))
        cover = np.concatenate([brow_shade, put(points([(1.4, -1.4), (-1.4, -1.4)]))])
        ball.shadow(cover, color=(196, 186, 214), opacity=0.85)
    _highlights(canvas, frame, eyes, side, drop)

    # The upper lash is one tapering shape with a wing at the outer corner.
    lashes = ribbon(upper, [0.015, 0.05, 0.1, 0.14, 0.165, 0.12])
    canvas.fill(put(lashes), lash)
    tip = (1.42, -0.5 + drop) if who.girl else (1.2, -0.3 + drop)
    wing = join(
        bend((0.45, -0.98 + drop), (0.95, -0.78 + drop), tip),
        bend(tip, (1.12, -0.2 + drop), (1.0, 0.2 + drop * 0.4)),
        bend((1.0, 0.2 + drop * 0.4), (0.92, -0.4 + drop), (0.4, -0.8 + drop)),
    )
    canvas.fill(put(wing), lash)
    if who.girl:
        flick = join(
            bend((0.98, -0.3 + drop), (1.2, -0.16 + drop), (1.36, -0.18 + drop)),
            bend((1.36, -0.18 + drop), (1.1, 0.02 + drop), (0.96, 0.1 + drop * 0.6)),
        )
        canvas.fill(put(flick), lash)
    under = spline([(1.02, 0.0), (0.96, 0.3), (0.82, 0.62), (0.4, 0.88), (-0.1, 0.94)])
    canvas.fill(put(ribbon(under, [0.04, 0.05, 0.035, 0.0])), mix(lash, who.skin, 0.15))
    fold = spline(
        [(-0.72, -0.86 + drop), (-0.2, -1.17 + drop), (0.4, -1.18 + drop), (0.95, -0.82 + drop)]
    )
    canvas.stroke(put(fold), style.line * 0.8 * size, line_of(who.skin, 0.35), (0.2, 0.2))


def _iris(
    ball: Canvas, frame: Frame, eyes: Eyes, color: Color, center: tuple[float, float], style: Style
) -> None:
    """The colored part of an eye, painted pixel by pixel."""
    u, v = ball.disc(frame.axes(center))
    u = u / np.float32(0.214 * (0.9 + 0.1 * eyes.width))
    v = v / np.float32(0.33 * (0.35 + 0.65 * eyes.height))
    far = np.sqrt(u * u + v * v)
    angle = np.arctan2(v, u)
    if style.sketch:
        dark, mid, bright = (58.0, 56.0, 62.0), (130.0, 128.0, 134.0), (226.0, 224.0, 228.0)
    else:
        dark = mix(times(color, color), (30, 16, 44), 0.55)
        mid, bright = color, light(glint(color), 0.42)
    height = np.clip((v + 1) / 2, 0, 1)
    if not style.soft:
        # Shaded as everything else: a dark and a light half with a short transition.
        height = np.clip((height - 0.5) * 2.6 + 0.5, 0.12, 0.88)
    stops = np.array([0, 0.3, 0.62, 1.0])
    tones = np.array([dark, mix(dark, mid, 0.45), mid, bright])
    paint = np.stack([np.interp(height, stops, tones[:, k]) for k in range(3)], 2)
    # Fine spokes, a glowing crescent below and a dark rim.
    spokes = 0.5 + 0.5 * np.sin(angle * 23) * np.sin(angle * 9 + 1)
    paint += ((spokes - 0.5) * 26 * np.clip(far - 0.35, 0, 0.4) * 2.5)[..., None]
    crescent = np.clip(1 - np.abs(far - 0.74) * 5, 0, 1) * np.clip(v * 1.6, 0, 1)
    paint += (np.asarray(light(glint(color), 0.7) if not style.sketch else WHITE) - paint) * (
        0.75 * crescent[..., None]
    )
    rim = np.clip((far - 0.82) * 9, 0, 1)[..., None] * 0.85
    paint += (np.asarray(dark) - paint) * rim
    if eyes.pupil == "slit":
        pupil = np.clip((1 - np.hypot(u / 0.16, v / 0.62)) * 6, 0, 1)
    elif eyes.pupil in ("heart", "star"):
        pupil = _symbol(eyes.pupil, u / 0.52, v / 0.52)
    else:
        pupil = np.clip((1 - np.hypot(u / 0.42, v / 0.44)) * 7, 0, 1)
    symbol = mix(bright, WHITE, 0.5) if eyes.pupil in ("heart", "star") else mix(dark, BLACK, 0.5)
    paint += (np.asarray(symbol) - paint) * (0.93 * pupil[..., None])
    edge = np.clip((1 - far) * 14, 0, 1)[..., None]
    mixed = ball.pixels + (paint - ball.pixels) * edge
    ball.pixels[:] = np.clip(mixed, 0, 255).astype(np.uint8)


def _symbol(name: str, u: Plane, v: Plane) -> Plane:
    """A heart or a star as a pupil, 0..1."""
    if name == "heart":
        x, y = u * 1.2, 0.2 - v * 1.2
        level = -5 * ((x * x + y * y - 1) ** 3 - x * x * y**3)
    else:
        turn = (np.arctan2(u, -v) / (2 * np.pi) * 5) % 1
        level = 6 * (1.05 - 1.2 * np.minimum(turn, 1 - turn) - np.hypot(u, v))
    return np.asarray(np.clip(level, 0, 1), np.float32)


def _highlights(canvas: Canvas, frame: Frame, eyes: Eyes, side: int, drop: float) -> None:
    """Two highlights, on the same side in both eyes."""
    x = side * eyes.x + eyes.gaze[0] * 0.2 - side * 0.015
    y = eyes.y + eyes.gaze[1] * 0.2 + drop * 0.14
    high = eyes.height
    main = ellipse((x - 0.08, y - 0.125 * high), (0.07, 0.085 * high))
    canvas.fill(frame.round(main), WHITE)
    small = ellipse((x + 0.085, y + 0.125 * high), (0.034, 0.04 * high))
    canvas.fill(frame.round(small), WHITE, 0.92)


def draw_brows(canvas: Canvas, frame: Frame, who: Character, style: Style) -> None:
    """Eyebrows, drawn over the fringe so that they show through it."""
    lift, inner, outer = {
        "angry": (0.05, 0.13, -0.04),
        "worried": (-0.02, -0.1, 0.08),
        "raised": (-0.06, 0.0, 0.0),
    }.get(who.brows, (0.0, 0.01, 0.0))
    color = mix(line_of(who.hair.color, 0.45), who.hair.color, 0.2)
    top = who.eyes.y - 0.42 * (0.5 + 0.5 * who.eyes.height) - 0.06 + lift
    for side in (-1, 1):
        arc = spline(
            [(0.2, top + inner), (0.42, top - 0.045 + inner * 0.3), (0.74, top + 0.05 + outer)]
        )
        thick = [0.018, 0.03, 0.024, 0.006] if who.girl else [0.03, 0.045, 0.035, 0.008]
        brow = frame.round(ribbon(arc, thick) * points((side, 1)), 0.85)
        canvas.fill(brow, color, 0.75)
