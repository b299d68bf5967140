"""Measures of a picture: number of colors, whether it is grey or flat, how much detail it has."""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_STEP = 97  # pixels; a prime, so that the samples never form a column
_PLACES = np.array([1, 1 << 8, 1 << 16], np.uint32)
_CELLS = 64  # a side: few enough to average out JPEG noise, and ten times as fast for imagehash
_GREY_CHROMA = 16  # levels between the channels of a cell
_GREY_SHARE = 0.01  # of the cells may exceed that
_FLAT_DEVIATION = 4.0  # levels
_BLOCK = 8  # pixels a side, those of JPEG: what it lost is 0 there
_FINE = 4  # half of the frequencies, which an enlarged copy does not have
_SEEN = 8.0  # levels; smaller coefficients are noise, also that of the compression
_BAND = 64  # rows of blocks that are transformed at once


def count_colors(rgb: Pixels, enough: int | None = None) -> int:
    """The number of distinct colors, as ImageMagick's `identify -format %k` counts them.

    rgb is uint8 [H, W, 3]. Counting may stop at `enough`; a smaller count is exact.
    """
    if enough is not None:
        sample = rgb.reshape(-1, 3)[::_STEP].astype(np.uint32) @ _PLACES
        if (few := np.unique(sample).size) >= enough:
            return int(few)
    colors = cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA).view(np.uint32).ravel() & 0xFFFFFF
    seen = np.zeros(1 << 24, np.bool_)  # four times as fast as sorting at 512 x 512
    seen[colors] = True
    return int(np.count_nonzero(seen))


def is_grey(small: Pixels) -> bool:
    """Whether a picture is grey, or nearly so.

    small is `shrunk` of the picture. At most 1 % of its pixels may have channels more than 16 levels
    apart. Of 72 illustrations, the grey ones have at most 9 levels there, the others at least 40; a
    grey one saved as JPEG has 0. Sepia and blueprints count as colored.
    """
    red, green, blue = cv2.split(small)
    chroma = cv2.max(cv2.max(red, green), blue) - cv2.min(cv2.min(red, green), blue)
    return float(np.mean(chroma > _GREY_CHROMA)) <= _GREY_SHARE


def is_flat(grey: NDArray[np.uint8]) -> bool:
    """Whether a picture shows next to nothing.

    grey is uint8 [H, W], small enough that noise has averaged out. The flattest of 72 illustrations
    has a standard deviation of 12.6 levels.
    """
    return float(np.std(grey)) < _FLAT_DEVIATION


def count_details(rgb: Pixels) -> int:
    """How much fine detail a picture has: the number of its large coefficients of high frequency.

    rgb is uint8 [H, W, 3]; its brightness goes through JPEG's transform of 8 x 8 blocks. Compression,
    blur and reduction take such coefficients away, also if the copy was saved as PNG afterwards;
    enlarging adds none.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    rows, columns = (length // _BLOCK for length in grey.shape)
    row, column = np.ogrid[:_BLOCK, :_BLOCK]
    cosines = np.cos((2 * column + 1) * row * np.pi / (2 * _BLOCK)) / 2
    cosines[0] /= np.sqrt(2)
    transform = cosines.astype(np.float32)
    fine = np.maximum(row, column) >= _FINE
    count = 0
    for start in range(0, rows, _BAND):
        band = grey[start * _BLOCK : min(start + _BAND, rows) * _BLOCK, : columns * _BLOCK]
        blocks = band.reshape(-1, _BLOCK, columns, _BLOCK).swapaxes(1, 2).astype(np.float32)
        large = np.abs(transform @ blocks @ transform.T) > _SEEN
        count += int(np.count_nonzero(large & fine))
    return count


def shrunk(rgb: Pixels) -> Pixels:
    """The picture averaged down to at most 64 pixels a side, without keeping its proportions.

    rgb is uint8 [H, W, 3].
    """
    height, width = rgb.shape[:2]
    size = (min(width, _CELLS), min(height, _CELLS))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
