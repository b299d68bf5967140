"""How far the lines of a picture are from level."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.images.files import Pixels

# A pixel with a level below this in any channel counts as ink: 50 %. The article's "-deskew 50" is of
# 65,535 levels, below which hardly any pixel is, so that nothing is rotated.
DARK = 128

_UNIT = 8  # columns that are counted together


def skew(pixels: Pixels) -> float:
    """The angle, in degrees, by which uint8 [H, W, 3] is to be rotated clockwise to be level.

    It is the one in which the amounts of ink on neighboring lines differ most, within 7 degrees; 0
    for a picture without any ink.
    Source: Postl 1986 (the criterion); Brady 1998 (sums along all lines by halves).
    """
    ink = (pixels.min(axis=2) < DARK).astype(np.uint8)
    missing = -ink.shape[1] % _UNIT
    ink = cv2.copyMakeBorder(ink, 0, 0, 0, missing, cv2.BORDER_CONSTANT, value=0)
    columns = ink.reshape(len(ink), -1, _UNIT).sum(axis=2, dtype=np.int32).T
    falling, rising = _contrasts(columns[::-1]), _contrasts(columns)
    contrasts = np.concatenate([falling[::-1], rising[1:]])
    if not contrasts.any():
        return 0.0
    rise = int(contrasts.argmax()) - (len(falling) - 1)
    return -math.degrees(math.atan(rise / (_UNIT * len(falling))))


def _contrasts(columns: NDArray[np.int32]) -> NDArray[np.int64]:
    """How much the sums of neighboring lines differ, for lines that rise by 0, 1, ... rows.

    `columns` [W, H]; rises go up to, without it, the next power of two from W.
    """
    width, height = columns.shape
    side = 1 << (width - 1).bit_length()
    blocks = np.zeros((side, 1, height), np.int32)  # of columns: the sums for each rise
    blocks[:width, 0] = columns
    while len(blocks) > 1:
        left, right = blocks[::2], blocks[1::2]
        # A line that rises by 2 i + d rises by i in the left half, and begins i + d higher in the right.
        blocks = np.repeat(left, 2, axis=1)
        for i in range(min(left.shape[1], height)):
            for d in (0, 1):
                blocks[:, 2 * i + d, : height - i - d] += right[:, i, i + d :]
    steps = np.diff(blocks[0], axis=1).astype(np.int64)
    return np.asarray((steps * steps).sum(axis=1), np.int64)
