"""Check image files' structure: lost pixels, or only deviations from the format."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from animetools.images.containers import MAX_PIXELS
from animetools.images.formats.png import chunk
from animetools.images.formats.scans import Incomplete, after_end, complete_jpeg

_IMAGE_CHUNKS = (b"VP8 ", b"VP8L", b"ANMF", b"ALPH")  # of WebP
# Boxes of ISO media and JPEG XL: those needed for the pixels, and others of the top level.
_PIXEL_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"JXL ", b"jxlc", b"jxlp")
_OTHER_BOXES = (b"free", b"skip", b"uuid", b"jxll", b"jbrd", b"brob", b"Exif", b"xml ", b"jumb")
_PLAIN_CHUNKS = {b"IHDR", b"IDAT", b"IEND", b"pHYs", b"tIME", b"sRGB", b"tEXt", b"zTXt", b"iTXt"}
_COUNTING_CHUNKS = {
    b"tRNS",
    b"acTL",
    b"fcTL",
    b"fdAT",
}  # they affect pixels, though a decoder may skip them
_NEEDED_CHUNKS = {b"IHDR", b"IDAT", b"IEND"}
_ZEROS = re.compile(rb"\0*")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's color types
# Source: PNG third edition, section 8.1: left, top, and the steps across and down of each pass.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # fmt: skip
_MOST_BYTES = 1 << 33  # decompressed at most, to see whether a PNG has all its rows


class Damaged(Exception):  # noqa: N818  opening.py turns it into an ImageError
    """The file has lost pixels; the message says how, in one sentence with the format's name."""


@dataclass(frozen=True)
class Intact:
    """A file that has all its pixels.

    data: the file as its decoder wants it; deviation: how the file deviates from its format, or "";
    is_plain: a PNG of 8-bit RGB without profile, orientation or transparency, and with no other
    chunks in `data` than it needs.
    """

    data: bytes
    deviation: str = ""
    is_plain: bool = False


def examine(data: bytes, image_format: str, max_pixels: int = MAX_PIXELS) -> Intact:
    """Check an image file's structure.

    Deviations that cost no pixel are accepted and named: bytes after the end, a missing end marker
    after complete data, a wrong checksum in a text. A TIFF has no end marker; only decoding can tell.
    JPEG, WebP, GIF and AVIF have no checksums, so damage inside their compressed data is not found.
    The scans of images larger than max_pixels are not checked.

    Raises Damaged.
    """
    try:
        match image_format:
            case "PNG":
                return _png(data)
            case "JPEG":
                return Intact(*complete_jpeg(data, max_pixels))
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
                return Intact(data)
    except (IndexError, Incomplete):
        raise Damaged(f"truncated {image_format}") from None


def _ended(data: bytes, end: int, image_format: str) -> Intact:
    """A file whose last part ends at byte `end`."""
    if end > len(data):
        raise IndexError
    if end == len(data):
        return Intact(data)
    return Intact(data[:end], f"{after_end(len(data) - end)} of the {image_format}")


def _png(data: bytes) -> Intact:
    """Chunks without pixels and with a wrong checksum are left out, as libpng does."""
    chunks: list[tuple[bytes, int, int]] = []  # kind, start and end of the chunks to keep
    deviation, kind, end = "", b"", 8
    for kind, start, end, is_right in _chunks(memoryview(data)):
        if is_right:
            chunks.append((kind, start, end))
            continue
        deviation = f"PNG with a wrong checksum in its {kind.decode('latin-1')!r} chunk"
        if kind in _COUNTING_CHUNKS or (not kind[0] & 0x20 and kind != b"IEND"):
            raise Damaged(deviation)
    kinds = {kind for kind, _, _ in chunks}
    is_plain = data[24:26] == b"\x08\x02" and kinds <= _PLAIN_CHUNKS
    if kind != b"IEND":
        return Intact(_with_end(data, chunks, end), "PNG without its end", is_plain)
    if not deviation and end < len(data):
        deviation = f"{after_end(len(data) - end)} of the PNG"
    if is_plain and kinds != _NEEDED_CHUNKS:  # libpng prints warnings about others to the terminal
        chunks = [part for part in chunks if part[0] in _NEEDED_CHUNKS]
    elif not deviation:
        return Intact(data, "", is_plain)
    kept = [data[start:end] for kind, start, end in chunks if kind != b"IEND"]
    return Intact(b"".join((data[:8], *kept, chunk(b"IEND", b""))), deviation, is_plain)


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
    """A PNG that ends after these chunks, perhaps with a part of its last pixels.

    Raises IndexError if rows are missing, in any frame of an animation.
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
    """Whether an animated PNG has as many frames as it says, and all rows of the last."""
    announced = next(int.from_bytes(body[:4]) for kind, body in parts if kind == b"acTL")
    headers = [at for at, (kind, _) in enumerate(parts) if kind == b"fcTL"]
    if not headers or len(headers) < announced:
        return False
    last = parts[headers[-1] :]
    pixels = [body[4 * (kind == b"fdAT") :] for kind, body in last if kind in (b"IDAT", b"fdAT")]
    return _has_all_rows(data, bytes(last[0][1][4:12]), pixels)


def _has_all_rows(data: bytes, size: bytes, pixels: list[memoryview]) -> bool:
    """Whether a PNG's compressed data has all pixels of a picture of this size."""
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


