"""Contact sheets: many pictures on one."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from animetools.images.fit import fit

Pixels = NDArray[np.uint8]

COLUMNS = 8  # of a sheet with captions
TILE = 128  # pixels a side of a thumbnail
LINE = 16  # pixels of a caption's height
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def sheet(pictures: Iterable[Pixels], count: int, columns: int, paper: int = 0) -> Pixels:
    """`count` pictures of one shape, uint8 [H, W] or [H, W, C], row by row on `paper`.

    They are taken one at a time, so a generator may make them. There is at least one.
    """
    rows = -(-count // columns)
    made: Pixels | None = None
    for number, pixels in enumerate(pictures):
        height, width, *channels = pixels.shape
        if made is None:
            made = np.full((rows * height, columns * width, *channels), paper, np.uint8)
        y, x = number // columns * height, number % columns * width
        made[y : y + height, x : x + width] = pixels
    assert made is not None
    return made


def contact_sheet(sections: Sequence[tuple[str, Sequence[tuple[str, Pixels]]]]) -> Pixels:
    """Thumbnails of pictures, uint8 [H, W, 3], with captions, eight a row, below headings.

    A section is its heading and its pictures, each behind its caption.
    """
    parts = []
    for heading, pictures in sections:
        parts.append(_line(heading, COLUMNS * TILE, 2 * LINE, (4, LINE // 2)))
        tiles = [
            np.vstack([fit(pixels, TILE)[0], _line(caption, TILE, LINE, (2, 0))])
            for caption, pixels in pictures
        ]
        if tiles:
            parts.append(sheet(tiles, len(tiles), COLUMNS, paper=255))
    return np.vstack(parts)


def _line(text: str, width: int, height: int, place: tuple[int, int]) -> Pixels:
    """Black text on white, uint8 [height, width, 3]."""
    image = Image.new("RGB", (width, height), WHITE)
    ImageDraw.Draw(image).text(place, text, BLACK, ImageFont.load_default(LINE * 3 // 4))
    return np.asarray(image)
