"""WebDataset, read: tars whose members of one stem form a sample (7.jpg, 7.cls, 7.json).

Format of tar: POSIX.1-2001, pax, "pax Interchange Format" and "ustar Interchange Format"; GNU tar,
"Basic Tar Format". Python's tarfile keeps an object per member and takes three times as long.
"""

import os
import re
import zlib
from array import array
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

import numpy as np

from animetools.dataset.identity import Fingerprints, fingerprints
from animetools.dataset.labels import labels_found, labels_of
from animetools.dataset.members import LONGEST_FILE, SUMMARY
from animetools.dataset.parts import lines_of, open_regular
from animetools.dataset.pictures import ImageFiles, Labels
from animetools.errors import FatalError, ItemError

BLOCK = 512  # bytes; headers and data begin at multiples of it
LONGEST_HEADER = 1 << 20  # bytes; of those that give the next member a longer name or size
LONGEST_LABEL = 64  # bytes
IMAGES = frozenset({"png", "jpg", "jpeg", "webp"})
LABEL, TEXT, RECORD = "cls", "txt", "json"
NOTES = (LABEL, TEXT, RECORD)  # beside an image

_SAMPLE = re.compile(r"((?:.*/)?[^/.]+)\.([^/]*)", re.DOTALL)  # name, kind

Place = tuple[int, int]  # where in a file something begins, and its length
NOWHERE = (0, 0)


