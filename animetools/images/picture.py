"""Pictures with all that their files hold of them: 16 bits, grey, opacity; and files of such."""

import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from animetools.errors import ItemError
from animetools.images.containers import HEAD_BYTES, MAX_PIXELS, format_by_content
from animetools.images.described import LARGEST_SIDE, Format, add_to_jpeg, exif_text
from animetools.images.files import (
    UPRIGHT,
    decode_plain,
    opened,
    orientation,
    to_srgb,
    transform_to_srgb,
)
from animetools.images.png import chunk, encode_bands, text_chunk

Pixels = NDArray[np.uint8 | np.uint16]

SHARP = 90  # JPEG's quality from which colours keep their full resolution
LARGE = 16_000_000  # pixels from which Huffman tables of its own cost a JPEG too much memory

_BAND = 1 << 20  # pixels that pass between libraries at a time
_TURNED = (5, 6, 7, 8)  # EXIF's orientations in which width and height change places
_INVERSE: dict[object, int] = {6: 8, 8: 6}  # the other orientations are their own
# Pillow's names of 16-bit colours, of which it keeps the high bytes. Read in the other byte order,
# they give it the low ones.
_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_SWAPPED = {
    f"{colours};16{order}": f"{colours};16{other}"
    for colours in ("RGB", "RGBX", "RGBA")
    for order, other in _OTHER_ORDER.items()
}
# What a pass takes of a band of rows: pixels [h, W, C] and, if there is any, opacity [h, W].
_Take = Callable[[Image.Image], list[Any]]


@dataclass(frozen=True)
class Picture:
    """An upright picture of 8 or 16 bits.

    pixels [H, W, 3], or [H, W, 1] where the file was grey and no profile colours it; alpha [H, W]
    of the same type, None where all is opaque. 8 bits are sRGB; 16 bits are of the ICC profile, or
    sRGB where it is empty.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    profile: bytes = b""


def decode_picture(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode an image file; of an animation its first frame.

    Of PNG and TIFF 16 bits are kept; floats and wider numbers, which are taken as decode_rgb takes
    them, become 16 bits. It takes up to two and a half times the memory of the picture, or more
    where the decoder itself does (progressive JPEG 3, AVIF 3, WebP 5 times).

    Raises ImageError, as decode_rgb.
    """
    plain = decode_plain(data, max_pixels)
    if plain is not None:
        return Picture(plain)
    with opened(data, max_pixels) as image:
        raw = _raw_mode(image.tile)
        is_wide_grey = image.mode.startswith(("I", "F"))
        profile = image.info.get("icc_profile")
        transparent = image.info.get("transparency")
    if is_wide_grey:
        planes = _gathered(data, ("", _grey))
    elif raw == "LA;16B":
        planes = _gathered(data, ("RGBA", _grey_and_opacity))  # the same bytes, all of them
    elif raw in _SWAPPED:
        planes = _gathered(data, ("", _high_bytes), (_SWAPPED[raw], _low_bytes))
    else:
        planes = _gathered(data, ("", _srgb))
    pixels, alpha = planes if len(planes) == 2 else (planes[0], None)
    if pixels.dtype == np.uint8:
        profile = None
    elif alpha is None and transparent is not None:
        alpha = np.any(pixels != np.array(transparent), axis=-1) * np.uint16(0xFFFF)
    if alpha is not None and alpha.min() == np.iinfo(alpha.dtype).max:
        alpha = None
    is_other = transform_to_srgb(profile, "RGB" if pixels.shape[2] == 3 else "L") is not None
    return Picture(pixels, alpha, profile if profile and is_other else b"")


