"""One picture as the bytes that a dataset keeps, read back and compared before they are believed."""

from dataclasses import dataclass

import cv2
import numpy as np

from animetools.errors import ItemError
from animetools.images.files import decode_rgb, encode_jpeg, encode_png
from animetools.images.fit import Fit, Rgb

# How far a JPEG may carry the mean colour of a block, in grey levels. The roughest that can be,
# noise of full colours at quality 1, moves it by 51; a lost piece of a picture by more.
BLOCK = 16  # pixels: what JPEG works on with halved colour, so detail that it drops evens out
WORST_JPEG = 64


@dataclass(frozen=True)
class Packable:
    """A picture ready to be packed: its file, the size it had, and how it was fitted."""

    data: bytes
    width: int
    height: int
    fit: Fit


def encode(rgb: Rgb, quality: int | None = None) -> bytes:
    """PNG of uint8 [H, W, 3], or JPEG of a quality of 1 to 100; decoded again and compared.

    Raises ItemError if it does not come back: a PNG exactly, a JPEG nearly.
    """
    data = encode_png(rgb) if quality is None else encode_jpeg(rgb, quality)
    back = decode_rgb(data)
    if quality is None:
        good = np.array_equal(back, rgb)
    else:
        good = back.shape == rgb.shape and _moved(back, rgb) <= WORST_JPEG
    if not good:
        raise ItemError(
            "does not come back from its own encoding: faulty memory, or a faulty codec"
        )
    return data


def _moved(one: Rgb, other: Rgb) -> float:
    """The largest difference between the mean colours of blocks."""
    height, width = one.shape[:2]
    blocks = (max(1, width // BLOCK), max(1, height // BLOCK))
    first, second = (cv2.resize(rgb, blocks, interpolation=cv2.INTER_AREA) for rgb in (one, other))
    return cv2.norm(first, second, cv2.NORM_INF)