class TarReader(ImageFiles):
    """The images of a tar, or of a folder's tars in the order of their names; see Reader.

    In a tar they keep their order.

    Raises FatalError if it is not a tar, or truncated.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.shards = [path]
        if os.path.isdir(path):
            names = sorted(
                name for name in os.listdir(path) if name.endswith(".tar") and name[0] != "."
            )
            self.shards = [os.path.join(path, name) for name in names]
        self.names: list[str] = []
        places = [array("q") for _ in range(3 + 2 * len(NOTES))]
        for number, shard in enumerate(self.shards):
            before = f"{os.path.basename(shard)}/" if os.path.isdir(path) else ""
            try:
                for name, *found in _samples(shard):
                    self.names.append(before + name)
                    for column, value in zip(places, (number, *chain(*found)), strict=True):
                        column.append(value)
            except (OSError, ValueError) as why:
                raise FatalError(f"{shard}: not a tar of images: {why}") from None
        self.folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
        summary = os.path.join(self.folder, SUMMARY)
        self.mtime = os.stat(summary if os.path.exists(summary) else path).st_mtime_ns
        self.shard, self.offsets, self.lengths, *notes = map(np.array, places)
        self.notes = dict(zip(NOTES, zip(notes[::2], notes[1::2], strict=True), strict=True))

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    def name(self, index: int) -> str:
        """The name of an image."""
        return self.names[index]

    def read(self, index: int) -> bytes:
        """The file of an image.

        Raises ItemError if it is too large for one, or truncated; OSError.
        """
        if self.lengths[index] > LONGEST_FILE:
            raise ItemError("too large for an image")
        return self.head(index, LONGEST_FILE)

    def head(self, index: int, most: int) -> bytes:
        """The first bytes of an image's file."""
        length = min(int(self.lengths[index]), most)
        return self._bytes(index, int(self.offsets[index]), length)

    def checksum(self, index: int) -> int:
        """The checksum of an image's name."""
        return zlib.crc32(os.fsencode(self.names[index]))

    def fingerprints(self) -> Fingerprints:
        """A fingerprint of each image, [N]: of its name and the length of its file."""
        crcs = np.array([self.checksum(index) for index in range(len(self))])
        return fingerprints(crcs, self.lengths)

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a text file beside the tars; see Reader."""
        return lines_of(self.folder, name)

    def note(self, index: int, kind: str, most: int) -> bytes:
        """The first bytes of a file of NOTES beside an image; empty if there is none.

        Raises ItemError if it is truncated, OSError.
        """
        offsets, lengths = self.notes[kind]
        return self._bytes(index, int(offsets[index]), min(int(lengths[index]), most))

    def files(self) -> Iterator[str]:
        """The names of all files, images or not."""
        for shard in self.shards:
            before = "" if shard == self.path else f"{os.path.basename(shard)}/"
            yield from (before + name for name, _ in _members(shard))

    def labels_found(self) -> str:
        """How many images have a class, in a phrase."""
        if count := np.count_nonzero(self.notes[LABEL][1]):
            return f"labels for {count} of {len(self)} images in .{LABEL} files"
        return labels_found(self, self._own_name, self.folder)

    def labels(self) -> Labels | None:
        """The class numbers in the .cls files beside the images, or else those of dataset.json.

        Raises FatalError if an image has none, or it is not a number.
        """
        if not self.notes[LABEL][1].any():
            return labels_of(self, self._own_name, self.folder)
        found = np.empty(len(self), np.int64)
        for index in range(len(self)):
            try:
                found[index] = int(self.note(index, LABEL, LONGEST_LABEL))
            except (ValueError, OverflowError):
                raise FatalError(
                    f"{self.path}: {self.names[index]}: no class number in its .{LABEL}"
                ) from None
        return found

    def _own_name(self, index: int) -> str:
        """The name of an image in its tar, as dataset.json has it."""
        return self.names[index].rpartition(".tar/")[2]

    def _bytes(self, index: int, offset: int, length: int) -> bytes:
        # Opened for each: a set may have more shards than a process may have files.
        descriptor = os.open(self.shards[self.shard[index]], os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)
        if len(data) < length:
            raise ItemError("truncated")
        return data


def _samples(path: str) -> Iterator[tuple[str, Place, Place, Place, Place]]:
    """The name of each image, its place, and the places of its NOTES (of length 0: none).

    Members of one sample follow one another; the first of several images in one sample counts.
    """
    sample, image = "", ("", NOWHERE)
    notes = dict.fromkeys(NOTES, NOWHERE)
    for name, place in _members(path):
        match = _SAMPLE.fullmatch(name)
        if not match:
            continue
        if match[1] != sample:
            if image[0]:
                yield *image, notes[LABEL], notes[TEXT], notes[RECORD]
            sample, image = match[1], ("", NOWHERE)
            notes = dict.fromkeys(NOTES, NOWHERE)
        kind = match[2].lower()
        if kind in IMAGES and not image[0]:
            image = name, place
        elif kind in notes:
            notes[kind] = place
    if image[0]:
        yield *image, notes[LABEL], notes[TEXT], notes[RECORD]


def _members(path: str) -> Iterator[tuple[str, Place]]:
    """The files in a tar: their names and places.

    Raises ValueError, OSError.
    """
    with open(open_regular(path), "rb", buffering=0) as file:
        end = os.fstat(file.fileno()).st_size
        at, name, size = 0, b"", -1  # given by the headers before a member
        while at < end:
            header = os.pread(file.fileno(), BLOCK, at)
            if not header.strip(b"\0"):
                return
            _check_header(header, at)
            kind, at = header[156:157], at + BLOCK
            length = _number(header[124:136]) if size < 0 else size
            if kind in b"123456":
                length = 0  # links, devices and folders have no data
            if length > end - at:
                raise ValueError("truncated")
            if kind in b"Lx":
                if length > LONGEST_HEADER:
                    raise ValueError(f"a header of {length} bytes")
                name, size = _ahead(kind, os.pread(file.fileno(), length, at), name, size)
            elif kind not in b"gK":
                if kind in b"0\x007":
                    yield os.fsdecode(name or _short_name(header)), (at, length)
                name, size = b"", -1
            at += -(-length // BLOCK) * BLOCK


def _check_header(header: bytes, at: int) -> None:
    """Verify the checksum of a header: the sum of its bytes, those of the checksum as spaces.

    Raises ValueError.
    """
    unsigned = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    with suppress(ValueError):
        if len(header) == BLOCK and _number(header[148:156]) == unsigned:
            return
    raise ValueError(f"no header at byte {at}")


def _short_name(header: bytes) -> bytes:
    name, _, _ = header[:100].partition(b"\0")
    prefix = b""
    if header[257:263] == b"ustar\0":  # GNU tar has other things there
        prefix, _, _ = header[345:500].partition(b"\0")
    return prefix + b"/" + name if prefix else name


def _ahead(kind: bytes, data: bytes, name: bytes, size: int) -> tuple[bytes, int]:
    """The name and the size, or -1, that a header gives the member after it.

    Raises ValueError if it is malformed.
    """
    if kind == b"L":
        return data.rstrip(b"\0"), size
    at = 0
    while at < len(data):  # records: their length in digits, a space, KEY=VALUE and a newline
        begin = data.index(b" ", at) + 1
        end = at + int(data[at : begin - 1])
        if end <= begin:
            raise ValueError("a malformed header")
        key, _, value = data[begin : end - 1].partition(b"=")
        if key == b"path":
            name = value
        elif key == b"size":
            size = int(value)
        at = end
    return name, size


def _number(field: bytes) -> int:
    """The value of octal digits or, with the first bit set, of a big-endian integer.

    Raises ValueError if it is malformed or negative.
    """
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:])
    value = int(field.split(b"\0")[0].strip() or b"0", 8)
    if value < 0:
        raise ValueError("a negative number")
    return value
