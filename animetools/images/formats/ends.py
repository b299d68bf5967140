"""Where image files end, and what their checksums say: lost pixels, or mere slips of their writers."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from animetools.images.containers import MAX_PIXELS
from animetools.images.formats.png import chunk
from animetools.images.formats.scans import NotWhole, after_end, whole_jpeg

_IMAGE_CHUNKS = (b"VP8 ", b"VP8L", b"ANMF", b"ALPH")  # of WebP
# Boxes of ISO media and JPEG XL: those that hold the pixels, and others of the top level.
_PIXEL_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"JXL ", b"jxlc", b"jxlp")
_OTHER_BOXES = (b"free", b"skip", b"uuid", b"jxll", b"jbrd", b"brob", b"Exif", b"xml ", b"jumb")
_PLAIN_CHUNKS = {b"IHDR", b"IDAT", b"IEND", b"pHYs", b"tIME", b"sRGB", b"tEXt", b"zTXt", b"iTXt"}
_COUNTING_CHUNKS = {b"tRNS", b"acTL", b"fcTL", b"fdAT"}  # pixels, though a decoder may skip them
_NEEDED_CHUNKS = {b"IHDR", b"IDAT", b"IEND"}
_ZEROS = re.compile(rb"\0*")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's color types
# Source: PNG third edition, section 8.1: left, top, and the steps across and down of each pass.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # fmt: skip
_MOST_BYTES = 1 << 33  # that are decompressed to see whether a PNG has all its rows


class Fault(Exception):  # noqa: N818  a finding; opening.py tells it to the user
    """The file has lost pixels; the message says how, in one sentence with the format's name."""


@dataclass(frozen=True)
class Sound:
    """A file that has all its pixels.

    data: the file as its decoder wants it; lapse: how the file departs from its format, or "";
    is_plain: a PNG of 8-bit RGB without profile, orientation or transparency, and with no other
    chunks in `data` than it needs.
    """

    data: bytes
    lapse: str = ""
    is_plain: bool = False


def examine(data: bytes, image_format: str, max_pixels: int = MAX_PIXELS) -> Sound:
    """Hold an image file to its own structure.

    Lapses that cost no pixel are forgiven and named: bytes after the end, a missing end marker
    after complete data, a wrong checksum in a text. A TIFF has no end; whether it decodes is all
    there is. Damage inside the compressed data of JPEG, WebP, GIF and AVIF has no checksum and is
    not found. Larger images than max_pixels are not looked into.

    Raises Fault.
    """
    try:
        match image_format:
            case "PNG":
                return _png(data)
            case "JPEG":
                return Sound(*whole_jpeg(data, max_pixels))
            case "GIF":
                return _gif(data)
            case "WEBP":
                return _webp(data)
            case "BMP":
                return _bmp(data)
            case "AVIF" | "HEIC":
                return _boxes(data, image_format)
            case "JPEG XL" if data[:1] == b"\0":
                return _boxes(data, image_format)
            case _:
                return Sound(data)
    except (IndexError, NotWhole):
        raise Fault(f"truncated {image_format}") from None


def _ended(data: bytes, end: int, image_format: str) -> Sound:
    """A file whose last part ends there."""
    if end > len(data):
        raise IndexError
    if end == len(data):
        return Sound(data)
    return Sound(data[:end], f"{after_end(len(data) - end)} of the {image_format}")


def _png(data: bytes) -> Sound:
    """Chunks without pixels that have a wrong checksum are left out, as libpng does."""
    chunks: list[tuple[bytes, int, int]] = []  # kind, start and end of those that are right
    lapse, kind, end = "", b"", 8
    for kind, start, end, is_right in _chunks(memoryview(data)):
        if is_right:
            chunks.append((kind, start, end))
            continue
        lapse = f"PNG with a wrong checksum in its {kind.decode('latin-1')!r} chunk"
        if kind in _COUNTING_CHUNKS or (not kind[0] & 0x20 and kind != b"IEND"):
            raise Fault(lapse)
    kinds = {kind for kind, _, _ in chunks}
    is_plain = data[24:26] == b"\x08\x02" and kinds <= _PLAIN_CHUNKS
    if kind != b"IEND":
        return Sound(_with_end(data, chunks, end), "PNG without its end", is_plain)
    if not lapse and end < len(data):
        lapse = f"{after_end(len(data) - end)} of the PNG"
    if is_plain and kinds != _NEEDED_CHUNKS:  # libpng complains of others, on the terminal
        chunks = [part for part in chunks if part[0] in _NEEDED_CHUNKS]
    elif not lapse:
        return Sound(data, "", is_plain)
    kept = [data[start:end] for kind, start, end in chunks if kind != b"IEND"]
    return Sound(b"".join((data[:8], *kept, chunk(b"IEND", b""))), lapse, is_plain)


