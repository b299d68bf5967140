"""Contact sheets: many pictures on one, with labels."""

import os
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from animetools.errors import FatalError
from animetools.images.described import encode_described
from animetools.images.fit import fit

Pixels = NDArray[np.uint8]

COLUMNS = 8  # of a sheet of thumbnails
TILE = 128  # pixels a side of a thumbnail
LINE = 16  # pixels of a line of text, below pictures of up to 16 times that width
LEFT, CENTER = "l", "m"

Sections = Sequence[tuple[str, Sequence[tuple[str, Pixels]]]]


def check_name(path: str) -> None:
    """Raise FatalError if the contact sheet of --sheet cannot be written to this path."""
    folder = os.path.dirname(path) or "."
    if os.path.lexists(path):
        raise FatalError(f"--sheet {path} exists: give another name")
    if not path.endswith((".png", ".jpg", ".jpeg")):
        raise FatalError(f"--sheet {path}: give the name of a .png or .jpg file")
    if not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
        raise FatalError(f"--sheet {path}: cannot write to the folder {folder}")


def sheet(
    pictures: Iterable[Pixels],
    count: int,
    columns: int,
    paper: int = 0,
    *,
    captions: Sequence[str] = (),
    across: Sequence[str] = (),
    down: Sequence[str] = (),
) -> Pixels:
    """`count` pictures of one shape, uint8 [H, W] or [H, W, C], row by row on `paper`.

    `captions` are below the pictures, `across` above the columns and `down` left of the rows; labels
    may have several lines. Pictures are taken one at a time, so a generator may make them. There is
    at least one.
    """
    rows = -(-count // columns)
    made: Pixels | None = None
    line = top = left = below = 0
    for number, pixels in enumerate(pictures):
        height, width, *channels = pixels.shape
        if made is None:
            line = line_of(width)
            left, top, below = margins(width, captions, across, down)
            shape = (top + rows * (height + below), left + columns * width, *channels)
            made = np.full(shape, paper, np.uint8)
            for column, label in enumerate(across):
                _write(made[:top, left + column * width :][:, :width], label, line, CENTER)
            for row, label in enumerate(down):
                y = top + row * (height + below)
                _write(made[y : y + height, :left], label, line, LEFT)
        y, x = top + number // columns * (height + below), left + number % columns * width
        made[y : y + height, x : x + width] = pixels
        if number < len(captions):
            place = made[y + height : y + height + below, x : x + width]
            _write(place, captions[number], line, LEFT)
    assert made is not None
    return made


def sheet_file(sections: Sections, name: str) -> bytes:
    """A contact sheet as the file of this name, see `check_name`: a PNG, or else a JPEG."""
    return encode_described(contact_sheet(sections), "png" if name.endswith(".png") else "jpg", 90)


def contact_sheet(sections: Sections) -> Pixels:
    """Thumbnails of pictures, uint8 [H, W, 3], with captions, eight a row, below headings.

    A section is its heading and its pictures, each behind its caption.
    """
    parts = []
    for heading, pictures in sections:
        parts.append(np.full((2 * LINE, COLUMNS * TILE, 3), 255, np.uint8))
        _write(parts[-1], heading, LINE, LEFT)
        if pictures:
            tiles = (fit(pixels, TILE)[0] for _, pixels in pictures)
            captions = [caption or " " for caption, _ in pictures]
            parts.append(sheet(tiles, len(pictures), COLUMNS, 255, captions=captions))
    return np.vstack(parts)


def line_of(width: int) -> int:
    """The height of a line of text beside pictures of this width, in pixels."""
    return max(LINE, width // LINE)


def margins(
    width: int, captions: Sequence[str] = (), across: Sequence[str] = (), down: Sequence[str] = ()
) -> tuple[int, int, int]:
    """How many pixels a sheet has for labels: left, above, and below each row of pictures."""
    line = line_of(width)
    return _width(down, line), _lines(across) * line, _lines(captions) * line


@cache
def _font(line: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font: a file of the system would look different everywhere."""
    return ImageFont.load_default(line * 3 // 4)


def _lines(labels: Sequence[str]) -> int:
    return max((label.count("\n") + 1 for label in labels), default=0)


def _width(labels: Sequence[str], line: int) -> int:
    font = _font(line)
    widths = [font.getlength(text) for label in labels for text in label.split("\n")]
    return int(max(widths)) + line if widths else 0


def _write(place: Pixels, label: str, line: int, align: str) -> None:
    """Write lines of text into the middle of a place, in black or white, whatever it is not."""
    if not label.strip():
        return
    height, width = place.shape[:2]
    font = _font(line)
    is_dark = int(place.flat[0]) < 128
    texts = [_cut(text, font, width - line // 4) for text in label.split("\n")]
    x = width / 2 if align == CENTER else line / 4
    image = Image.new("L", (width, height), 0 if is_dark else 255)
    draw = ImageDraw.Draw(image)
    for number, text in enumerate(texts):
        y = height / 2 + (number - (len(texts) - 1) / 2) * line
        draw.text((x, y), text, 255 if is_dark else 0, font, align + "m")
    grey = np.asarray(image)
    if place.ndim == 2:
        place[:] = grey
        return
    place[..., :3] = grey[..., None]
    place[..., 3:] = 255  # letters are opaque


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """The text, or as much of it as fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "..") > width:
        text = text[:-1]
    return text + ".."
