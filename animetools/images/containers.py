"""What the bytes of an image file say before anything decodes them: its format and its end."""

import re
import zlib
from collections.abc import Iterator

from animetools.errors import PassedOver

# Raster formats that Pillow decodes inside this process. Nothing that runs a program
# (EPS starts Ghostscript) and nothing that is a document.
EXTENSIONS = {
    ".apng": "PNG",
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".gif": "GIF",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
# Others may change the colours or turn the picture.
_PLAIN_CHUNKS = {b"IHDR", b"IDAT", b"IEND", b"pHYs", b"tIME", b"sRGB"}

MAX_PIXELS = 178_000_000  # what is decoded unless a person asks for more
HEAD_BYTES = 64  # enough for every signature below

_SIGNATURES = {
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    # "BM" alone begins many a text: the size of the second header must be a known one too.
    "BMP": re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
    "AVIF": re.compile(rb"....ftyp(avi[fs]|m(if|sf)1.{,48}avi[fs])", re.DOTALL),
}
_JPEG_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # neither stuffing nor restart


class Fault(Exception):  # noqa: N818  a finding; files.py tells it to the user
    """The file is not whole; the message says how, in one sentence with the format's name."""


def format_by_name(path: str) -> str | None:
    """The format that the file's extension claims."""
    dot = path.rfind(".")
    return EXTENSIONS.get(path[dot:].lower()) if dot > path.rfind("/") else None


def format_by_content(head: bytes) -> str | None:
    """The format whose signature the first HEAD_BYTES bytes carry."""
    for name, signature in _SIGNATURES.items():
        if signature.match(head):
            return name
    return None


def recognise(path: str, head: bytes) -> str | None:
    """The format of a file by its content; None where only its name says that it is an image.

    Raises PassedOver for a file that is no image, neither by name nor by content.
    """
    found = format_by_content(head)
    if found is None and format_by_name(path) is None:
        raise PassedOver("no image by name or content")
    return found


def check_whole(data: bytes, image_format: str) -> None:
    """Hold the file to its own structure: nothing missing, no wrong checksum, nothing after the end.

    A JPEG may be followed by the further JPEGs that its MPF segment announces (phones put previews
    and gain maps there), padded with zeros. A TIFF has no end; whether it decodes is all there is.
    Damage inside the compressed data of JPEG, WebP, GIF and AVIF has no checksum and is not found.

    Raises Fault.
    """
    try:
        match image_format:
            case "PNG":
                end = _end_of_png(data)
            case "JPEG":
                end = _end_of_jpegs(data)
            case "GIF":
                end = _end_of_gif(data)
            case "WEBP":
                size = 8 + int.from_bytes(data[4:8], "little")
                end = size + size % 2
            case "BMP":
                # Some writers leave the field zero.
                end = int.from_bytes(data[2:6], "little") or len(data)
            case "AVIF":
                end = _end_of_boxes(data)
            case _:
                end = len(data)
    except IndexError:
        end = len(data) + 1
    if end > len(data):
        raise Fault(f"truncated {image_format}")
    if end < len(data):
        raise Fault(f"{len(data) - end} bytes after the end of the {image_format}")


def is_plain_png(data: bytes) -> bool:
    """Whether a PNG file is whole and just 8-bit RGB: no profile, orientation or transparency."""
    try:
        kinds = {kind for kind, _ in _chunks_of_png(data)}
    except (Fault, IndexError):
        return False
    return data[24:26] == b"\x08\x02" and kinds <= _PLAIN_CHUNKS


def _end_of_png(data: bytes) -> int:
    *_, (_, end) = _chunks_of_png(data)
    return end


def _chunks_of_png(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The kind and the end of each chunk.

    Raises Fault for a wrong checksum and IndexError where the file ends too early.
    """
    view = memoryview(data)
    position, kind = 8, b""
    while kind != b"IEND":
        length = int.from_bytes(view[position : position + 4])
        kind = bytes(view[position + 4 : position + 8])
        body_end = position + 8 + length
        if body_end + 4 > len(data):
            raise IndexError
        checksum = int.from_bytes(view[body_end : body_end + 4])
        if zlib.crc32(view[position + 4 : body_end]) != checksum:
            raise Fault(f"PNG with a wrong checksum in its {kind.decode('latin-1')!r} chunk")
        position = body_end + 4
        yield kind, position


def _end_of_jpegs(data: bytes) -> int:
    end, has_more = _end_of_jpeg(data, 0)
    while has_more:
        start = data.find(b"\xff\xd8\xff", end)
        if start < 0 or data[end:start].strip(b"\0"):
            break
        end = _end_of_jpeg(data, start)[0]
    if has_more and not data[end:].strip(b"\0"):
        end = len(data)
    return end


def _end_of_jpeg(data: bytes, start: int) -> tuple[int, bool]:
    """Where the JPEG ends that begins at start, and whether an MPF segment announces others."""
    position, has_more = start + 2, False
    while True:
        while data[position] == 0xFF and data[position + 1] == 0xFF:
            position += 1  # fill bytes are legal before a marker
        if data[position] != 0xFF:
            raise Fault(f"JPEG without a marker at byte {position}")
        marker = data[position + 1]
        position += 2
        if marker == 0xD9:
            return position, has_more
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        length = data[position] << 8 | data[position + 1]
        if marker == 0xE2 and data[position + 2 : position + 6] == b"MPF\0":
            has_more = True
        position += length
        if marker == 0xDA:
            following = _JPEG_MARKER_AFTER_SCAN.search(data, position)
            if following is None:
                raise IndexError
            position = following.start()


def _end_of_gif(data: bytes) -> int:
    def after_table(flags: int, position: int) -> int:
        return position + 3 * (2 << (flags & 7)) if flags & 0x80 else position

    position = after_table(data[10], 13)
    while (kind := data[position]) != 0x3B:
        if kind == 0x2C:
            position = after_table(data[position + 9], position + 10) + 1
        elif kind == 0x21:
            position += 2
        else:
            raise Fault(f"GIF without a block at byte {position}")
        while size := data[position]:
            position += size + 1
        position += 1
    return position + 1


def _end_of_boxes(data: bytes) -> int:
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4])
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16])
        if size == 0:  # the last box may reach to the end
            return len(data)
        if size < 8:
            raise Fault(f"AVIF without a box at byte {position}")
        position += size
    return position
