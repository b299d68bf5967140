"""Encode pictures of 8 or 16 bits, with the name of the program that wrote them."""

import zlib
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from animetools.errors import ItemError
from animetools.images.containers import Format, check_side
from animetools.images.described import add_to_jpeg, exif_text
from animetools.images.formats.png import chunk, encode_bands, text_chunk
from animetools.images.formats.profiles import transform_to_srgb
from animetools.images.picture import Picture, Pixels

SHARP = 90  # the JPEG quality from which chroma is not subsampled
LARGE = 16_000_000  # pixels from which optimized Huffman tables need too much memory

_BAND = 1 << 20  # pixels that are converted at a time


def encode_picture(
    picture: Picture, image_format: Format, quality: int, software: str = ""
) -> memoryview:
    """Encode a picture; the file names `software` (ASCII) as the program that wrote it.

    PNG is lossless, and so is WebP at quality 100, after 16 bits are rounded to 8; `quality` is 1 to
    100. Beside the file, PNG needs almost no memory and JPEG little; WebP needs several times the
    picture. JPEG swaps red and blue in the pixels while it runs.

    Raises ItemError if the format cannot hold the picture.
    """
    height, width = picture.pixels.shape[:2]
    check_side(image_format, width, height)
    if image_format == "png":
        return _encode_png(picture, software)
    exif = exif_text(ExifTags.Base.Software, software) if software else b""
    if image_format == "webp":
        return _encode_webp(picture, quality, exif)
    if picture.alpha is not None:
        raise ItemError("JPEG cannot store transparency")
    jpeg = _encode_jpeg(_as_8_bits(picture.pixels), quality)
    return memoryview(add_to_jpeg(jpeg, exif, picture.profile))


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
    if pixels.shape[2] == 1:  # WebP has no grey, and so no grey profile
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
        # If lossless, this is libwebp's effort: 100 makes a file 2 % smaller in 5 times the time.
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
