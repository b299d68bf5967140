"""Whole illustrations: the characters, where they stand, and the background."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from animetools.artist import (
    back_hair,
    clothes,
    face,
    hair,
    patterns,
    profile,
    scenery,
    tags,
    things,
    wear,
)
from animetools.artist.canvas import Canvas, Pixels
from animetools.artist.character import Character, invent, pick
from animetools.artist.colors import WHITE, Color, grey
from animetools.artist.curves import Frame
from animetools.artist.style import Style
from animetools.artist.tags import Tag

# Drawn at this many times the resolution and averaged at the end.
_SUPERSAMPLING = 2.0

_ASPECTS = {"1:1": 2.0, "3:4": 3.0, "2:3": 2.5, "9:16": 0.6, "4:3": 1.4, "3:2": 1.0, "16:9": 0.8}

# Invented artists, each with a line width, a darkness of ink, and soft or flat shading.
_ARTISTS: dict[str, Style] = {
    "asagiri_paper": Style(0.017, 0.5, True, False),
    "bluebell_ink": Style(0.021, 0.62, True, False),
    "cotton_lamp": Style(0.014, 0.38, True, False),
    "hoshi_flat": Style(0.023, 0.72, False, False),
    "kumo_cel": Style(0.018, 0.6, False, False),
    "minato_brush": Style(0.026, 0.55, True, False),
}
# The color of the light on everything.
_AMBIENT: dict[str, Color] = {"sunset": (255, 232, 214), "night": (236, 234, 252)}
_SKETCHER = ("pencil_room", Style(0.016, 0.9, False, True))


@dataclass(frozen=True)
class DrawnFace:
    """One face of a picture.

    `box`: x, y, width, height in pixels, inside the picture; `frontal`: both eyes seen and open,
    and the head tilted by less than 10 degrees; `tags`: what is visible of it.
    """

    box: tuple[int, int, int, int]
    frontal: bool
    tags: list[str]


@dataclass(frozen=True)
class Drawing:
    """A finished picture: `rgb` uint8 [H, W, 3]."""

    rgb: Pixels
    tags: list[Tag]
    faces: list[DrawnFace]


@dataclass(frozen=True)
class _Shot:
    """How much of the characters a picture shows: pixels per head unit and the eyes' height."""

    name: str
    size: float
    y: float


def draw(seed: int, index: int, portrait: int | None = None) -> Drawing:
    """Draw picture `index` of the booru `seed`; the same two numbers always give the same bytes.

    With `portrait` it is a square with so many pixels a side and one large face, seen from the
    front.
    """
    rng = Generator(PCG64(SeedSequence([seed, index])))
    if portrait is None:
        kind = pick(rng, {"people": 85, "place": 7, "thing": 8})
        count = int(pick(rng, {"1": 80, "2": 14, "3": 6})) if kind == "people" else 0
        width, height = _size(rng, count)
    else:
        kind, count, width, height = "people", 1, portrait, portrait
    artist, style = _hand(rng)
    canvas = Canvas.blank(width, height, _SUPERSAMPLING, WHITE)
    canvas.rough = 0.9 if style.sketch else 0.0
    scene = patterns.Scene(canvas, width, height, rng)
    faces: list[DrawnFace] = []
    if kind == "place":
        names = scenery.paint_place(scene)
    elif kind == "thing":
        names = scenery.paint_background(scene)
        names += things.draw_thing(canvas, width, height, rng)
    else:
        names = ["traditional_media", "sketch"] if style.sketch else scenery.paint_background(scene)
        near = portrait is not None
        people, faces = _draw_people(canvas, rng, width, height, style, count, near)
        names = [*people, *names]
        for lit, glass in _AMBIENT.items():
            if lit in names:
                canvas.tint(glass)
        if not style.sketch and rng.random() < 0.1:
            names += patterns.petals(scene) if rng.random() < 0.5 else patterns.sparkles(scene)
    if style.soft and rng.random() < 0.3:
        canvas.bloom(0.35)
    rgb = canvas.finish(width, height)
    if (style.sketch and kind == "people") or rng.random() < 0.02:
        rgb, toned = _monochrome(rgb, rng)
        names += toned
    found = [Tag(name) for name in dict.fromkeys(names)]
    found += [Tag(artist, tags.ARTIST), Tag("original", tags.COPYRIGHT)]
    return Drawing(rgb, found, faces)


