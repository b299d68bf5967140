"""A picture much longer than wide, such as a webtoon, is searched in overlapping pieces.

So its faces do not become too small where the picture is shrunk.
"""

import math
from collections.abc import Iterator

import numpy as np

from animetools.images.face import Face, Search, is_same, ranked
from animetools.images.nvxs import Box, Pixels

# A picture longer than LONG short sides is cut into pieces of PIECE short sides.
LONG = 2.2
PIECE = 1.5
STEP = 1.0  # from piece to piece at most: the overlap holds a face of half the short side
LEAST = 384  # pixels: what is not longer is not cut


def in_pieces(rgb: Pixels, search: Search) -> list[Face]:
    """The faces in a picture uint8 [H, W, 3], highest score first; a long one is searched in pieces."""
    pieces = list(_pieces(rgb.shape[1], rgb.shape[0]))
    if len(pieces) == 1:
        return ranked(search(rgb))
    whole: list[Face] = []
    cut: list[Face] = []
    for piece in pieces:
        x, y, width, height = piece
        for face in search(np.ascontiguousarray(rgb[y : y + height, x : x + width])):
            face = face.moved(x, y)
            (cut if _is_cut(face.box, piece, rgb.shape) else whole).append(face)
    kept: list[Face] = []
    for face in ranked(whole) + ranked(cut):
        if not any(is_same(face.box, other.box) for other in kept):
            kept.append(face)
    return ranked(kept)


def _pieces(width: int, height: int) -> Iterator[Box]:
    """The whole picture, or overlapping pieces of a long one, which share half a short side."""
    short, long = sorted((width, height))
    length = max(round(PIECE * short), LEAST)
    if long <= max(LONG * short, length):
        yield 0, 0, width, height
        return
    steps = math.ceil((long - length) / (length - (PIECE - STEP) * short))
    for n in range(steps + 1):
        start = round(n * (long - length) / steps)
        yield (0, start, width, length) if height > width else (start, 0, length, height)


def _is_cut(face: Box, piece: Box, shape: tuple[int, ...]) -> bool:
    """Whether a face touches an edge of its piece that is not an edge of the picture [H, W]."""
    return any(
        (face[n] <= piece[n] > 0)
        or (face[n] + face[n + 2] >= piece[n] + piece[n + 2] < shape[1 - n])
        for n in (0, 1)
    )