def size_of(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height of an image file as decode_picture gives it, from its headers.

    Raises ImageError for what is no image or too large.
    """
    if format_by_content(data[:HEAD_BYTES]) == "PNG":
        data = _headers_of_png(data)
    with opened(data, max_pixels) as image:
        width, height = image.size
        # Of a TIFF Pillow gives the upright size at once.
        is_turned = image.format != "TIFF" and orientation(image) in _TURNED
    return (height, width) if is_turned else (width, height)


def is_animated(data: bytes) -> bool:
    """Whether an image file has more pictures than one; a JPEG's previews do not count.

    Raises ImageError.
    """
    with opened(data) as image:
        return image.format not in ("JPEG", "MPO") and bool(getattr(image, "is_animated", False))


def software_of(data: bytes) -> str:
    """The program that an image file says it was written by, as encode_picture writes it, or "".

    Raises ImageError.
    """
    with opened(data) as image:
        if image.format == "PNG":
            name = image.info.get("Software")
        else:
            name = image.getexif().get(ExifTags.Base.Software)
    return str(name) if isinstance(name, str) else ""


def encode_picture(
    picture: Picture, image_format: Format, quality: int, software: str = ""
) -> memoryview:
    """The file of a picture, which says that it was written by `software` (ASCII).

    PNG is without loss, and so is WebP of quality 100, after 16 bits were rounded to 8; `quality`
    is 1 to 100. Beside the file PNG takes no memory to speak of, and JPEG little; WebP takes several
    times the picture. JPEG swaps red and blue in the pixels while it runs.

    Raises ItemError for what the format cannot hold.
    """
    height, width = picture.pixels.shape[:2]
    if max(width, height) > LARGEST_SIDE[image_format]:
        most = LARGEST_SIDE[image_format]
        raise ItemError(f"{image_format} has at most {most} pixels a side, not {width}x{height}")
    if image_format == "png":
        return _encode_png(picture, software)
    exif = exif_text(ExifTags.Base.Software, software) if software else b""
    if image_format == "webp":
        return _encode_webp(picture, quality, exif)
    if picture.alpha is not None:
        raise ItemError("JPEG keeps no transparency")
    jpeg = _encode_jpeg(_as_8_bits(picture.pixels), quality)
    return memoryview(add_to_jpeg(jpeg, exif, picture.profile))


def _gathered(data: bytes, *passes: tuple[str, _Take]) -> list[Pixels]:
    """The sum of what each pass takes of the image: pixels [H, W, C] and, if any, alpha [H, W].

    A pass decodes the file, read in Pillow's raw mode where one is named, and takes from one band
    of rows after another, so that no second form of the whole is ever in memory.
    """
    planes: list[Pixels] = []
    for raw, take in passes:
        with opened(data) as image:
            if raw:
                image.tile = [tile._replace(args=_with_raw(tile.args, raw)) for tile in image.tile]
            image.load()
            turn = orientation(image)
            size = image.size if turn in _TURNED else image.size[::-1]
            rows = max(1, _BAND // image.width)
            for top in range(0, image.height, rows):
                bottom = min(top + rows, image.height)
                found = take(image.crop((0, top, image.width, bottom)))
                if not planes:
                    planes = [np.zeros((*size, *part.shape[2:]), part.dtype) for part in found]
                for plane, part in zip(planes, found, strict=True):
                    _as_stored(plane, turn)[top:bottom] += part
    return planes


def _as_stored(plane: Pixels, turn: object) -> Pixels:
    """An upright array as the file's rows lie in it."""
    lay = UPRIGHT.get(_INVERSE.get(turn, turn))
    return plane if lay is None else lay(plane)


def _raw_mode(tiles: list[Any]) -> Any:
    """How the first tile's pixels lie in the file, as Pillow names it; None where it does not."""
    args = tiles[0].args if tiles else None
    return args[0] if isinstance(args, tuple) else args


def _with_raw(args: Any, raw: str) -> Any:
    return (raw, *args[1:]) if isinstance(args, tuple) else raw


def _srgb(band: Image.Image) -> list[Any]:
    """Of up to 8 bits: sRGB or grey, and opacity."""
    colours, opacity = to_srgb(band)
    levels = np.asarray(colours)
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


def _grey(band: Image.Image) -> list[Any]:
    """Of 16 bits, 32 bits (taken as 16 in a wider number) or floats (0 black, 1 white)."""
    levels = np.asarray(band)[..., None]
    if band.mode == "F":
        levels = np.nan_to_num(levels, posinf=1.0, neginf=0.0).clip(0, 1) * 65535 + 0.5
    return [levels.clip(0, 65535).astype(np.uint16)]


def _grey_and_opacity(band: Image.Image) -> list[Any]:
    """Of a band whose four bytes a pixel are two levels, the high byte first."""
    levels = np.asarray(band).view(">u2").astype(np.uint16)
    return [levels[..., :1], levels[..., 1]]


def _high_bytes(band: Image.Image) -> list[Any]:
    return [part.astype(np.uint16) << 8 for part in _low_bytes(band)]


def _low_bytes(band: Image.Image) -> list[Any]:
    levels = np.asarray(band)
    return [levels] if levels.shape[2] == 3 else [levels[..., :3], levels[..., 3]]


def _headers_of_png(data: bytes) -> bytes:
    """A PNG file without its pixels, and with all that follows them put before their place."""
    kept, kind, at = [data[:8]], b"", 8
    while at < len(data) and kind != b"IEND":
        end = at + 12 + int.from_bytes(data[at : at + 4])
        kind = data[at + 4 : at + 8]
        if kind not in (b"IDAT", b"IEND", b"fcTL", b"fdAT"):
            kept.append(data[at:end])
        at = end
    return b"".join((*kept, chunk(b"IDAT", b""), chunk(b"IEND", b"")))


def _encode_png(picture: Picture, software: str) -> memoryview:
    chunks = b""
    if picture.profile:  # PNG third edition, section 11.3.2.3
        chunks += chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.profile))
    if software:
        chunks += text_chunk("Software", software)
    return encode_bands(picture.pixels, picture.alpha, chunks)


