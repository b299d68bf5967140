"""The image files of a site: those that were given, or others made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Literal

import numpy as np
from PIL import Image

from animetools.images.containers import HEAD_BYTES, check_side, format_by_content
from animetools.images.described import description_of, encode_described, facts_in
from animetools.images.errors import ImageError
from animetools.images.files import (
    Pixels,
    check_file,
    decode_rgb,
    encode_jpeg,
    encode_png,
    read_bytes,
)
from animetools.images.fit import fit, resized
from animetools.site.place import steps_of

Format = Literal["jpg", "webp", "avif", "png"]

# What browsers show, by the names of `format_by_content`.
_IN_BROWSERS: dict[str | None, Format] = {
    "AVIF": "avif",
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
}
_ICON = 96  # pixels a side
_CARD = (1200, 630)  # pixels of the picture that other sites show of a link
_ACROSS, _DOWN = 4, 2


@dataclass(frozen=True)
class Portrait:
    """A picture of the site, what is known of it, and its files by width (0: the only one).

    There are no files if the given one is used.
    """

    facts: Mapping[str, Any]
    files: dict[int, bytes] = field(default_factory=dict)


def format_to_show(path: str) -> Format | None:
    """The format of an image file if browsers show it, png for others, None if it is not an image."""
    try:
        with open(path, "rb") as file:
            found = format_by_content(file.read(HEAD_BYTES))
    except OSError:
        return None
    return _IN_BROWSERS.get(found, "png") if found else None


def portraits(
    path: str,
    facts: Mapping[str, Any],
    image_format: Format,
    quality: int,
    widths: Sequence[int],
    *,
    again: bool,
) -> list[Portrait]:
    """The pictures in a file for a site of this format; with `again` they are encoded in any case.

    There is one, or each of a row that sgedit --strip drew. With widths there is a file of each, of
    which none is larger than the picture. `facts` are of a record.

    Raises PassedOver, ItemError and OSError as read_rgb does.
    """
    data = read_bytes(path)
    own = facts_in(description_of(data))
    # The tags that it was drawn with; a tagger's, in the record, differ from picture to picture.
    known = {**own, **facts, "tags": own.get("tags")}
    steps = steps_of(own)
    is_row = len(steps) > 1
    is_same = _IN_BROWSERS.get(format_by_content(data[:HEAD_BYTES])) == image_format
    if is_same and not (again or widths or is_row):
        check_file(data)
        return [Portrait(known)]
    rgb = decode_rgb(data)
    tiles = [(rgb, known)]
    if is_row and rgb.shape[1] % len(steps) == 0:
        parts = np.split(rgb, len(steps), axis=1)
        tiles = [
            (part, known | {"strip": f"{step:.6f}"})
            for part, step in zip(parts, steps, strict=True)
        ]
    return [
        Portrait(
            facts,
            {w: encode(narrowed(tile, w), image_format, quality) for w in widths or (0,)},
        )
        for tile, facts in tiles
    ]


def narrowed(rgb: Pixels, width: int) -> Pixels:
    """The picture uint8 [H, W, 3], shrunk to a width if that is not 0 and it is wider."""
    high, wide = rgb.shape[:2]
    if not width or wide <= width:
        return rgb
    return resized(rgb, width, max(1, round(high * width / wide)))


def encode(rgb: Pixels, image_format: Format, quality: int) -> bytes:
    """An image file of uint8 [H, W, 3]; the same bytes each time.

    Raises ItemError if the format cannot hold so large a picture.
    """
    if image_format != "avif":
        return encode_described(rgb, image_format, quality)
    check_side("webp", rgb.shape[1], rgb.shape[0])
    file = BytesIO()
    Image.fromarray(rgb).save(file, "AVIF", quality=quality, max_threads=1)
    return file.getvalue()


def icon(path: str) -> bytes:
    """A small PNG of a picture, for the tab of a browser.

    Raises as read_rgb does.
    """
    return encode_png(fit(_pixels(path), _ICON, "top")[0])


def card(paths: Sequence[str]) -> bytes:
    """A JPEG of the first few pictures, side by side; there is at least one.

    Raises as read_rgb does.
    """
    tiles = [fit(_pixels(path), _tile(), "top")[0] for path in paths[: _ACROSS * _DOWN]]
    if len(tiles) < _ACROSS * _DOWN:
        wide, high = _CARD
        return encode_jpeg(fit(tiles[0], (wide, high), "cover")[0], 85)
    rows = [np.hstack(tiles[row * _ACROSS :][:_ACROSS]) for row in range(_DOWN)]
    return encode_jpeg(np.vstack(rows), 85)


def _tile() -> tuple[int, int]:
    return _CARD[0] // _ACROSS, _CARD[1] // _DOWN


def _pixels(path: str) -> Pixels:
    try:
        return decode_rgb(read_bytes(path))
    except ImageError as why:
        raise ImageError(f"{path}: {why}") from why
