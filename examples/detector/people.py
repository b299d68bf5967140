"""People as many hands draw them: animedraw's, with other proportions, eyes, noses and hairlines."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from animetools.artist import back_hair, clothes, face, hair, wear
from animetools.artist.artist import draw_character
from animetools.artist.canvas import Canvas
from animetools.artist.character import Character, invent, pick
from animetools.artist.colors import BLACK, WHITE, hue, line_of, mix, skin_shade, vary
from animetools.artist.curves import Frame, Points, bend, ellipse, join, points, ribbon, spline
from animetools.artist.style import Style

FACE = (0.0, 0.31)  # the middle of a face, in head units, as animedraw's boxes have it
FACE_SIDE = (-0.3, 0.25)  # seen from the side
SIDE = 2.3  # of a face's box
LANDMARKS = ("left_eye", "right_eye", "nose", "mouth")  # the character's own left


@dataclass(frozen=True)
class Shaped(Frame):
    """A frame for heads of other proportions.

    `tall` stretches everything, `jaw` widens the face below the eyes, `brow` above them.
    """

    tall: float = 1.0
    jaw: float = 1.0
    brow: float = 1.0

    def flat(self, curve: ArrayLike, depth: float | NDArray[np.float64] = 0.0) -> Points:
        own = points(curve).copy()
        # Smooth, and only near the face: hair and bodies keep their shapes.
        below = np.exp(-(((own[:, 1] - 0.9) / 0.6) ** 2))
        above = np.exp(-(((own[:, 1] + 0.7) / 0.7) ** 2))
        near = np.exp(-((own[:, 0] / 1.5) ** 4))
        own[:, 0] *= 1 + near * ((self.jaw - 1) * below + (self.brow - 1) * above)
        own[:, 1] *= self.tall
        return super().flat(own, depth)


@dataclass(frozen=True)
class Hand:
    """How a face's parts are drawn: names of this file's ways."""

    eyes: str
    nose: str
    hairline: str  # "" is animedraw's fringe
    thick: float  # of lids, brows and mouth


def invent_hand(rng: Generator) -> Hand:
    """A random way to draw faces, mostly animedraw's own."""
    return Hand(
        pick(rng, {"": 8, "round": 1.5, "dots": 0.7, "narrow": 2.5, "lines": 0.6}),
        pick(rng, {"": 5, "wedge": 2, "line": 2, "dot": 1, "none": 1}),
        pick(rng, {"": 6, "spikes": 2.2, "bare": 0.5}),
        float(np.exp(rng.normal(0, 0.4))),
    )


def invent_person(rng: Generator, view: str) -> Character:
    """A random character with eyes of any size, and skin and hair of any color."""
    who = invent(rng, view)
    eyes = replace(
        who.eyes,
        slant=float(rng.normal(who.eyes.slant, 0.1)),
        x=float(rng.uniform(0.38, 0.5)),
        y=float(rng.uniform(0.12, 0.3)),
        width=float(rng.uniform(0.62, 1.25)),
        height=float(rng.uniform(0.4, 1.25)),
        gaze=(float(rng.normal(0, 0.25)), float(rng.normal(0, 0.12))),
    )
    if rng.random() < 0.12:
        eyes = replace(eyes, lids=("closed", "closed"))
    skin = vary(rng, who.skin, 0.03)
    if rng.random() < 0.12:
        skin = hue(rng.uniform(0, 360), rng.uniform(0, 0.35), rng.uniform(0.3, 1))
    tone = who.hair.color
    if rng.random() < 0.3:
        tone = hue(rng.uniform(0, 360), rng.uniform(0, 0.9), rng.uniform(0.15, 1))
    yaw, pitch = who.yaw, float(np.clip(rng.normal(0, 0.18), -0.4, 0.4))
    if view == "front" and rng.random() < 0.5:
        yaw = float(rng.uniform(-0.85, 0.85))
    return replace(
        who,
        eyes=eyes,
        skin=skin,
        hair=replace(who.hair, color=tone, tip=tone if rng.random() < 0.9 else who.hair.tip),
        blush=who.blush * float(rng.uniform(0, 1.5)),
        cloth=hue(rng.uniform(0, 360), rng.uniform(0, 0.8), rng.uniform(0.1, 1)),
        yaw=yaw,
        pitch=pitch,
    )


