"""Pixels from any image file, and image files from pixels. Nothing else opens images."""

import ctypes
import logging
import math
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageFile, _imaging

from animetools.errors import ItemError
from animetools.images.colours import WHITE, Colour
from animetools.images.containers import (
    HEAD_BYTES,
    MAX_PIXELS,
    Fault,
    check_whole,
    format_by_content,
    is_plain_png,
    recognise,
)

Pixels = NDArray[np.uint8]

MAX_FILE_BYTES = 1 << 30

# Pillow's own limit could not be raised by --max-pixels; ours is checked after each header.
Image.MAX_IMAGE_PIXELS = None
# Pillow's warnings name no file, nor does its log, which Python would print to standard error.
# catch_warnings is no way out: it is not safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())
# libtiff prints what it thinks of damaged files to standard error itself; a Pillow with a libtiff
# that cannot be reached so is only noisier.
with suppress(OSError, AttributeError):
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # Pillow's mode: the ICC colour space
# What makes the pixels of an orientation upright. Source: EXIF 2.32, section 4.6.4, tag 0x0112.
UPRIGHT: dict[object, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


class ImageError(ItemError):
    """The file claims to be an image, and what is in it cannot be read as one."""


class TooManyPixels(ImageError):  # noqa: N818  an ImageError by its base
    """The image would take more memory than it may."""


def read_rgb(path: str, *, max_pixels: int = MAX_PIXELS, background: Colour = WHITE) -> Pixels:
    """Decode an image file to what every command works on.

    Returns uint8 [H, W, 3] in sRGB, upright, transparency laid on background; of an animation the
    first frame. The array may be read-only.

    Raises PassedOver for a file that is no image by name and content, ImageError for one that
    claims to be and cannot be read, ItemError for what is no regular file, OSError from the file
    system.
    """
    return decode_rgb(read_bytes(path), max_pixels=max_pixels, background=background)


def read_bytes(path: str) -> bytes:
    """The bytes of an image file; of a file that is no image only the first few are read.

    Raises as read_rgb; ImageError where only the name says that it is an image.
    """
    # Looked at before it is opened: opening a device can do things, opening a FIFO waits.
    _check_regular(os.stat(path))
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", 0) as file:
        status = os.fstat(file.fileno())
        _check_regular(status)
        head = file.read(HEAD_BYTES)
        if recognise(path, head) is None:
            raise ImageError(
                f"not an image though named .{path.rpartition('.')[2]}" if head else "empty file"
            )
        if status.st_size > MAX_FILE_BYTES:
            raise ImageError(f"file of {status.st_size} bytes, too large for an image")
        return head + file.readall()


def decode_rgb(data: bytes, *, max_pixels: int = MAX_PIXELS, background: Colour = WHITE) -> Pixels:
    """Decode the bytes of an image file; see read_rgb.

    Raises ImageError.
    """
    plain = decode_plain(data, max_pixels)
    if plain is not None:
        return plain
    with opened(data, max_pixels) as image:
        image.load()
        pixels = np.asarray(_to_rgb(image, background))
        turn = UPRIGHT.get(orientation(image))
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def decode_plain(data: bytes, max_pixels: int) -> Pixels | None:
    """The pixels of a PNG that is whole and just 8-bit RGB, which the suite itself writes.

    None for any other file. Raises TooManyPixels.
    """
    if format_by_content(data[:HEAD_BYTES]) != "PNG" or not is_plain_png(data):
        return None
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    _check_pixels(width, height, max_pixels)
    # OpenCV needs 2.9 ms where Pillow needs 3.2, and no turn of Python's between the chunks; of
    # damaged files it would print to standard error.
    with suppress(cv2.error):
        plain = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if plain is not None and plain.shape == (height, width, 3):
            return np.asarray(plain, np.uint8)
    return None


@contextmanager
def opened(data: bytes, max_pixels: float = math.inf) -> Iterator[ImageFile.ImageFile]:
    """An image file in Pillow's hands for the length of a block: its header is read, no pixel yet.

    Raises ImageError for what is no image or too large, and in the place of whatever goes wrong in
    the block.
    """
    image_format = format_by_content(data[:HEAD_BYTES])
    if image_format is None:
        raise ImageError("not an image")
    try:
        with Image.open(BytesIO(data), formats=(image_format,)) as image:
            _check_pixels(*image.size, max_pixels)
            if image_format == "PNG" and data[24:26] in (b"\2\0", b"\4\0"):  # grey of 2 or 4 bits
                _stretch_transparency(image, data[24])
            yield image
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow raises nearly every type
        raise ImageError(_what_is_wrong(data, image_format, error)) from error


def _check_pixels(width: int, height: int, most: float) -> None:
    if width * height > most:
        raise TooManyPixels(
            f"image of {width}x{height} pixels, more than --max-pixels {most / 1e6:g}M"
        )


def check_file(data: bytes) -> None:
    """Hold an image file to its own structure, as containers.check_whole does.

    Raises ImageError.
    """
    image_format = format_by_content(data[:HEAD_BYTES])
    if image_format is None:
        raise ImageError("not an image")
    try:
        check_whole(data, image_format)
    except Fault as fault:
        raise ImageError(str(fault)) from None


def encode_png(pixels: Pixels) -> bytes:
    """PNG file of uint8 [H, W, 3] sRGB, [H, W, 4] with opacity or [H, W] grey, without loss."""
    # One filter instead of five tried a line, measured on drawings: 5.2 ms and 2.49 MB where
    # OpenCV's default takes 8.4 and 2.57, and level 6 26 and 2.31.
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 2, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    return _encode(".png", pixels, settings)


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """JPEG file of uint8 [H, W, 3] sRGB or [H, W] grey pixels; quality 1 to 100.

    Colour is halved in both directions (4:2:0), as ImageMagick's -quality does below 90. Huffman
    tables of its own make a file 17 % smaller, for 0.4 ms at 512 x 512.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    return _encode(".jpg", pixels, settings)


def _encode(extension: str, pixels: Pixels, settings: list[int]) -> bytes:
    if pixels.ndim == 3:
        order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
        pixels = np.asarray(cv2.cvtColor(pixels, order), np.uint8)
    return cv2.imencode(extension, pixels, settings)[1].tobytes()


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ItemError("not a regular file")


def _what_is_wrong(data: bytes, image_format: str, error: Exception) -> str:
    try:
        check_whole(data, image_format)
    except Fault as fault:
        return str(fault)
    return f"damaged {image_format}"


def _stretch_transparency(image: Image.Image, bits: int) -> None:
    """Bring the transparent level to the 8 bits to which Pillow brings the others."""
    if "transparency" in image.info:
        image.info["transparency"] *= 255 // ((1 << bits) - 1)


def _to_rgb(image: Image.Image, background: Colour) -> Image.Image:
    """The image in mode RGB: range, transparency and profile dealt with, not its orientation."""
    alpha = None
    if image.mode.startswith(("I", "F")):
        narrow = _to_8_bits(image)
        narrow.info["icc_profile"] = image.info.get("icc_profile")
        image = to_srgb(narrow)[0]
    else:
        image, alpha = to_srgb(image)
    if alpha is not None and alpha.getextrema() != (255, 255):
        canvas = Image.new("RGB", image.size, background)
        canvas.paste(image, mask=alpha)
        image = canvas
    return image


def to_srgb(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """An image of 8 bits or less in mode RGB and sRGB; and its opacity in mode L where it has one."""
    profile = image.info.get("icc_profile")
    alpha = None
    if image.has_transparency_data:
        with_alpha = image if image.mode == "RGBA" else image.convert("RGBA")
        alpha = with_alpha.getchannel("A")
        image = image.convert("L") if image.mode in ("L", "LA") else with_alpha.convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")
    transform = transform_to_srgb(profile, image.mode)
    if transform is not None:
        image = transform.apply(image)
    elif image.mode != "RGB":
        image = image.convert("RGB")
    return image, alpha


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, 32 bits (taken as 16 in a wider number) or floats (0 black, 1 white)."""
    values = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(values, posinf=1.0, neginf=0.0).clip(0, 1) * 255 + 0.5
    else:
        values = values.clip(0, 65535) >> 8
    return Image.fromarray(values.astype(np.uint8))


@lru_cache(maxsize=8)
def transform_to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What takes an image of this mode and ICC profile to sRGB; None where nothing does or need.

    A broken profile, or one of another kind of colour than the image, counts as none.
    """
    srgb = ImageCms.createProfile("sRGB")
    if mode == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, mode, "RGB")
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES.get(mode):
            return None
        transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode == "RGB":
        # Most profiles are sRGB by another name; rounding must not touch those pixels.
        levels = np.arange(0, 256, 15, dtype=np.uint8)
        samples = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(len(levels), -1, 3)
        moved = np.asarray(transform.apply(Image.fromarray(samples)))
        if cv2.norm(moved, samples, cv2.NORM_INF) <= 2:
            return None
    return transform


def orientation(image: Image.Image) -> object:
    """The key into UPRIGHT of an image whose pixels are loaded; before that a PNG may hide it.

    A loaded TIFF has none: Pillow has turned it.
    """
    try:
        # PngImageFile's own getexif() would load the pixels.
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001  broken EXIF is no reason to lose the picture
        return None
