"""TFRecords of StyleGAN 1 and 2, written: every image in a file for each level of detail.

Framing and payload: see tfrecords.py.
"""

import io
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from animetools.dataset.labelling import Labelling, Lines
from animetools.dataset.members import Member
from animetools.dataset.parts import RECORDS, FolderPart, Texts
from animetools.dataset.pictures import Reader
from animetools.dataset.tfrecords import HEAD, LONGEST_RECORD, TAIL, masked_crcs
from animetools.errors import FatalError
from animetools.images.fit import Rgb

LEAST_LEVEL = 2  # of 4x4 pixels
LABELS = "-rxx.labels"  # behind the name of the dataset


def encode_records(rgb: Rgb, quality: int | None = None) -> bytes:
    """The records of an image uint8 [N, N, 3] at all levels, the largest first; N is a power of two.

    Each level is the mean of 2x2 pixels of the one above, which is rounded only when it is written,
    as in the TensorFlow programs.
    """
    planes: NDArray[Any] = rgb.transpose(2, 0, 1)
    records = [_record(planes)]
    while planes.shape[1] > 1 << LEAST_LEVEL:
        planes = planes.astype(np.float32)
        rows = planes[:, 0::2] + planes[:, 1::2]
        planes = (rows[:, :, 0::2] + rows[:, :, 1::2]) * np.float32(0.25)
        records.append(_record(np.rint(planes).astype(np.uint8)))
    return b"".join(records)


def record_name(number: int, suffix: str) -> str:
    """The name of the image of this number, as TFRecordReader has it."""
    return f"record {number}"


def label_file(how: Labelling, names: list[str], lines: Lines, count: int) -> Iterator[bytes]:
    """The lines of a .npy with a float32 vector for each image; that of a class is one-hot."""
    labels = (label for _, label in how.entries(names, lines))
    width = len(names) or max(one + 1 if isinstance(one, int) else len(one) for one in labels)
    head = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
    np.lib.format.write_array_header_1_0(head, shape)
    yield head.getvalue()
    for _, label in how.entries(names, lines):
        vector = np.zeros(width, "<f4")
        if isinstance(label, int):
            vector[label] = 1
        else:
            vector[:] = label
        yield vector.tobytes()


class TFRecordWriter:
    """A folder with a file for each level, or what is added to the one that is `grown`; see Writer.

    All images have one size.
    """

    def __init__(self, path: str, grown: Reader | None = None) -> None:
        self.part = FolderPart(path)
        self.grown = grown
        whole = os.path.basename(grown.path) if grown else f"{os.path.basename(path)}-r00{RECORDS}"
        self.stem = re.sub(rf"-r\d+\{RECORDS}$", "", whole)
        self.count = 0  # images in the part
        self.levels: list[tuple[BinaryIO, int]] = []  # and the length of each record, largest first
        found = sorted(name for name in os.listdir(self.part.name) if name.endswith(RECORDS))
        for name in reversed(found):
            file = self._open(name)
            length = int.from_bytes(file.read(8), "little") + HEAD + TAIL
            self.levels.append((file, min(length, LONGEST_RECORD)))

    def append(self, name: str, data: bytes) -> Member:
        """Add an image as `encode_records` gives it."""
        records = list(_split(data))
        if not self.levels:
            top = LEAST_LEVEL + len(records) - 1
            self.levels = [
                (self._open(f"{self.stem}-r{top - down:02d}{RECORDS}"), len(record))
                for down, record in enumerate(records)
            ]
        for (file, length), record in zip(self.levels, records, strict=True):
            assert len(record) == length, "images of several sizes"
            file.seek(self.count * length)  # a failed write may have left it anywhere
            file.write(record)
            file.flush()
        offset = self.count * self.levels[0][1]
        self.count += 1
        return Member(name, offset, len(data), zlib.crc32(data))

    def holds(self, member: Member) -> bool:
        """Whether an image is complete at every level."""
        crc = length = 0
        for file, step in self.levels:
            file.seek(member.offset // self.levels[0][1] * step)
            record = file.read(step)
            crc, length = zlib.crc32(record, crc), length + len(record)
        return (crc, length) == (member.crc, member.length)

    def cut(self, last: Member | None) -> None:
        """Remove all that comes after an image; after None: everything."""
        self.count = last.offset // self.levels[0][1] + 1 if last else 0
        if last is None:
            self._close_files()
            self.part.clear()
        for file, length in self.levels:
            file.truncate(self.count * length)

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        for file, _ in self.levels:
            os.fdatasync(file.fileno())

    def finish(self, members: Iterable[Member], texts: Texts, mtime: int) -> None:
        """Add text files, and rename it, or join it; see Writer."""
        self._close_files()
        named = {self.stem + name if name == LABELS else name: text for name, text in texts.items()}
        self.part.finish(named, mtime, joins=self.grown is not None)

    def close(self) -> None:
        """Leave it for the next run; an empty one is removed."""
        self._close_files()
        self.part.close()

    def _open(self, name: str) -> BinaryIO:
        descriptor = os.open(self.part.inside(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        return os.fdopen(descriptor, "r+b")

    def _close_files(self) -> None:
        for file, _ in self.levels:
            with suppress(OSError):  # close() flushes, and the disk may be full
                file.close()
        self.levels.clear()


def check_size(size: int) -> None:
    """Raise FatalError if images of this side have no levels."""
    if size & (size - 1):
        raise FatalError(f"TFRecords have sizes that are powers of two, not --size {size}")


def _record(planes: NDArray[np.uint8]) -> bytes:
    """A record of the planes of an image, uint8 [C, H, W]."""
    shape = _field(3, _field(1, b"".join(map(_varint, planes.shape))))
    pixels = _field(1, _field(1, planes.tobytes()))
    payload = _field(1, _entry(b"shape", shape) + _entry(b"data", pixels))
    length = len(payload).to_bytes(8, "little")
    return length + _masked_crc(length) + payload + _masked_crc(payload)


def _split(data: bytes) -> Iterator[bytes]:
    """The records in a row of them."""
    at = 0
    while at < len(data):
        end = at + HEAD + int.from_bytes(data[at : at + 8], "little") + TAIL
        yield data[at:end]
        at = end


def _masked_crc(data: bytes) -> bytes:
    return int(masked_crcs(np.frombuffer(data, np.uint8)[None])[0]).to_bytes(4, "little")


def _entry(key: bytes, feature: bytes) -> bytes:
    """An entry of the map of features."""
    return _field(1, _field(1, key) + _field(2, feature))


def _field(number: int, data: bytes) -> bytes:
    """A field of a message that holds bytes or a message."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    digits = []
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])
