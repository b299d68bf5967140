"""TFRecords of StyleGAN 1 and 2, read: raw pixels, one file for each level of detail.

Framing: TensorFlow's record_writer.h. Payload: a serialized tf.train.Example, in protobuf's wire
format, with the features `shape` and `data`.
"""

import math
import os
import re
from array import array
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import islice
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from animetools.dataset.identity import Fingerprints, fingerprints
from animetools.dataset.members import SUMMARY, Shape
from animetools.dataset.parts import lines_of, open_regular
from animetools.errors import FatalError, ItemError

HEAD, TAIL = 12, 4  # bytes around a payload: its length with a checksum, and its checksum
LONGEST_RECORD = 1 << 28  # bytes
MOST_FIELDS = 1000  # of a message
MOST_DAMAGED = 100  # records before the first that is an image
CASTAGNOLI = 0x82F63B78  # the polynomial of CRC32C, the lowest power last

Message = memoryview


class TFRecordReader:
    """The images of a .tfrecords file, or of the largest in a folder of them; see Reader.

    Memory: 16 bytes an image.

    Raises FatalError if it is malformed or truncated.
    """

    def __init__(self, path: str) -> None:
        self.path = _largest(path) if os.path.isdir(path) else path
        try:
            self.descriptor = open_regular(self.path)
            finalize(self, os.close, self.descriptor)
            summary = os.path.join(os.path.dirname(self.path), SUMMARY)
            self.mtime = os.stat(summary if os.path.exists(summary) else self.path).st_mtime_ns
            self.offsets, self.lengths = _index(self.descriptor)
        except (OSError, ValueError) as why:
            raise FatalError(f"{self.path}: not TFRecords: {why}") from None
        self.usual_length, self.usual_shape = self._usual()

    def __len__(self) -> int:
        """The number of images."""
        return len(self.offsets)

    def name(self, index: int) -> str:
        """The name of an image: its number."""
        return f"record {index}"

    def shape(self, index: int) -> Shape:
        """Channels, height and width of an image; records of one length have one shape.

        Raises ItemError if it is damaged.
        """
        if self.lengths[index] == self.usual_length:
            return self.usual_shape
        return _shape(self._planes(index))

    def pixels(self, index: int, shape: Shape) -> NDArray[np.uint8]:
        """The pixels of an image, uint8 [C, H, W].

        Raises ItemError if it is damaged or of another shape.
        """
        planes = self._planes(index)
        if planes.shape != shape:
            raise ItemError("not of the size and channels of the others")
        return planes

    def checksum(self, index: int) -> int:
        """The checksum of an image's record."""
        at = int(self.offsets[index] + self.lengths[index])
        return int.from_bytes(os.pread(self.descriptor, TAIL, at), "little")

    def fingerprints(self) -> Fingerprints:
        """A fingerprint of each image, [N]."""
        tails = (self.offsets + self.lengths).tolist()
        checks = b"".join(os.pread(self.descriptor, TAIL, at) for at in tails)
        return fingerprints(np.frombuffer(checks, "<u4"), self.lengths)

    @property
    def labels_path(self) -> str:
        """The file of its labels, which may be missing: NAME-rxx.labels."""
        return re.sub(r"(-r\d+)?(\.tfrecords)?$", "-rxx.labels", self.path, count=1)

    def labels(self) -> NDArray[np.float32] | None:
        """The label vectors [N, D] of the file beside it; None without one.

        Raises FatalError if they are malformed.
        """
        found = self._mapped_labels()
        return None if found is None else np.asarray(found, np.float32)

    def labels_found(self) -> str:
        """How many classes there are, in a phrase."""
        found = self._mapped_labels()
        if found is None or not found.shape[1]:
            return ""
        return f"labels for {found.shape[1]} classes in {os.path.basename(self.labels_path)}"

    def files(self) -> Iterator[str]:
        """Nothing: the pictures are not files."""
        return iter(())

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a text file beside it; see Reader."""
        return lines_of(os.path.dirname(self.path) or ".", name)

    def _mapped_labels(self) -> NDArray[Any] | None:
        """The labels as the file has them, in memory only as far as they are read."""
        path = self.labels_path
        try:
            os.close(open_regular(path))
            found = np.lib.format.open_memmap(path, mode="r")  # it unpickles nothing
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as why:
            raise FatalError(f"{path}: not labels: {why}") from None
        if found.ndim != 2 or len(found) != len(self) or found.dtype.kind not in "fiub":
            raise FatalError(f"{path}: not a vector of numbers for each of {len(self)} images")
        return found

    def _usual(self) -> tuple[int, Shape]:
        """The length and shape of the first record that is an image."""
        for index in range(min(len(self), MOST_DAMAGED)):
            with suppress(ItemError):
                return int(self.lengths[index]), _shape(self._planes(index))
        raise FatalError(f"{self.path}: no record in it is an image for StyleGAN")

    def _planes(self, index: int) -> NDArray[np.uint8]:
        length = int(self.lengths[index])
        record = os.pread(self.descriptor, length + TAIL, int(self.offsets[index]))
        payload, check = record[:length], record[length:]
        if len(check) < TAIL or masked_crcs(np.frombuffer(payload, np.uint8)[None])[0] != (
            int.from_bytes(check, "little")
        ):
            raise ItemError("damaged: its checksum does not agree")
        try:
            return _picture(memoryview(payload))
        except (ValueError, IndexError, KeyError) as why:
            raise ItemError(f"not an image for StyleGAN: {why}") from None


def _shape(planes: NDArray[np.uint8]) -> Shape:
    channels, height, width = planes.shape
    return channels, height, width


def masked_crcs(rows: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The masked CRC32C of each row of uint8 [N, L], L at least 4.

    The checksum of two halves is that of the second, XORed with that of the first after L / 2
    zeros, which change it linearly. So the first half of the words is changed and XORed with the
    second, until one word is left. Leading zeros change nothing.
    """
    count, length = rows.shape
    level = max(0, -(-length // 4) - 1).bit_length()
    padded = np.zeros((count, 4 << level), np.uint8)
    padded[:, padded.shape[1] - length :] = rows
    padded[:, padded.shape[1] - length :][:, :4] ^= 0xFF
    words = padded.view("<u4")
    for step in reversed(range(level)):
        half = words.shape[1] // 2
        words = _after_zeros(words[:, :half], step) ^ words[:, half:]
    crcs = ~_after_zeros(words[:, 0], 0)
    return np.asarray((crcs >> 15 | crcs << 17) + np.uint32(0xA282EAD8), np.uint32)


def _after_zeros(crcs: NDArray[np.uint32], level: int) -> NDArray[np.uint32]:
    """CRCs after 4 << level more bytes of zeros, without the inversions."""
    octets = np.ascontiguousarray(crcs, "<u4")[..., None].view(np.uint8)
    first, *others = _zeros(level)
    changed = first.take(octets[..., 0])
    for place, table in enumerate(others, 1):
        changed ^= table.take(octets[..., place])
    return np.asarray(changed, np.uint32)


@cache
def _zeros(level: int) -> NDArray[np.uint32]:
    """`_after_zeros` of each byte of a CRC [4] with each value [256], the other bytes zero."""
    octets = np.arange(256, dtype=np.uint32)
    values = np.stack([octets << 8 * place for place in range(4)]).astype(np.uint32)
    if level:
        return _after_zeros(_after_zeros(values, level - 1), level - 1)
    for _ in range(32):
        values = np.asarray(values >> 1 ^ (values & 1) * np.uint32(CASTAGNOLI), np.uint32)
    return values


def _largest(folder: str) -> str:
    """The file of the highest level of detail.

    Raises FatalError if the folder holds several datasets.
    """
    names = sorted(name for name in os.listdir(folder) if name.endswith(".tfrecords"))
    if not names:
        raise FatalError(f"{folder}: holds no TFRecords")
    levels = {name: re.fullmatch(r"(.*)-r(\d+)\.tfrecords", name) for name in names}
    if len({level[1] if level else name for name, level in levels.items()}) > 1:
        raise FatalError(f"{folder}: holds several datasets: name one of their files")
    best = max(names, key=lambda name: int(level[2]) if (level := levels[name]) else 0)
    return os.path.join(folder, best)


def _index(descriptor: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each payload begins, and its length.

    Raises ValueError.
    """
    offsets, lengths, heads = array("q"), array("q"), bytearray()
    at, end = 0, os.fstat(descriptor).st_size
    while at < end:
        head = os.pread(descriptor, HEAD, at)
        length = int.from_bytes(head[:8], "little")
        if not 0 < length <= LONGEST_RECORD:
            raise ValueError(f"no record at byte {at}")
        offsets.append(at + HEAD)
        lengths.append(length)
        heads += head
        at += HEAD + length + TAIL
    if at > end:
        raise ValueError("truncated" if offsets else "no record")
    rows = np.frombuffer(heads, np.uint8).reshape(-1, HEAD)
    wrong = masked_crcs(rows[:, :8]) != rows[:, 8:].copy().view("<u4")[:, 0]
    if wrong.any():
        raise ValueError(f"no record at byte {offsets[int(wrong.argmax())] - HEAD}")
    return np.array(offsets), np.array(lengths)


def _picture(example: Message) -> NDArray[np.uint8]:
    """The pixels of a tf.train.Example, uint8 [C, H, W].

    Raises ValueError, IndexError or KeyError if it is malformed.
    """
    features: dict[bytes, Message] = {}
    for entry in (entry for part in _parts(example, 1) for entry in _parts(part, 1)):
        key, value = (next(_parts(entry, number), Message(b"")) for number in (1, 2))
        features[bytes(key)] = value
    shape = list(islice(_integers(features[b"shape"]), 4))
    (data,) = (value for listed in _parts(features[b"data"], 1) for value in _parts(listed, 1))
    pixels = np.frombuffer(data, np.uint8)
    if len(shape) != 3 or shape[0] not in (1, 3) or not 0 < math.prod(shape) == pixels.size:
        raise ValueError(f"{pixels.size} pixels of the shape {shape}")
    return pixels.reshape(shape)


def _integers(feature: Message) -> Iterator[int]:
    """The numbers of a feature that is an Int64List, packed or not."""
    for listed in _parts(feature, 3):
        for number, value in _fields(listed):
            if number != 1:
                continue
            if isinstance(value, int):
                yield value
                continue
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                yield one


def _parts(message: Message, number: int) -> Iterator[Message]:
    """The fields of this number that are bytes or messages."""
    for found, value in _fields(message):
        if found == number and isinstance(value, memoryview):
            yield value


def _fields(message: Message) -> Iterator[tuple[int, int | Message]]:
    """The fields of a message: their numbers and values.

    Raises ValueError or IndexError if it is malformed.
    Source: protobuf's documentation, "Encoding".
    """
    at = 0
    for _ in range(MOST_FIELDS):
        if at == len(message):
            return
        key, at = _varint(message, at)
        length = {0: 0, 1: 8, 2: 0, 5: 4}[key & 7]
        value: int | Message
        if key & 7 == 0:
            value, at = _varint(message, at)
        else:
            if key & 7 == 2:
                length, at = _varint(message, at)
            if length > len(message) - at:
                raise ValueError("a truncated field")
            value = message[at : at + length]
            at += length
        yield key >> 3, value
    raise ValueError("too many fields")


def _varint(message: Message, at: int) -> tuple[int, int]:
    """The integer at a place, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("an endless integer")