def _encode_webp(picture: Picture, quality: int, exif: bytes) -> memoryview:
    pixels = _as_8_bits(picture.pixels)
    profile = picture.profile
    if pixels.shape[2] == 1:  # WebP knows no grey, and so no profile of it
        grey = Image.fromarray(pixels[..., 0])
        transform = transform_to_srgb(profile, "L")
        image, profile = transform.apply(grey) if transform else grey.convert("RGB"), b""
    else:
        image = Image.fromarray(pixels)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(_as_8_bits(picture.alpha)))
    file = BytesIO()
    image.save(
        file,
        "WEBP",
        # Without loss it is libwebp's effort: 100 makes a file 2 % smaller in 5 times the time.
        quality=0 if quality == 100 else quality,
        lossless=quality == 100,
        exact=True,
        exif=exif,
        icc_profile=profile,
    )
    return file.getbuffer()


def _encode_jpeg(pixels: NDArray[np.uint8], quality: int) -> memoryview:
    """JPEG file of uint8 [H, W, 1 or 3]."""
    height, width = pixels.shape[:2]
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    settings += [cv2.IMWRITE_JPEG_OPTIMIZE, int(height * width <= LARGE)]
    if quality >= SHARP:
        settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    pixels = np.require(pixels, requirements=["C", "W"])
    _swap_red_and_blue(pixels)
    try:
        return cv2.imencode(".jpg", pixels, settings)[1].data
    finally:
        _swap_red_and_blue(pixels)


def _swap_red_and_blue(pixels: NDArray[np.uint8]) -> None:
    if pixels.shape[2] == 3:
        rows = max(1, _BAND // pixels.shape[1])
        for top in range(0, len(pixels), rows):
            band = pixels[top : top + rows]
            band[:] = cv2.cvtColor(band, cv2.COLOR_RGB2BGR)


def _as_8_bits(levels: Pixels) -> NDArray[np.uint8]:
    """The nearest of 256 levels."""
    if levels.dtype == np.uint8:
        return np.asarray(levels, np.uint8)
    return np.asarray(cv2.convertScaleAbs(levels, alpha=1 / 257), np.uint8).reshape(levels.shape)