def _gif(data: bytes) -> Intact:
    """Every frame of an animation must be complete; a missing part without pixels is accepted."""
    deviation, pictures = "", 0
    position = _after_table(data[10], 13)
    while position < len(data) and (kind := data[position]) != 0x3B:
        start = position
        if kind == 0x2C:
            position = _after_table(data[position + 9], position + 10) + 1
        elif kind == 0x21:
            position += 2
        elif kind == 0:
            deviation = (
                deviation or f"stray bytes between the blocks of the GIF, from byte {position}"
            )
            position = _not_zero(data, position)
            if (
                position == len(data) and pictures > 1
            ):  # the decoder will show whether the first one is complete
                raise IndexError
            continue
        elif pictures:
            break
        else:
            raise Damaged(f"GIF without a block at byte {position}")
        try:
            while size := data[position]:
                position += size + 1
        except IndexError:
            if kind == 0x2C or not pictures:
                raise
            position = start  # only a comment is cut off
            break
        position += 1
        pictures += kind == 0x2C
    if not pictures:
        raise IndexError
    if data[position : position + 1] != b"\x3b":
        return Intact(data[:position] + b"\x3b", "GIF without its end")
    return Intact(data, deviation or _ended(data, position + 1, "GIF").deviation)


def _not_zero(data: bytes, position: int) -> int:
    """The position of the next nonzero byte."""
    found = _ZEROS.match(data, position)
    return found.end() if found else position


def _after_table(flags: int, position: int) -> int:
    """The position after a GIF's color table, if these flags announce one."""
    return position + 3 * (2 << (flags & 7)) if flags & 0x80 else position


def _webp(data: bytes) -> Intact:
    """The last chunk may be missing if it has no pixels; RIFF's size is corrected then."""
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
        if data[12:16] == b"VP8X" and data[20] & 2:  # an animation: more frames may follow
            raise IndexError
    if not has_picture:
        raise IndexError
    body = data[8:position].ljust(position - 8, b"\0")
    return Intact(b"RIFF" + len(body).to_bytes(4, "little") + body, "WEBP without its end")


def _bmp(data: bytes) -> Intact:
    """The size in the header is often wrong; the end of the pixels is computed where possible."""
    said = int.from_bytes(data[2:6], "little")  # some programs leave it zero
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
    if compression not in (0, 3, 6):  # compressed: the size cannot be computed
        if said > len(data) and not data.rstrip(b"\0").endswith(b"\0\1"):  # the end of a bitmap
            raise IndexError
        return _ended(data, min(said, len(data)) or len(data), "BMP")
    row = (width * bits + 31) // 32 * 4
    end = start + row * abs(height)
    padding = row - (width * bits + 7) // 8
    if end - padding > len(data):
        raise IndexError
    if end > len(data):
        return Intact(data.ljust(end, b"\0"), "BMP without its last bytes")
    if said > len(data):
        return Intact(data, f"BMP of {len(data)} bytes that says it has {said}")
    return _ended(data, said if said >= end else len(data), "BMP")


def _boxes(data: bytes, image_format: str) -> Intact:
    """Check the boxes of the top level; anything may follow those with pixels."""
    position, has_pixels = 0, False
    while position < len(data):
        size = int.from_bytes(data[position : position + 4])
        kind = data[position + 4 : position + 8]
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16])
        if (
            size == 0 and kind in _PIXEL_BOXES + _OTHER_BOXES
        ):  # the last box may extend to the end of the file
            return Intact(data)
        if size < 8 or position + size > len(data):
            if kind in _PIXEL_BOXES or not has_pixels:
                raise IndexError
            return _ended(data, position, image_format)
        has_pixels = has_pixels or kind in (b"mdat", b"jxlc", b"jxlp")
        position += size
    return Intact(data)
