"""Encoding one image for a dataset: the file is decoded again and compared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from animetools.errors import ItemError
from animetools.images.files import decode_rgb, encode_jpeg, encode_png
from animetools.images.fit import Fit, Rgb
from animetools.images.opening import opened, orientation

# How far JPEG may change the mean color of a block, in grey levels. The worst case, noise of
# saturated colors at quality 1, changes it by 51; a lost piece of an image by more.
BLOCK = 16  # pixels: JPEG's unit where color is halved, in which the loss of detail averages out
WORST_JPEG = 64


Encode = Callable[[Rgb, int | None], bytes]  # uint8 [H, W, 3] and a quality, as `encode` takes them


@dataclass(frozen=True)
class Packable:
    """An image ready to be packed: its encoded data, the size it had, and how it was fitted.

    Its sidecars are packed beside it: the ending of each, which takes the place of the image's
    (.txt, .png.json), and its bytes. `suffix` is the ending of its own name, if that is not the same
    for all.
    """

    data: bytes
    width: int
    height: int
    fit: Fit
    sidecars: tuple[tuple[str, bytes], ...] = ()
    suffix: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """What its record says of it."""
        return {"width": self.width, "height": self.height, "fit": self.fit.record()}

    @property
    def size(self) -> int:
        """The bytes that it takes, with its sidecars."""
        return len(self.data) + sum(len(data) for _, data in self.sidecars)


def suffix(quality: int | None) -> str:
    """The ending of an image of this quality."""
    return ".png" if quality is None else ".jpg"


def encode(rgb: Rgb, quality: int | None = None) -> bytes:
    """PNG of uint8 [H, W, 3], or JPEG of a quality of 1 to 100.

    Raises ItemError if decoding does not give the same image, exactly (PNG) or nearly (JPEG).
    """
    if quality is None:
        data = encode_png(rgb)
        good = np.array_equal(decode_rgb(data), rgb)
    else:
        data = encode_jpeg(rgb, quality)
        good = _moved(data, rgb) <= WORST_JPEG
    if not good:
        raise ItemError("decoding what was encoded gives another image: is the memory faulty?")
    return data


def is_plain_jpeg(data: bytes) -> bool:
    """Whether the bytes are a JPEG whose pixels every program reads as we do."""
    if not data.startswith(b"\xff\xd8"):
        return False
    with opened(data) as image:
        is_upright = orientation(image) in (None, 1)
        return image.mode == "RGB" and is_upright and not image.info.get("icc_profile")


def _moved(data: bytes, rgb: Rgb) -> float:
    """The largest difference between the mean colors of blocks of a JPEG and its original."""
    height, width = rgb.shape[:2]
    # At an eighth of the size all of the file is read, but not every pixel computed: half the time.
    shrink = 8 if min(height, width) >= 8 * BLOCK else 1
    flag = cv2.IMREAD_REDUCED_COLOR_8 if shrink == 8 else cv2.IMREAD_COLOR
    back = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if back is None or back.shape[:2] != (-(-height // shrink), -(-width // shrink)):
        return np.inf
    blocks = (max(1, width // BLOCK), max(1, height // BLOCK))
    first, second = (cv2.resize(one, blocks, interpolation=cv2.INTER_AREA) for one in (back, rgb))
    return cv2.norm(first, second[..., ::-1].copy(), cv2.NORM_INF)