def _chunks(view: memoryview) -> Iterator[tuple[bytes, int, int, bool]]:
    """The kind, start and end of each whole chunk of a PNG, and whether its checksum is right."""
    position, kind = 8, b""
    while kind != b"IEND":
        length = int.from_bytes(view[position : position + 4])
        kind = bytes(view[position + 4 : position + 8])
        end = position + 12 + length
        if end > len(view) or not kind.isalpha():
            return
        checksum = int.from_bytes(view[end - 4 : end])
        yield kind, position, end, zlib.crc32(view[position + 4 : end - 4]) == checksum
        position = end


def _with_end(data: bytes, chunks: list[tuple[bytes, int, int]], end: int) -> bytes:
    """A PNG of which nothing follows these chunks but perhaps a part of its last pixels.

    Raises IndexError if rows are missing, of an animation in any picture.
    """
    view = memoryview(data)
    parts = [(kind, view[start + 8 : end - 4]) for kind, start, end in chunks]
    cut = view[end + 8 : end + 8 + int.from_bytes(view[end : end + 4])]
    parts += [(kind, cut) for kind in (b"IDAT", b"fdAT") if data[end + 4 : end + 8] == kind]
    kinds = [kind for kind, _ in parts]
    pixels = [body for kind, body in parts if kind == b"IDAT"]
    if not pixels or kinds[0] != b"IHDR" or not _has_all_rows(data, data[16:24], pixels):
        raise IndexError
    if b"acTL" in kinds and not _has_all_pictures(data, parts):
        raise IndexError
    kept = [data[start:end] for kind, start, end in chunks if kind != b"IDAT"]
    kept.insert(kinds.index(b"IDAT"), chunk(b"IDAT", b"".join(pixels)))
    return b"".join((data[:8], *kept, chunk(b"IEND", b"")))


def _has_all_pictures(data: bytes, parts: list[tuple[bytes, memoryview]]) -> bool:
    """Whether an animated PNG has as many pictures as it says, and all rows of the last."""
    announced = next(int.from_bytes(body[:4]) for kind, body in parts if kind == b"acTL")
    headers = [at for at, (kind, _) in enumerate(parts) if kind == b"fcTL"]
    if not headers or len(headers) < announced:
        return False
    last = parts[headers[-1] :]
    pixels = [body[4 * (kind == b"fdAT") :] for kind, body in last if kind in (b"IDAT", b"fdAT")]
    return _has_all_rows(data, bytes(last[0][1][4:12]), pixels)


