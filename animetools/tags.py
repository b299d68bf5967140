"""Tags: what is in a picture, as records and captions say it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from animetools.errors import ItemError

GENERAL = "general"
# By Danbooru's numbers; 9 is what its taggers call their ratings.
CATEGORIES = {
    0: GENERAL,
    1: "artist",
    3: "copyright",
    4: "character",
    5: "meta",
    9: "rating",
}
LONGEST_NAME = 500  # characters
Subject = Literal["face", "figure", "hand"]  # of a crop
MOST_TAGS = 20_000  # of one picture: taggers know more than 10,000


class Tag(NamedTuple):
    """A tag, as a record has it: [name, category, probability]."""

    name: str
    category: str = GENERAL
    probability: float = 1.0


def tags_of(facts: Mapping[str, Any]) -> list[Tag]:
    """The tags of a record; empty where it has none.

    Raises ItemError if they are not a list of [name, category, probability].
    """
    found = facts.get("tags", [])
    if not isinstance(found, list) or len(found) > MOST_TAGS:
        raise ItemError("its record's tags are not a list of [name, category, probability]")
    return [_tag(one) for one in found]


def _tag(found: Any) -> Tag:
    match found:
        case [str(name), str(category), int(p) | float(p)] if (
            0 < len(name) <= LONGEST_NAME and 0 <= p <= 1
        ):
            return Tag(name, category, p)
    raise ItemError("a tag in its record is not [name, category, probability]")


def content_of(tags: Iterable[Tag]) -> list[Tag]:
    """The tags that say what is in a picture: all but those of its file and its rating."""
    return [tag for tag in tags if tag.category not in ("meta", "rating")]


def caption_of(names: Iterable[str], *, spaces: bool = False) -> str:
    """A caption: names, separated by commas; `spaces` replaces the underscores of words.

    Raises ItemError for a name with a comma or a line break, which would be read as two.
    """
    words = []
    for name in names:
        if not _FITS_CAPTION(name):
            raise ItemError(
                f"the tag {name[:60]!r} does not fit in a caption, whose tags commas separate"
            )
        words.append(with_spaces(name) if spaces else name)
    return ", ".join(words)


_FITS_CAPTION = re.compile(r"[^,\x00-\x1f\x7f\x85\u2028\u2029]+").fullmatch
_FACE = re.compile(r"\W*\w?\W*_\W*\w?\W*", re.ASCII).fullmatch


def with_spaces(name: str) -> str:
    """A tag's name with spaces for underscores; faces such as >_< and 0_0 keep theirs."""
    return name if _FACE(name) else name.replace("_", " ")


def names_in(caption: str) -> list[str]:
    """The names of tags in a caption, with underscores for spaces, each once."""
    parts = re.split(r"[,\r\n]", caption)
    return list(dict.fromkeys(re.sub(r"\s+", "_", part.strip()) for part in parts if part.strip()))


_WHOLE = ("artist", "copyright", "character")  # categories that hold for every part of a picture

# Words in the names of general tags that speak of a face or of what is worn on a head.
_OF_FACE = re.compile(
    r"(^|[_ -])("
    r"hair|bangs|fringe|ahoge|antenna|braids?|twintails|ponytail|buns?|drills?|sidelocks|forehead"
    r"|(bob|hime|pixie|buzz|bowl)[_ ]cut|dreadlocks|afro|mohawk|bald"
    r"|hair(band|clip|pin|pods)|scrunchie|hat|cap|beret|crown|tiara|helmet|hood|headwear|headdress"
    r"|head(band|gear|phones|set|piece)|veil|horns?|halo|ears?|earrings?|earphones"
    r"|eyes?|eyed|eyelashes|eyebrows?|eyelids|eyeliner|eyeshadow|eyepatch|eyewear|pupils?|sclera"
    r"|glasses|sunglasses|goggles|monocle|mask|heterochromia|tsurime|tareme|sanpaku|jitome|wink"
    r"|mouth|lips|lipstick|tongue|teeth|fangs?|smile|smirk|grin|frown|pout|blush|tears?|crying"
    r"|nose|nosebleed|cheeks?|face|facial|facepaint|freckles|mole|beard|mustache|stubble|makeup"
    r"|expressionless|angry|sad|happy|embarrassed|surprised|scared|serious|sleepy|laughing|sleeping"
    r"|looking|facing|profile|monochrome|greyscale|sketch|spot[_ ]color"
    r")($|[_ -])|^[:;=>x][^_\w]*[\w()<>|]?$|^\W?\w?\W?_\W?\w?\W?$"
)


def of_face(tags: Iterable[Tag]) -> list[Tag]:
    """The tags of a picture that hold for a crop of its face.

    These are general tags whose names speak of a face, and its character, artist and copyright.
    """
    return [
        tag
        for tag in tags
        if tag.category in _WHOLE or (tag.category == GENERAL and _OF_FACE.search(tag.name))
    ]


def of_subject(tags: Iterable[Tag], subject: Subject) -> list[Tag]:
    """The tags of a picture that hold for a crop of it: of a figure all, see of_face.

    For a hand these are its character, artist and copyright.
    """
    if subject == "face":
        return of_face(tags)
    return [tag for tag in tags if subject == "figure" or tag.category in _WHOLE]