def _size(rng: Generator, count: int) -> tuple[int, int]:
    """Width and height: 500 to 1600 pixels a side, mostly 0.5 to 1.5 megapixels."""
    weights = _ASPECTS if count < 2 else {"1:1": 2, "4:3": 2, "3:2": 2, "16:9": 1}
    wide, high = (float(part) for part in pick(rng, weights).split(":"))
    area = float(np.exp(rng.normal(np.log(0.85e6), 0.35)))
    unit = float(np.sqrt(np.clip(area, 0.4e6, 1.6e6) / (wide * high)))
    sides = np.clip(np.round(np.array([wide, high]) * unit / 2) * 2, 500, 1600)
    return int(sides[0]), int(sides[1])


def _hand(rng: Generator) -> tuple[str, Style]:
    """The artist, and their style."""
    if rng.random() < 0.06:
        return _SKETCHER
    name = pick(rng, dict.fromkeys(_ARTISTS, 1.0))
    return name, _ARTISTS[name]


def _shot(rng: Generator, width: int, height: int, count: int, near: bool) -> _Shot:
    """A framing with enough room for every head."""
    if near:
        name = "portrait"
    elif count == 1:
        name = pick(rng, {"portrait": 4, "upper_body": 4, "cowboy_shot": 1.6, "full_body": 1.2})
    else:
        name = pick(rng, {"upper_body": 4, "cowboy_shot": 2, "full_body": 0.8})
    tall, y = {
        "portrait": (rng.uniform(3.5, 4.8), rng.uniform(0.42, 0.5)),
        "upper_body": (rng.uniform(5.6, 7.6), rng.uniform(0.3, 0.38)),
        "cowboy_shot": (rng.uniform(9.5, 11.5), rng.uniform(0.22, 0.26)),
        "full_body": (18.4, 0.165),
    }[name]
    size = min(height / float(tall), width / (3.1 if count == 1 else 3.5 * count))
    return _Shot(name, size, float(y) * height)


def _draw_people(
    canvas: Canvas,
    rng: Generator,
    width: int,
    height: int,
    style: Style,
    count: int,
    near: bool,
) -> tuple[list[str], list[DrawnFace]]:
    """Draw one to three characters side by side; returns the tags and the faces."""
    shot = _shot(rng, width, height, count, near)
    views = {"front": 92, "profile": 5, "from_behind": 3}
    view = pick(rng, views) if count == 1 and not near else "front"
    cast = [
        _sketched(invent(rng, view)) if style.sketch else invent(rng, view) for _ in range(count)
    ]
    names = [*tags.people_tags(cast), shot.name]
    faces = []
    for place, who in enumerate(cast):
        x = width * (place + 0.5) / count + float(rng.normal(0, 0.03)) * width / count
        tall = 1.0 if who.girl or count == 1 else 1.04
        y = shot.y + float(rng.uniform(-0.15, 0.25)) * shot.size * (count > 1)
        head = Frame(x, y, shot.size * tall, who.roll, who.yaw, who.pitch, (0.0, 1.0))
        bottom = (height - y) / head.size + 0.2
        # The side view is drawn looking left; on a mirrored picture it looks right.
        flipped = who.view == "profile" and bool(rng.random() < 0.5)
        if flipped:
            head = replace(head, x=width - head.x)
            canvas.mirror()
        draw_character(canvas, head, who, style, bottom)
        seen = tags.face_tags(who)
        names += [*seen, *tags.body_tags(who, bottom)]
        box = _face_box(head, who, width, height)
        if flipped:
            canvas.mirror()
        if box and flipped:
            box = (width - box[0] - box[2], *box[1:])
        if box:
            faces.append(DrawnFace(box, _is_frontal(who), seen))
    return list(dict.fromkeys(names)), faces


