"""Decode image files without loss: 16 bits, grey, alpha, ICC profile."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from animetools.images.containers import HEAD_BYTES, MAX_PIXELS, format_by_content
from animetools.images.errors import ImageError, Unsupported
from animetools.images.formats import tiff
from animetools.images.formats.ends import Intact
from animetools.images.formats.png import chunk
from animetools.images.formats.profiles import to_srgb, transform_to_srgb
from animetools.images.formats.quiet import silence
from animetools.images.opening import UPRIGHT, check_intact, check_pixels, opened, orientation

Pixels = NDArray[np.uint8 | np.uint16]

BEYOND = 1e-3  # how far a float may lie outside 0 to 1

_BAND = 1 << 20  # pixels that are converted at a time
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_INVERSE: dict[object, int] = {6: 8, 8: 6}  # the other orientations are their own inverse
# Pillow's raw modes of 16-bit colors, of which it keeps the high bytes. Read in the other byte order,
# it keeps the low ones.
_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_SWAPPED = {
    f"{colors};16{order}": f"{colors};16{other}"
    for colors in ("RGB", "RGBX", "RGBA")
    for order, other in _OTHER_ORDER.items()
}
# What a pass takes from a band of rows: pixels [h, W, C] and alpha [h, W], if there is any.
_Take = Callable[[Image.Image], list[Any]]


@dataclass(frozen=True)
class Picture:
    """An upright picture of 8 or 16 bits.

    pixels [H, W, 3], or [H, W, 1] if the file is grey and stays so in sRGB; alpha [H, W] of the same
    type, None if everything is opaque. 8 bits are sRGB; 16 bits are in the ICC profile, or in sRGB
    if that is empty.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    profile: bytes = b""


