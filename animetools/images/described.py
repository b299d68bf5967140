"""Image files that say what they are: PNG's Description, EXIF's ImageDescription."""

import zlib
from io import BytesIO
from typing import Literal

from PIL import ExifTags, Image

from animetools.images.files import Pixels, encode_jpeg, encode_png

Format = Literal["png", "jpg", "webp"]

LONGEST = 60_000  # characters: EXIF in JPEG has one segment of 64 KiB
LARGEST_SIDE = {
    "png": (1 << 31) - 1,
    "jpg": 65500,
    "webp": 16383,
}  # that the format, or libjpeg, has

_SIGNATURE, _HEADER = 8, 25  # bytes of a PNG's first two parts


def encode_described(pixels: Pixels, image_format: Format, quality: int, text: str) -> bytes:
    """The file of uint8 [H, W, 3] sRGB, [H, W, 4] with opacity (no JPEG) or [H, W] grey pixels.

    `quality` is JPEG's or WebP's, 1 to 100. `text` is ASCII of at most LONGEST characters.
    Source: PNG third edition, sections 11.3.3.2 and 11.3.3.3 (tEXt); EXIF 2.32, sections 4.5.4
    (APP1) and 4.6.4 (tags).
    """
    if image_format == "png":
        data = encode_png(pixels)
        at = _SIGNATURE + _HEADER
        return data[:at] + _chunk(b"tEXt", b"Description\0" + text.encode("ascii")) + data[at:]
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = text
    if image_format == "webp":
        file = BytesIO()
        Image.fromarray(pixels).save(file, "WEBP", quality=quality, exif=exif.tobytes())
        return file.getvalue()
    data = encode_jpeg(pixels, quality)
    at = 2  # after the start of image and JFIF's own segment, as most programs have it
    if data[2:4] == b"\xff\xe0":
        at += 2 + int.from_bytes(data[4:6])
    app1 = exif.tobytes()
    segment = b"\xff\xe1" + (len(app1) + 2).to_bytes(2) + app1
    return data[:at] + segment + data[at:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return len(data).to_bytes(4) + kind + data + check.to_bytes(4)