def invent_style(rng: Generator) -> Style:
    """Any weight and darkness of line."""
    sketch = bool(rng.random() < 0.1)
    line = float(np.exp(rng.uniform(np.log(0.006), np.log(0.045))))
    return Style(line, float(rng.uniform(0.15, 0.98)), bool(rng.random() < 0.5), sketch)


def invent_frame(rng: Generator, who: Character, x: float, y: float, size: float) -> Frame:
    """Where the head lies, and its proportions."""
    return Shaped(
        x,
        y,
        size,
        who.roll,
        who.yaw,
        who.pitch,
        (0.0, 1.0),
        tall=float(np.clip(rng.normal(1.0, 0.09), 0.82, 1.22)),
        jaw=float(np.clip(rng.normal(0.97, 0.1), 0.75, 1.2)),
        brow=float(np.clip(rng.normal(1.0, 0.05), 0.88, 1.12)),
    )


def draw_person(
    canvas: Canvas, head: Frame, who: Character, style: Style, hand: Hand, bottom: float
) -> None:
    """Draw a character from back to front, as artist.draw_character does, by this hand."""
    if who.view in ("profile", "from_behind"):
        draw_character(canvas, head, who, style, bottom)
        return
    body = replace(head, y=head.y - 0.2 * head.size, roll=0.0, yaw=0.0, pitch=0.0, pivot=(0.0, 0.0))
    wear.draw_behind(canvas, head, who, style)
    if not hand.hairline:
        back_hair.draw_back(canvas, head, who, style)
    clothes.draw_body(canvas, body, head, who, style, bottom)
    if hand.hairline == "spikes":
        _spikes(canvas, head, who, style)
    face.draw_ears(canvas, head, who, style)
    over = [] if hand.hairline else hair.front_pieces(head, who)
    face.draw_skin(canvas, head, who, style, over)
    face.draw_blush(canvas, head, who, style)
    _nose(canvas, head, who, style, hand)
    thick = replace(style, line=style.line * hand.thick)
    face.draw_mouth(canvas, head, who, thick)
    for side in (-1, 1):
        _eye(canvas, head, who, style, hand, side)
    if hand.hairline == "spikes":
        _hairline(canvas, head, who, style)
    elif not hand.hairline:
        hair.draw_front(canvas, head, who, style)
    face.draw_brows(canvas, head, who, style)
    if hand.thick > 1.2:
        _thick_brows(canvas, head, who, hand)
    wear.draw_on(canvas, head, who, style)
    if not hand.hairline:
        back_hair.draw_low_bundles(canvas, head, who, style)


def landmarks_of(head: Frame, who: Character) -> NDArray[np.float64]:
    """The landmarks of a face in pixels, [4, 2], in the order of LANDMARKS.

    A face from the side has both eyes where the one is seen, so close that only the direction counts.
    """
    if who.view == "profile":
        eye, nose, mouth = head.flat([(-0.62, 0.24), (-1.0, 0.54), (-0.87, 0.72)])
        along = head.flat([(-0.54, 0.24)])[0] - eye
        return np.stack([eye + along, eye - along, nose, mouth])
    eyes = who.eyes
    sides = head.round([(eyes.x, eyes.y), (-eyes.x, eyes.y)], 0.8)
    nose, mouth = head.round([(0.0, 0.58)], 1.0)[0], head.round([(0.0, 0.86)], 0.9)[0]
    return np.stack([*sides, nose, mouth])