def decode_picture(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode an image file; of an animation its first frame.

    The 16 bits of PNG and TIFF are kept. Of wider integers the upper 16 bits are kept, or the lower
    if they are signed and fit; floats of 0 (black) to 1 (white) become 16 bits. Needs up to two and
    a half times the memory of the picture, or more if the decoder itself does (progressive JPEG 3,
    AVIF 3, WebP 5 times).

    Raises ImageError if the file has lost pixels or is too large, Unsupported if its format is not
    supported.
    """
    whole = check_intact(data, max_pixels)
    data = whole.data
    if whole.is_plain:
        plain = _decode_plain(whole, max_pixels)
        if plain is not None:
            return Picture(plain)
    planes: list[Pixels] = []
    with opened(data, max_pixels) as image:
        passes = _passes(image)
        profile = image.info.get("icc_profile")
        transparent = image.info.get("transparency")
        _gather(image, passes[0], planes)
    for further in passes[1:]:
        with opened(data) as image:
            _gather(image, further, planes)
    pixels, alpha = planes if len(planes) == 2 else (planes[0], None)
    if pixels.dtype == np.uint8:
        profile = None
    elif alpha is None and transparent is not None:
        alpha = np.any(pixels != np.array(transparent), axis=-1) * np.uint16(0xFFFF)
    if alpha is not None and alpha.min() == np.iinfo(alpha.dtype).max:
        alpha = None
    is_other = transform_to_srgb(profile, "RGB" if pixels.shape[2] == 3 else "L") is not None
    return Picture(pixels, alpha, profile if profile and is_other else b"")


def _decode_plain(whole: Intact, max_pixels: int) -> Pixels | None:
    """The pixels of a plain 8-bit RGB PNG, as the suite itself writes them; None if Pillow is needed.

    Raises TooManyPixels, and ImageError for compressed data that is broken or too short, which
    Pillow silently fills up.
    """
    width, height = (int.from_bytes(whole.data[at : at + 4]) for at in (16, 20))
    check_pixels(width, height, max_pixels)
    # OpenCV takes 2.9 ms, Pillow 3.2, and OpenCV does not take the GIL between the chunks.
    with suppress(cv2.error), silence():  # it has its own limits for a side
        plain = cv2.imdecode(np.frombuffer(whole.data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if plain is not None and plain.shape == (height, width, 3):
            return np.asarray(plain, np.uint8)
        if not whole.deviation:
            raise ImageError("damaged PNG")
    return None


def size_of(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """The width and height that decode_picture would give, from the file's headers.

    Raises ImageError if it is not an image or too large.
    """
    if format_by_content(data[:HEAD_BYTES]) == "PNG":
        data = _headers_of_png(data)
    with opened(data, max_pixels) as image:
        width, height = image.size
        # For a TIFF Pillow gives the upright size at once.
        is_turned = image.format != "TIFF" and orientation(image) in _TURNED
    return (height, width) if is_turned else (width, height)


def is_animated(data: bytes) -> bool:
    """Whether an image file has more than one frame; a JPEG's previews do not count.

    Raises ImageError.
    """
    with opened(data) as image:
        return image.format not in ("JPEG", "MPO") and bool(getattr(image, "is_animated", False))


def software_of(data: bytes) -> str:
    """The Software field of an image file, as encode_picture writes it, or "".

    Raises ImageError.
    """
    with opened(data) as image:
        return text_in(image, "Software", ExifTags.Base.Software)


def text_in(image: ImageFile.ImageFile, keyword: str, tag: ExifTags.Base) -> str:
    """The text of an open image that PNG has under a keyword, and EXIF under a tag, or ""."""
    found = image.info.get(keyword) if image.format == "PNG" else image.getexif().get(tag)
    return str(found) if isinstance(found, str) else ""


def _passes(image: ImageFile.ImageFile) -> list[tuple[str, _Take]]:
    """The passes that read all bits of an image: Pillow's raw mode (or "") and a function each."""
    raw = _raw_mode(image.tile)
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith(("I", "F")):
        return [("", partial(_grey, tags))]
    if raw == "LA;16B":
        return [("RGBA", _grey_and_alpha)]  # it reads the same bytes, all of them
    if (
        raw in _SWAPPED and tags.get(284) != 2
    ):  # of separate planes Pillow gives only the high bytes
        return [("", _high_bytes), (_SWAPPED[raw], _low_bytes)]
    return [("", _srgb)]


def _gather(image: ImageFile.ImageFile, one: tuple[str, _Take], planes: list[Pixels]) -> None:
    """Add what a pass takes from the image to pixels [H, W, C] and alpha [H, W], if any.

    It works on bands of rows, so that memory never holds a second copy of the whole picture.
    """
    raw, take = one
    if raw:
        image.tile = [tile._replace(args=_with_raw(tile.args, raw)) for tile in image.tile]
    image.load()
    turn = orientation(image)
    rows = max(1, _BAND // image.width)
    if not planes and turn not in UPRIGHT and (image.height <= rows or _is_ready(image)):
        planes += take(image)
        return
    size = image.size if turn in _TURNED else image.size[::-1]
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        found = take(image.crop((0, top, image.width, bottom)))
        if not planes:
            planes += [np.zeros((*size, *part.shape[2:]), part.dtype) for part in found]
        for plane, part in zip(planes, found, strict=True):
            _as_stored(plane, turn)[top:bottom] += part


def _is_ready(image: Image.Image) -> bool:
    """Whether an image is already 8-bit sRGB and opaque."""
    if image.mode != "RGB" or image.has_transparency_data:
        return False
    return transform_to_srgb(image.info.get("icc_profile"), "RGB") is None


def _as_stored(plane: Pixels, turn: object) -> Pixels:
    """A view of an upright array in the file's row order."""
    lay = UPRIGHT.get(_INVERSE.get(turn, turn))
    return plane if lay is None else lay(plane)


def _raw_mode(tiles: list[Any]) -> Any:
    """Pillow's raw mode of the first tile, or None."""
    args = tiles[0].args if tiles else None
    return args[0] if isinstance(args, tuple) else args


def _with_raw(args: Any, raw: str) -> Any:
    return (raw, *args[1:]) if isinstance(args, tuple) else raw


def _srgb(band: Image.Image) -> list[Any]:
    """For up to 8 bits: sRGB or grey, and alpha."""
    if band.mode == "L" and not (band.has_transparency_data or band.info.get("icc_profile")):
        return [np.asarray(band)[..., None]]
    colors, opacity = to_srgb(band)
    levels = np.asarray(colors)
    if _is_grey(band):
        levels = levels[..., :1]
    return [levels] if opacity is None else [levels, np.asarray(opacity)]


def _is_grey(image: Image.Image) -> bool:
    if image.mode not in ("1", "L", "LA"):
        return False
    transform = transform_to_srgb(image.info.get("icc_profile"), "L")
    if transform is None:
        return True
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    return bool(np.ptp(np.asarray(transform.apply(ramp)).astype(int), axis=-1).max() <= 1)


def _grey(tags: Mapping[int, Any], band: Image.Image) -> list[Any]:
    """For grey of 16 bits, 32 bits or floats; see decode_picture."""
    levels = np.asarray(band)[..., None]
    if band.mode == "F":
        levels = np.nan_to_num(levels)
        if levels.min() < -BEYOND or levels.max() > 1 + BEYOND:
            raise Unsupported("image of floating-point numbers beyond 0 to 1")
        levels = levels.clip(0, 1) * 65535 + 0.5
    elif band.mode == "I" and tags.get(339, (tiff.UNSIGNED,))[0] == tiff.UNSIGNED:
        levels = levels.view(np.uint32) >> 16
    elif band.mode == "I" and (levels.min() < 0 or levels.max() > 65535):
        raise Unsupported("TIFF of signed numbers")
    levels = levels.astype(np.uint16)
    return [levels if tags.get(262, 1) else ~levels]  # white is zero


def _grey_and_alpha(band: Image.Image) -> list[Any]:
    """For a band with four bytes per pixel: level and alpha, high byte first."""
    levels = np.asarray(band).view(">u2").astype(np.uint16)
    return [levels[..., :1], levels[..., 1]]


def _high_bytes(band: Image.Image) -> list[Any]:
    return [part.astype(np.uint16) << 8 for part in _low_bytes(band)]


def _low_bytes(band: Image.Image) -> list[Any]:
    levels = np.asarray(band)
    return [levels] if levels.shape[2] == 3 else [levels[..., :3], levels[..., 3]]


def _headers_of_png(data: bytes) -> bytes:
    """A PNG file without its pixels, with the chunks that follow them moved before."""
    kept, kind, at = [data[:8]], b"", 8
    while at < len(data) and kind != b"IEND":
        end = at + 12 + int.from_bytes(data[at : at + 4])
        kind = data[at + 4 : at + 8]
        if kind not in (b"IDAT", b"IEND", b"fcTL", b"fdAT"):
            kept.append(data[at:end])
        at = end
    return b"".join((*kept, chunk(b"IDAT", b""), chunk(b"IEND", b"")))
