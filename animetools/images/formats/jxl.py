"""JPEG XL files, if the library that decodes them is installed."""

from collections.abc import Callable
from io import BytesIO

from PIL import ImageFile

from animetools.images.errors import ImageError

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def opener() -> Callable[[BytesIO, str], ImageFile.ImageFile]:
    """The function that opens such a file; its pixels are upright.

    Raises ImportError.
    """
    from pillow_jxl.JpegXLImagePlugin import JXLImageFile

    def opened(file: BytesIO, name: str) -> ImageFile.ImageFile:
        image: ImageFile.ImageFile = JXLImageFile(file, name)
        if not getattr(
            image, "jpeg", False
        ):  # the decoder has applied the orientation; ISO/IEC 18181-2 says to ignore EXIF's
            image.info.pop("exif", None)
        return image

    return opened


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height from the header; the plugin would decode the whole image first.

    Raises ImageError if it is truncated.
    Source: ISO/IEC 18181-1, annex D.1 (signature and SizeHeader).
    """
    bits = _Bits(_codestream(data)[2:])
    is_small = bits.take(1)
    height = _side(bits, is_small)
    ratio = bits.take(3)
    if ratio:
        over, under = _RATIOS[ratio - 1]
        return height * over // under, height
    return _side(bits, is_small), height


def _codestream(data: bytes) -> bytes:
    """The first bytes of the codestream; a container splits it into jxlc or jxlp boxes."""
    position = 0
    while data[position : position + 2] != b"\xff\x0a":
        size = int.from_bytes(data[position : position + 4])
        kind, start = data[position + 4 : position + 8], position + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8]), start + 8
        if kind in (b"jxlc", b"jxlp"):
            position = start + 4 * (kind == b"jxlp")
            break
        if 0 < size < 8 or position + (size or len(data)) >= len(data):
            raise ImageError("truncated JPEG XL")
        position += size
    return data[position : position + 64]


def _side(bits: "_Bits", is_small: int) -> int:
    if is_small:
        return (bits.take(5) + 1) * 8
    return bits.take((9, 13, 18, 30)[bits.take(2)]) + 1


class _Bits:
    """Reads numbers from a sequence of bits, lowest first."""

    def __init__(self, data: bytes) -> None:
        self.rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """The next number."""
        number = self.rest & ((1 << count) - 1)
        self.rest >>= count
        return number