def _has_all_rows(data: bytes, size: bytes, pixels: list[memoryview]) -> bool:
    """Whether the compressed pixels of a PNG are as many as a picture of this size has."""
    width, height = int.from_bytes(size[:4]), int.from_bytes(size[4:])
    bits = data[24] * _CHANNELS.get(data[25], 0)
    missing = 0
    for left, top, across, down in _ADAM7 if data[28] else ((0, 0, 1, 1),):
        columns, rows = (width - left + across - 1) // across, (height - top + down - 1) // down
        missing += rows * (1 + (columns * bits + 7) // 8) if columns > 0 < rows else 0
    if missing > _MOST_BYTES:
        return False
    inflate = zlib.decompressobj()
    try:
        for part in pixels:
            rest: bytes | memoryview = part
            while rest and missing > 0:
                missing -= len(inflate.decompress(rest, 1 << 20))
                rest = inflate.unconsumed_tail
    except zlib.error:
        return False
    return missing <= 0


def _gif(data: bytes) -> Sound:
    """Of an animation every picture must be whole, but for what cannot be seen to be missing."""
    lapse, pictures = "", 0
    position = _after_table(data[10], 13)
    while position < len(data) and (kind := data[position]) != 0x3B:
        start = position
        if kind == 0x2C:
            position = _after_table(data[position + 9], position + 10) + 1
        elif kind == 0x21:
            position += 2
        elif kind == 0:
            lapse = lapse or f"stray bytes between the blocks of the GIF, from byte {position}"
            position = _not_zero(data, position)
            if position == len(data) and pictures > 1:  # the first one shows itself if it is whole
                raise IndexError
            continue
        elif pictures:
            break
        else:
            raise Fault(f"GIF without a block at byte {position}")
        try:
            while size := data[position]:
                position += size + 1
        except IndexError:
            if kind == 0x2C or not pictures:
                raise
            position = start  # nothing but a comment is cut off
            break
        position += 1
        pictures += kind == 0x2C
    if not pictures:
        raise IndexError
    if data[position : position + 1] != b"\x3b":
        return Sound(data[:position] + b"\x3b", "GIF without its end")
    return Sound(data, lapse or _ended(data, position + 1, "GIF").lapse)


def _not_zero(data: bytes, position: int) -> int:
    """Where the next byte is that is not zero."""
    found = _ZEROS.match(data, position)
    return found.end() if found else position


def _after_table(flags: int, position: int) -> int:
    """Where a GIF's color table ends, if these flags announce one."""
    return position + 3 * (2 << (flags & 7)) if flags & 0x80 else position


def _webp(data: bytes) -> Sound:
    """A chunk at the end that has no pixels may be missing; RIFF's size is put right then."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end + end % 2 <= len(data):
        return _ended(data, end + end % 2, "WEBP")
    position, has_picture = 12, False
    while position + 8 <= len(data):
        kind = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + size > len(data):
            if kind in _IMAGE_CHUNKS or not has_picture:
                raise IndexError
            break
        has_picture = has_picture or kind in (b"VP8 ", b"VP8L", b"ANMF")
        position += 8 + size + size % 2
    else:
        if data[12:16] == b"VP8X" and data[20] & 2:  # an animation: more of its pictures may follow
            raise IndexError
    if not has_picture:
        raise IndexError
    body = data[8:position].ljust(position - 8, b"\0")
    return Sound(b"RIFF" + len(body).to_bytes(4, "little") + body, "WEBP without its end")


def _bmp(data: bytes) -> Sound:
    """The size that the header says is often wrong; where the pixels end is computed if it can be."""
    said = int.from_bytes(data[2:6], "little")  # some writers leave it zero
    start, header = (int.from_bytes(data[at : at + 4], "little") for at in (10, 14))
    if header == 12:
        width, height, _, bits = (
            int.from_bytes(data[at : at + 2], "little") for at in (18, 20, 22, 24)
        )
        compression = 0
    else:
        width, height = (
            int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22)
        )
        bits = int.from_bytes(data[28:30], "little")
        compression = int.from_bytes(data[30:34], "little")
    if compression not in (0, 3, 6):  # neither plain nor bit fields: no size can be computed
        if said > len(data) and not data.rstrip(b"\0").endswith(b"\0\1"):  # the end of a bitmap
            raise IndexError
        return _ended(data, min(said, len(data)) or len(data), "BMP")
    row = (width * bits + 31) // 32 * 4
    end = start + row * abs(height)
    padding = row - (width * bits + 7) // 8
    if end - padding > len(data):
        raise IndexError
    if end > len(data):
        return Sound(data.ljust(end, b"\0"), "BMP without its last bytes")
    if said > len(data):
        return Sound(data, f"BMP of {len(data)} bytes that says it has {said}")
    return _ended(data, said if said >= end else len(data), "BMP")


def _boxes(data: bytes, image_format: str) -> Sound:
    """The boxes of the top level; after those with pixels anything may follow."""
    position, has_pixels = 0, False
    while position < len(data):
        size = int.from_bytes(data[position : position + 4])
        kind = data[position + 4 : position + 8]
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16])
        if size == 0 and kind in _PIXEL_BOXES + _OTHER_BOXES:  # the last box may reach to the end
            return Sound(data)
        if size < 8 or position + size > len(data):
            if kind in _PIXEL_BOXES or not has_pixels:
                raise IndexError
            return _ended(data, position, image_format)
        has_pixels = has_pixels or kind in (b"mdat", b"jxlc", b"jxlp")
        position += size
    return Sound(data)
