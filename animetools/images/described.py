"""Image files with a description: PNG's Description, EXIF's ImageDescription."""

import json
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image

from animetools.errors import ItemError
from animetools.images.containers import MAX_PIXELS, Format, check_side
from animetools.images.files import Pixels, encode_jpeg, encode_png
from animetools.images.formats.png import text_chunk
from animetools.images.opening import opened
from animetools.images.picture import text_in

LONGEST = 60_000  # characters: EXIF in a JPEG is limited to one segment of 64 KiB

_SIGNATURE, _HEADER = 8, 25  # bytes of a PNG's signature and IHDR chunk
_PROFILE_PIECE = 65519  # bytes of a profile that fit into a JPEG segment


def encode_described(pixels: Pixels, image_format: Format, quality: int, text: str = "") -> bytes:
    """Encode uint8 [H, W, 3] sRGB, [H, W, 4] with alpha (not for JPEG) or [H, W] grey pixels.

    `quality` is JPEG's or WebP's, 1 to 100. `text` is ASCII of at most LONGEST characters.

    Raises ItemError if the format cannot hold so large a picture.
    """
    check_side(image_format, pixels.shape[1], pixels.shape[0])
    if image_format == "png":
        data = encode_png(pixels)
        if not text:
            return data
        at = _SIGNATURE + _HEADER
        return data[:at] + text_chunk("Description", text) + data[at:]
    exif = exif_text(ExifTags.Base.ImageDescription, text) if text else b""
    if image_format == "webp":
        file = BytesIO()
        Image.fromarray(pixels).save(file, "WEBP", quality=quality, exif=exif)
        return file.getvalue()
    return add_to_jpeg(encode_jpeg(pixels, quality), exif)


def description_of(data: bytes) -> str:
    """The description in an image file, as `encode_described` writes it, or "".

    Raises ImageError.
    """
    with opened(data, MAX_PIXELS) as image:
        return text_in(image, "Description", ExifTags.Base.ImageDescription)


def facts_in(description: str) -> dict[str, Any]:
    """The facts in a description, as sggen writes it; in any other text there are none."""
    try:
        facts = json.loads(description)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def exif_text(tag: ExifTags.Base, text: str) -> bytes:
    """EXIF data with one ASCII text. Source: EXIF 2.32, section 4.6.4 (tags)."""
    exif = Image.Exif()
    exif[tag] = text
    return exif.tobytes()


def add_to_jpeg(jpeg: bytes | memoryview, exif: bytes, profile: bytes = b"") -> bytes:
    """The JPEG file with EXIF and an ICC profile added to its head, unless they are empty.

    Raises ItemError for a profile that is too long.
    Source: EXIF 2.32, section 4.5.4 (APP1); ICC.1:2022, annex B.4 (APP2).
    """
    view = memoryview(jpeg)
    at = 2  # after the start of image and JFIF's own segment, as most programs have it
    if bytes(view[2:4]) == b"\xff\xe0":
        at += 2 + int.from_bytes(view[4:6])
    pieces = [profile[n : n + _PROFILE_PIECE] for n in range(0, len(profile), _PROFILE_PIECE)]
    if len(pieces) > 255:
        raise ItemError(f"its color profile of {len(profile)} bytes does not fit into a JPEG")
    segments = [_segment(0xE1, exif)] if exif else []
    for number, piece in enumerate(pieces, start=1):
        segments.append(_segment(0xE2, b"ICC_PROFILE\0" + bytes([number, len(pieces)]) + piece))
    return b"".join((view[:at], *segments, view[at:]))


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2) + data