def draw_character(
    canvas: Canvas, head: Frame, who: Character, style: Style, bottom: float = 4.0
) -> None:
    """Draw a character from back to front; `bottom`: the lowest visible y, in head units."""
    body = replace(head, y=head.y - 0.2 * head.size, roll=0.0, yaw=0.0, pitch=0.0, pivot=(0.0, 0.0))
    if who.view == "profile":
        profile.draw_side_back(canvas, head, who, style)
        clothes.draw_body(canvas, body, head, who, style, bottom)
        profile.draw_profile(canvas, head, who, style)
        return
    if who.view == "from_behind":
        clothes.draw_body(canvas, body, head, who, style, bottom)
        face.draw_ears(canvas, head, who, style)
        back_hair.draw_back(canvas, head, who, style)
        profile.draw_behind_head(canvas, head, who, style)
        wear.draw_on(canvas, head, who, style)
        return
    wear.draw_behind(canvas, head, who, style)
    back_hair.draw_back(canvas, head, who, style)
    clothes.draw_body(canvas, body, head, who, style, bottom)
    face.draw_ears(canvas, head, who, style)
    face.draw_skin(canvas, head, who, style, hair.front_pieces(head, who))
    face.draw_blush(canvas, head, who, style)
    face.draw_nose(canvas, head, who, style)
    face.draw_mouth(canvas, head, who, style)
    for side in (-1, 1):
        face.draw_eye(canvas, head, who, style, side)
    hair.draw_front(canvas, head, who, style)
    face.draw_brows(canvas, head, who, style)
    wear.draw_on(canvas, head, who, style)
    back_hair.draw_low_bundles(canvas, head, who, style)


def _is_frontal(who: Character) -> bool:
    return (
        who.view == "front"
        and "closed" not in who.eyes.lids
        and abs(who.roll) < 10
        and not who.eyepatch
        and who.hair.fringe != "one_eye"
    )


def _face_box(
    head: Frame, who: Character, width: int, height: int
) -> tuple[int, int, int, int] | None:
    """The square that a human annotator would mark: cheek to cheek, forehead to chin."""
    if who.view == "from_behind":
        return None
    middle = (-0.3, 0.25) if who.view == "profile" else (0.0, 0.31)
    center_x, center_y = head.flat(middle, 0.45)[0]
    side = 2.3 * head.size
    left, top = max(center_x - side / 2, 0), max(center_y - side / 2, 0)
    right, bottom = min(center_x + side / 2, width), min(center_y + side / 2, height)
    if right - left < side * 0.6 or bottom - top < side * 0.6:
        return None
    return round(left), round(top), round(right - left), round(bottom - top)


def _sketched(who: Character) -> Character:
    """The same character on paper: white where it was light, grey where it was dark."""

    def paper(color: Color) -> Color:
        level = grey(color)
        tone = 252.0 if level > 0.55 else 190.0 if level > 0.35 else 120.0
        return (tone, tone, tone)

    return replace(
        who,
        skin=(253.0, 253.0, 253.0),
        hair=replace(who.hair, color=paper(who.hair.color), tip=paper(who.hair.tip)),
        accent=paper(who.accent),
        cloth=paper(who.cloth),
        trim=paper(who.trim),
    )


def _monochrome(rgb: Pixels, rng: Generator) -> tuple[Pixels, list[str]]:
    """Turn the picture into shades of one ink; returns the tags for it."""
    level = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if rng.random() < 0.7:
        return np.repeat(level[..., None], 3, 2), ["monochrome", "greyscale"]
    ink = np.array([(70, 40, 30), (30, 40, 90), (80, 30, 70)][int(rng.integers(3))])
    share = level[..., None] / 255.0
    toned = ink + (255 - ink) * share
    return np.round(toned).astype(np.uint8), ["monochrome"]
