"""Walk a JPEG's segments, and check whether its scans are complete if its end is missing."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_AFTER_SCAN = re.compile(
    rb"\xff[^\x00\xd0-\xd7\xff]"
)  # neither a stuffed byte nor a restart marker
_FURTHER = re.compile(rb"\0*\xff\xd8\xff")
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_BETWEEN_SCANS = {0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}
_MOST_DOUBTS = 4  # checks of scans per file; each takes a few decodings
# Where data is missing, libjpeg reads zeros. These bits begin differently, and continue after every
# restart marker that it may wait for.
_BITS = [bytes((at * 167 + first) % 255 for at in range(4096)) for first in (254, 170, 85)]
_RESTARTS = [bytes([0xFF, 0xD0 + n % 8]) for n in range(16)]
_OTHER_BITS = [bits + b"".join(mark + bits[:64] for mark in _RESTARTS) for bits in _BITS]


class Incomplete(Exception):  # noqa: N818  ends.py turns it into Damaged
    """The JPEG has lost pixels."""


@dataclass
class Headers:
    """What a JPEG's headers say."""

    coding: int = 0  # the second byte of the frame header's marker
    bits: int = 8
    missing: dict[tuple[int, int], int] = field(default_factory=dict)  # see scan()
    has_more: bool = False  # an MPF segment announces further JPEGs

    def take(self, marker: int, body: bytes) -> None:
        """Read one segment.

        Raises IndexError if it is truncated.
        """
        if marker in _FRAMES:
            self.coding, self.bits = marker, body[0]
            places = 64 if marker in _PROGRESSIVE else 1
            self.missing = {(body[6 + 3 * n], k): 16 for n in range(body[5]) for k in range(places)}
        elif marker == 0xE2 and body.startswith(b"MPF\0"):
            self.has_more = True
        elif marker == 0xDA:
            self._scan(body)

    def _scan(self, body: bytes) -> None:
        """Note for each coefficient how many low bits the scans so far have left out.

        Source: ITU-T T.81, section B.2.3 (Ss, Se, Al).
        """
        count = body[0]
        first, last, bits = body[1 + 2 * count : 4 + 2 * count]
        if self.coding not in _PROGRESSIVE:
            first, last, bits = 0, 0, 0
        for component in body[1 : 1 + 2 * count : 2]:
            for place in range(first, min(last, 63) + 1):
                self.missing[component, place] = bits & 15


def after_end(count: int) -> str:
    """A message about bytes after a file's end."""
    return f"{count} byte{'s' if count > 1 else ''} after the end"


def unusual_coding(data: bytes) -> str | None:
    """The kind of JPEG, if decoders may not support it; None for the usual ones.

    Source: ITU-T T.81, table B.1; T.87 for JPEG-LS.
    """
    headers = Headers()
    with suppress(Incomplete):
        _walk(data, 0, headers, None)
    if headers.coding == 0xF7:
        return "JPEG-LS"
    if headers.coding >= 0xC9:
        return "arithmetic-coded JPEG"
    if headers.coding in (0xC3, 0xC7):
        return "lossless JPEG"
    if headers.coding in (0xC5, 0xC6):
        return "hierarchical JPEG"
    return f"{headers.bits}-bit JPEG" if headers.bits > 8 else None


def complete_jpeg(data: bytes, max_pixels: int) -> tuple[bytes, str]:
    """The JPEG as a decoder needs it, and how the file deviates from its format, or "".

    A file without its end is complete if its scans have every pixel. Further JPEGs may follow if its
    MPF segment announces them (phones put previews and gain maps there).

    Raises Incomplete.
    """
    headers = Headers()
    end, deviation = _walk(data, 0, headers, max_pixels)
    if not data.startswith(_END, end - 2):
        if any(headers.missing.values()) or not _is_complete(data[:end], max_pixels):
            raise Incomplete
        return data[:end] + _END, "JPEG without its end"
    after = end
    while headers.has_more and (further := _FURTHER.match(data, after)):
        after = further.end()
        with suppress(Incomplete):
            after, _ = _walk(data, after - 3, Headers(), None)
    if headers.has_more and not data[after:].strip(b"\0"):
        after = len(data)
    if after < len(data):
        deviation = deviation or f"{after_end(len(data) - after)} of the JPEG"
    return data[:after], deviation


def _walk(data: bytes, start: int, headers: Headers, max_pixels: int | None) -> tuple[int, str]:
    """Where the JPEG that begins at start ends, or its last scan if the end is missing; a deviation.

    Raises Incomplete if it has no complete scan and, unless max_pixels is None, if an incomplete scan
    is followed by something that does not belong there.
    """
    position, scan_end, doubts, deviation = start + 2, 0, 0, ""
    while True:
        in_scan = position == scan_end
        found = (_MARKER_AFTER_SCAN if in_scan else _MARKER).search(data, position)
        at = found.start() if found else len(data)
        if in_scan:
            scan_end = at
        elif data[position:at].strip(b"\xff"):
            if scan_end and max_pixels is not None:
                doubts += 1
                if doubts > _MOST_DOUBTS or not _is_complete(data[:scan_end], max_pixels):
                    raise Incomplete
            deviation = f"stray bytes between the segments of the JPEG, from byte {position}"
        marker = data[at + 1] if found else 0
        if marker == 0xD9:
            return at + 2, deviation
        if not scan_end and (marker == 1 or 0xD0 <= marker <= 0xD8):
            position = at + 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end > len(data) or (scan_end and marker not in _BETWEEN_SCANS):
            if not scan_end:
                raise Incomplete
            return scan_end, deviation
        try:
            headers.take(marker, data[at + 4 : end])
        except (IndexError, ValueError):
            raise Incomplete from None
        position = end
        if marker == 0xDA:
            scan_end = end


def _is_complete(data: bytes, max_pixels: int) -> bool:
    """Whether the last scan, at the end of the data, has every pixel.

    Zeros at the end may come from a broken transfer, or belong to the picture.
    """
    bare = data.rstrip(b"\0")
    if len(data) - len(bare) < 2:
        return _has_enough(data, max_pixels)
    if bare.endswith(b"\xff"):
        bare += b"\0"
    if _has_enough(bare, max_pixels):
        return True
    return _has_enough(data, max_pixels) and not _has_enough(data[:-1], max_pixels)


def _has_enough(data: bytes, max_pixels: int) -> bool:
    """Whether the pixels stay the same whatever bits follow the data.

    A file that cannot be decoded at all counts as complete here; decoding it will fail later.
    """
    data = data.rstrip(b"\xff")
    shown: NDArray[np.uint8] | None = None
    try:
        for rest in (b"", *_OTHER_BITS):
            with JpegImageFile(BytesIO(data + rest + _END)) as image:
                if image.width * image.height > max_pixels:
                    return True
                image.load()
                pixels = np.asarray(image)
            if shown is not None and not np.array_equal(shown, pixels):
                return False
            shown = pixels
    except Exception:  # noqa: BLE001  Pillow raises nearly every type
        return True
    return True
