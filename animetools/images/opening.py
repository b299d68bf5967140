"""Open image files with Pillow: which are accepted, and why others are not."""

import ctypes
import logging
import math
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    _imaging,
)

from animetools.images.containers import HEAD_BYTES, format_by_content
from animetools.images.errors import ImageError, TooManyPixels, Unsupported
from animetools.images.formats import heif, jxl, tiff
from animetools.images.formats.ends import Damaged, Intact, examine
from animetools.images.formats.profiles import SRGB, profile_of_cicp, profile_of_gamma
from animetools.images.formats.scans import unusual_coding

# --max-pixels could not raise Pillow's own limit; ours is checked after each header.
Image.MAX_IMAGE_PIXELS = None
# Pillow's warnings and log messages name no file, and would go to standard error. catch_warnings
# does not help: it is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.|pillow_")
logging.getLogger("PIL").addHandler(logging.NullHandler())
# libtiff itself prints warnings about damaged files to standard error. Where its handler cannot be
# reached this way, they are printed.
with suppress(OSError, AttributeError):
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)

_Opener = Callable[[BytesIO, str], ImageFile.ImageFile]
# Pillow's Image.open does not say why it cannot identify a file.
_OPENERS: dict[str, _Opener] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.jpeg_factory,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_PLUGINS = "pip install 'animetools[formats]' reads it"
_UNSUPPORTED = re.compile(
    r"unknown|unsupported|not supported|cannot handle|not (yet|installed)", re.I
)
# By EXIF orientation: what makes the pixels upright. Source: EXIF 2.32, section 4.6.4, tag 0x0112.
UPRIGHT: dict[object, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


def check_intact(data: bytes, max_pixels: int) -> Intact:
    """Check an image file's structure, as formats.ends.examine does.

    Raises ImageError; Unsupported if there is no decoder for it.
    """
    image_format = _format(data)
    _opener(image_format)  # without a decoder it is unsupported, whether damaged or not
    try:
        return examine(data, image_format, max_pixels)
    except Damaged as damage:
        raise ImageError(str(damage)) from None


@contextmanager
def opened(data: bytes, max_pixels: float = math.inf) -> Iterator[ImageFile.ImageFile]:
    """An image file opened with Pillow, for the length of a `with` block: only its header is read.

    If the file describes its colors by other fields, they are given as an ICC profile.

    Raises ImageError if it is not an image or too large, and instead of any error in the block;
    Unsupported if its format is not supported.
    """
    image_format = _format(data)
    opener = _opener(image_format)
    tags = tiff.tags_of(data) if image_format == "TIFF" else {}
    if kind := tiff.refusal(tags):
        raise Unsupported(kind)
    if image_format == "BMP" and data[28:30] == b"\x10\0" and data[14] >= 56 and any(data[66:70]):
        raise Unsupported("BMP of 16 bits with opacity")  # which Pillow ignores
    profile = heif.color_profile(data, image_format) if image_format in ("AVIF", "HEIC") else b""
    if image_format == "JPEG XL":  # its plugin decodes on opening
        check_pixels(*jxl.size_of(data), max_pixels)
    try:
        with opener(BytesIO(data), "") as image:
            check_pixels(*image.size, max_pixels)
            if image_format == "PNG":
                _describe_png(image, data)
            elif profile and not image.info.get("icc_profile"):
                image.info["icc_profile"] = profile
            yield image
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow raises nearly every type
        raise _reason(data, image_format, tags, error) from error


def orientation(image: Image.Image) -> object:
    """The EXIF orientation, a key of UPRIGHT, of an image whose pixels are loaded.

    A PNG may have it after the pixels. A loaded TIFF has none: Pillow has rotated it.
    """
    try:
        # PngImageFile's own getexif() would load the pixels.
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001  broken EXIF is no reason to lose the picture
        return None


def _format(data: bytes) -> str:
    image_format = format_by_content(data[:HEAD_BYTES])
    if image_format is None:
        raise ImageError("not an image")
    return image_format


def _opener(image_format: str) -> _Opener:
    """The opener for a format; optional libraries are imported for their first file."""
    if image_format not in _OPENERS:
        try:
            if image_format == "HEIC":
                from pillow_heif import HeifImageFile

                _OPENERS[image_format] = HeifImageFile
            else:
                _OPENERS[image_format] = jxl.opener()
        except ImportError:
            raise Unsupported(image_format, _PLUGINS) from None
    return _OPENERS[image_format]


def check_pixels(width: int, height: int, most: float) -> None:
    """Raise TooManyPixels if an image has more than `most` pixels."""
    if width * height > most:
        raise TooManyPixels(
            f"image of {width}x{height} pixels, more than --max-pixels {most / 1e6:g}M"
        )


def _describe_png(image: ImageFile.ImageFile, data: bytes) -> None:
    """Correct what Pillow notes in image.info about a PNG's transparency and colors."""
    if data[24:26] in (b"\2\0", b"\4\0") and "transparency" in image.info:
        # Pillow scales grey of 2 or 4 bits to 8, but not the transparent level.
        image.info["transparency"] *= 255 // ((1 << data[24]) - 1)
    profile = _profile_of_png(image, data)
    if profile is not None:
        image.info["icc_profile"] = profile


def _profile_of_png(image: ImageFile.ImageFile, data: bytes) -> bytes | None:
    """The profile that a PNG's other fields describe; None if its own, or none, is right.

    Source: PNG third edition, section 4.3, table 1 (precedence).
    """
    head = data[: data.find(b"IDAT")]
    at = head.find(b"\0\0\0\x04cICP")
    if at >= 0:
        primaries, transfer = head[at + 8 : at + 10]
        return profile_of_cicp(primaries, transfer, "PNG")
    if "icc_profile" in image.info or "srgb" in image.info or "gamma" not in image.info:
        return None
    chromaticity = image.info.get("chromaticity", SRGB)
    grey = data[25] in (0, 4)  # its color type
    return profile_of_gamma(image.info["gamma"], tuple(chromaticity), grey=grey)


def _reason(data: bytes, image_format: str, tags: dict[int, Any], error: Exception) -> ImageError:
    """Why a file cannot be opened or decoded: it is damaged, or of an unsupported kind."""
    try:
        examine(data, image_format)
    except Damaged as damage:
        return ImageError(str(damage))
    if image_format == "JPEG" and (coding := unusual_coding(data)):
        return Unsupported(coding)
    if image_format == "TIFF" and tiff.must_decode(tags, len(data)):
        return Unsupported(tiff.kind_of(tags))
    if _UNSUPPORTED.search(str(error)):
        return Unsupported(tiff.kind_of(tags) if tags else f"this kind of {image_format}")
    return ImageError(f"damaged {image_format}")