def box_of(head: Frame, who: Character) -> tuple[float, float, float]:
    """The middle and the side of the square that a person would mark, in pixels."""
    middle, depth = (FACE_SIDE, 0.0) if who.view == "profile" else (FACE, 0.3)
    x, y = head.flat([middle], depth)[0]
    return float(x), float(y), SIDE * head.size


def _eye(canvas: Canvas, head: Frame, who: Character, style: Style, hand: Hand, side: int) -> None:
    eyes = who.eyes
    lid = eyes.lids[0 if side < 0 else 1]
    if not hand.eyes or (lid == "closed" and hand.eyes != "lines"):
        face.draw_eye(canvas, head, who, style, side)
        return
    dark = mix(BLACK, eyes.colors[0], 0.15)
    wide, high = 0.25 * eyes.width, 0.28 * eyes.height
    center = (side * eyes.x, eyes.y)
    line = max(style.line, 0.02) * hand.thick

    def put(curve: ArrayLike) -> Points:
        return head.round(curve, 0.8)

    def moved(curve: ArrayLike) -> Points:
        own = points(curve) * points((side * wide, high))
        own[:, 1] -= own[:, 0] * side * eyes.slant
        return put(own + points(center))

    match hand.eyes:
        case "round":
            # Television's: a white ball and a small pupil.
            high = max(high, 0.8 * wide)
            ball = moved(ellipse((0, 0), (1.0, 1.15)))
            with canvas.clip(ball) as inside:
                inside.flood(WHITE)
                at = (eyes.gaze[0] - 0.12, eyes.gaze[1] + 0.1)
                tone = dark if eyes.pupil != "slit" else eyes.colors[0]
                inside.fill(moved(ellipse(at, (0.4, 0.5))), tone)
                if eyes.height > 0.9:
                    inside.fill(moved(ellipse((at[0] - 0.1, at[1] - 0.2), (0.13, 0.17))), WHITE)
            canvas.stroke(ball, line * head.size, dark, closed=True)
        case "dots":
            canvas.fill(moved(ellipse((0, 0), (0.42, 0.62))), dark)
            if eyes.height > 0.8:
                canvas.fill(moved(ellipse((-0.1, -0.2), (0.13, 0.16))), WHITE)
        case "narrow":
            # Films': a low almond, an iris cut by both lids, a heavy upper one.
            high *= 0.62
            upper = spline([(-1, 0.3), (-0.5, -0.6), (0.2, -0.85), (0.8, -0.4), (1.05, 0.15)])
            lower = spline([(1.05, 0.15), (0.5, 0.8), (-0.2, 0.85), (-1, 0.3)])
            with canvas.clip(moved(join(upper, lower))) as inside:
                inside.flood(mix(WHITE, who.skin, 0.15))
                at = (eyes.gaze[0], -0.05)
                inside.fill(moved(ellipse(at, (0.48, 0.9))), mix(eyes.colors[0], dark, 0.45))
                inside.fill(moved(ellipse(at, (0.24, 0.45))), dark)
            canvas.fill(
                moved(ribbon(upper, [0.04, 0.1 * hand.thick, 0.16 * hand.thick, 0.05])), dark
            )
            if eyes.height > 0.7:
                under = line_of(who.skin, 0.5)
                canvas.stroke(moved(lower[2:-3]), 0.5 * line * head.size, under)
                fold = moved(points([(-0.7, -0.9), (0.1, -1.4), (0.9, -0.9)]))
                canvas.stroke(fold, 0.5 * line * head.size, skin_shade(who.skin, 0.9))
            if eyes.height > 0.95:
                canvas.fill(moved(ellipse((-0.2, -0.35), (0.12, 0.22))), WHITE)
        case _:
            bow = 0.6 if who.mouth in ("smile", "laugh", "cat") else -0.5
            arc = spline([(-0.9, 0.2), (0, 0.2 - bow), (0.9, 0.2)])
            canvas.stroke(moved(arc), 1.6 * line * head.size, dark)


