"""The booru as files: the picture of each number, its path, and its metadata."""

from dataclasses import dataclass
from typing import Any

from numpy.random import PCG64, Generator, SeedSequence

from animetools.artist.artist import draw
from animetools.artist.character import EYE_COLORS, HAIR_COLORS
from animetools.artist.flaws import FLAWS, encode
from animetools.artist.metadata import record
from animetools.artist.tags import META, Tag

# Keep the random numbers of a file's format and flaw separate from those of the picture.
_FILE_STREAM, _FLAW_STREAM = 1, 2
_PNG_SHARE = 0.15

_COLOR_NAMES = {*HAIR_COLORS, *EYE_COLORS, "gradient_hair", "multicolored_hair", "heterochromia"}

# Tags that a flaw adds.
_FLAW_TAGS = {
    "monochrome": [Tag("monochrome"), Tag("greyscale")],
    "animated_gif": [Tag("animated", META)],
    "animated_png": [Tag("animated", META)],
    "animated_webp": [Tag("animated", META)],
}


@dataclass(frozen=True)
class Post:
    """One file: its path below the booru's folder, its bytes, its metadata, its faces' boxes.

    `face_tags` are the names of tags that are true of each face.
    """

    path: str
    data: bytes
    metadata: dict[str, Any]
    boxes: dict[str, Any]
    face_tags: list[list[str]]


def total(count: int, share: float) -> int:
    """The number of files for `count` good pictures and their share of bad ones."""
    number = int(count * (1 + share)) + 1
    while number - _flaws_before(number + 1, share) > count:
        number -= 1
    return number


def _flaws_before(number: int, share: float) -> int:
    """How many numbers below this one are bad files.

    They are spread evenly, whatever the count is, so that a booru can grow.
    """
    return int((number - 1) * share / (1 + share) + 1e-9)


def flaw_of(number: int, share: float) -> str:
    """The flaw of the file of that number; empty for a good picture."""
    before = _flaws_before(number, share)
    return list(FLAWS)[before % len(FLAWS)] if _flaws_before(number + 1, share) > before else ""


def source_of(seed: int, number: int, share: float) -> int:
    """The number of the picture that the file of that number shows: its own, unless it has a flaw."""
    return _source(seed, number, share)[0]


def _source(seed: int, number: int, share: float) -> tuple[int, Generator]:
    source, rng = number, Generator(PCG64(SeedSequence([seed, number, _FLAW_STREAM])))
    while flaw_of(source, share):
        source = int(rng.integers(1, number))
    return source, rng


def make_post(seed: int, number: int, share: float = 0.0, portrait: int | None = None) -> Post:
    """Draw and encode file `number` (from 1) of the booru `seed`, with `share` bad files per good one.

    `portrait`: draw square portraits of this side only.
    """
    flaw = flaw_of(number, share)
    source, rng = _source(seed, number, share)
    drawing = draw(seed, source, portrait)
    extension = extension_of(seed, source)
    data = encode(drawing.rgb, extension)
    scale = 1.0
    if flaw:
        extension, data, scale = FLAWS[flaw](drawing.rgb, data, extension, rng)
    height, width = (round(side * scale) for side in drawing.rgb.shape[:2])
    path = _place(number, extension)
    faces = [
        {"box": [round(side * scale) for side in face.box], "frontal": face.frontal}
        for face in (drawing.faces if scale else [])
    ]
    boxes = {"path": path, "width": width, "height": height, "faces": faces}
    if flaw:
        boxes["flaw"] = flaw
    tags = _tags(list(dict.fromkeys([*drawing.tags, *_FLAW_TAGS.get(flaw, [])])), width, height)
    facts = record(seed, number, data, extension, (width, height), tags)
    shown = {tag.name for tag in tags}
    face_tags = [
        [name for name in face.tags if name in shown] for face in (drawing.faces if scale else [])
    ]
    return Post(path, data, facts, boxes, face_tags)


def _tags(tags: list[Tag], width: int, height: int) -> list[Tag]:
    """The tags that are true of the file: a grey one has no colors, a small one is not highres."""
    if Tag("monochrome") in tags:
        tags = [tag for tag in tags if tag.name not in _COLOR_NAMES]
    return tags + [Tag("highres", META)] * (width >= 1600 or height >= 1200)


def extension_of(seed: int, number: int) -> str:
    """The format of a good picture's file."""
    chance = Generator(PCG64(SeedSequence([seed, number, _FILE_STREAM])))
    return "png" if chance.random() < _PNG_SHARE else "jpg"


def _place(number: int, extension: str) -> str:
    return f"original/{number % 1000:04d}/{number}.{extension}"
