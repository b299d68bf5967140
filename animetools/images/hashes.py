"""What tells a picture from others, and what it still has in common with its copies."""

import hashlib
from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from animetools.images.origins import Origin
from animetools.images.quality import is_flat

Pixels = NDArray[np.uint8]

HASH_SIDE = 16
HASH_BITS = HASH_SIDE**2
VIEW_SIDE = 32
COLOR_SIDE = 8
_COLOR_TOLERANCE = 6  # levels of Cr and Cb


@dataclass(frozen=True)
class Fingerprint:
    """What tells a picture from others."""

    content: bytes  # digest of the file
    pixels: bytes  # digest of the decoded picture and its shape
    shape: bytes  # HASH_BITS bits; none for a flat picture, which is like every other flat one
    colors: bytes  # Cr and Cb of COLOR_SIDE x COLOR_SIDE cells
    view: bytes = b""  # brightness of VIEW_SIDE x VIEW_SIDE cells
    area: int = 0  # in pixels
    length: int = 0  # of the file, in bytes
    origin: Origin | None = None  # of a crop, where that is known

    @property
    def size(self) -> tuple[int, int]:
        """By which of two duplicates the larger one is known."""
        return self.area, self.length


def fingerprint(data: bytes, rgb: Pixels, small: Pixels) -> Fingerprint:
    """The fingerprint of a file's bytes and of the picture in it, uint8 [H, W, 3].

    `small` is the picture as quality.shrunk gives it.
    """
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    chroma = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)[..., 1:]
    # SHA-256 is what processors have instructions for: 0.4 ms at 512 x 512, BLAKE2 1.0.
    pixels = hashlib.sha256(repr(rgb.shape).encode())
    pixels.update(np.ascontiguousarray(rgb).data)
    return Fingerprint(
        hashlib.sha256(data).digest()[:16],
        pixels.digest()[:16],
        b"" if is_flat(grey) else _average_hash(grey),
        _cells(chroma, COLOR_SIDE),
        _cells(grey, VIEW_SIDE),
        rgb.shape[0] * rgb.shape[1],
        len(data),
    )


def source_hash(small: Pixels) -> bytes:
    """The hash of a picture that crops are cut from; `small` is as quality.shrunk gives it."""
    return _average_hash(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8))


def has_same_colors(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether no cell of two pictures differs in color: a recolored picture is another one."""
    ours, theirs = (np.frombuffer(each.colors, np.uint8).astype(int) for each in (one, other))
    return bool(np.abs(ours - theirs).max() <= _COLOR_TOLERANCE)


def _average_hash(grey: Pixels) -> bytes:
    """Imagehash's average_hash, the nearest also to what findimagedupes does.

    Of 116 illustrations and faces, it differed by at most 2 bits (99 % equal) for 97 % after JPEG at
    quality 60, 95 % at 0.73 and 86 % at half the size, where phash gave 82, 64 and 66, dhash 49, 58
    and 44, whash 90, 82 and 79; different pictures were 13 bits or more apart.
    """
    return np.packbits(imagehash.average_hash(Image.fromarray(grey), HASH_SIDE).hash).tobytes()


def _cells(pixels: NDArray[np.generic], side: int) -> bytes:
    shrunk = cv2.resize(np.asarray(pixels), (side, side), interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.uint8).tobytes()