def _nose(canvas: Canvas, head: Frame, who: Character, style: Style, hand: Hand) -> None:
    turn = 1.0 if who.yaw >= 0 else -1.0
    ink, width = line_of(who.skin, 0.6), style.line * head.size
    match hand.nose:
        case "":
            face.draw_nose(canvas, head, who, style)
        case "wedge":
            wedge = [(0.0, 0.3), (0.02 * turn, 0.62), (0.16 * turn, 0.62), (0.04 * turn, 0.45)]
            canvas.fill(head.round(wedge, 1.0), skin_shade(who.skin, 0.8))
            base = [(-0.06 * turn, 0.63), (0.05 * turn, 0.65), (0.12 * turn, 0.61)]
            canvas.stroke(head.round(base, 1.0), width, ink)
        case "line":
            way = bend((0.03 * turn, 0.32), (0.14 * turn, 0.6), (0.0, 0.62))
            canvas.stroke(head.round(way, 1.0), 1.2 * width, ink)
        case "dot":
            canvas.fill(head.round(ellipse((0.02 * turn, 0.58), (0.025, 0.02)), 1.0), ink)
        case _:
            pass


def _thick_brows(canvas: Canvas, head: Frame, who: Character, hand: Hand) -> None:
    tilt = {"angry": 0.14, "worried": -0.1}.get(who.brows, 0.0)
    top = who.eyes.y - 0.33 * (0.5 + 0.5 * who.eyes.height) - 0.08
    for side in (-1, 1):
        arc = spline([(0.16, top + tilt), (0.45, top - 0.06), (0.75, top + 0.04)])
        half = 0.035 * hand.thick
        brow = ribbon(arc, [half, 1.1 * half, 0.3 * half]) * points((side, 1))
        canvas.fill(head.round(brow, 0.85), mix(who.hair.color, BLACK, 0.55))


def _spikes(canvas: Canvas, head: Frame, who: Character, style: Style) -> None:
    """Hair that stands off all around the skull."""
    rng = hair.chance(who.hair, 40)
    count = int(rng.integers(7, 16))
    reach = float(rng.uniform(0.15, 0.75))
    angle = np.linspace(np.pi * 1.12, -np.pi * 0.12, 2 * count + 1)
    far = np.where(np.arange(len(angle)) % 2, 1.22 + reach * rng.uniform(0.4, 1, len(angle)), 1.12)
    rim = np.stack([np.cos(angle) * far * 0.98, -0.25 - np.sin(angle) * far * 1.02], 1)
    shape = head.flat(join(rim, [(0.9, 0.6), (-0.9, 0.6)]))
    canvas.fill(shape, who.hair.color)
    ink = line_of(who.hair.color, style.ink)
    canvas.stroke(shape, style.line * head.size, ink, closed=True)


def _hairline(canvas: Canvas, head: Frame, who: Character, style: Style) -> None:
    """The hair over the crown, with a jagged edge high on the forehead."""
    rng = hair.chance(who.hair, 41)
    low = float(rng.uniform(-0.75, -0.1))
    count = int(rng.integers(2, 9)) * 2 + 1
    x = np.linspace(0.97, -0.97, count)
    drop = np.where(np.arange(count) % 2, rng.uniform(0.05, 0.35, count), 0)
    drop[[0, -1]] = 0.45
    edge = np.stack([x, low + drop - 0.25 * (1 - x * x)], 1)
    angle = np.linspace(np.pi * 1.0, 0, 30)
    crown = np.stack([np.cos(angle) * 1.12, -0.25 - np.sin(angle) * 1.12], 1)
    shape = head.flat(join(crown, [(1.02, 0.25)], edge, [(-1.02, 0.25)]), 0.1)
    canvas.fill(shape, who.hair.color)
    ink = line_of(who.hair.color, style.ink)
    canvas.stroke(head.flat(edge, 0.1), style.line * head.size, ink)
