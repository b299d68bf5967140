"""StyleGAN2-ADA zips: images stored without compression, of any number and size.

Format: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64). Python's zipfile keeps an object per
member and cannot continue an archive that has no directory yet; both matter here.
"""

import os
import shutil
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from struct import error
from typing import BinaryIO
from weakref import finalize

import numpy as np

from animetools import atomic
from animetools.dataset.identity import Fingerprints, fingerprints
from animetools.dataset.labels import labels_found, labels_of
from animetools.dataset.members import (
    LONGEST_FILE,
    LONGEST_LINE,
    METADATA,
    SUMMARY,
    TEXTS,
    Member,
    is_image_name,
)
from animetools.dataset.parts import COPIED, Texts, added_name, hand_over
from animetools.dataset.pictures import ImageFiles, Labels
from animetools.dataset.zip_records import (
    CENTRAL,
    END,
    LOCAL,
    base_of,
    central_header,
    ending,
    find_directory,
    local_header,
    widened,
)
from animetools.errors import FatalError, ItemError


class ZipWriter:
    """A zip, or what is added to the one that is `grown`; see Writer.

    What is added has a directory of all members. It comes behind the old end: the old directory
    stays where it was, unused, and no image is copied.

    Raises FatalError if a file in that zip is compressed.
    """

    def __init__(self, path: str, grown: "ZipReader | None" = None) -> None:
        if grown and grown.compressed:  # the new directory would say that it is not
            raise FatalError(
                f"{path}: {grown.compressed}, which was added to it, is compressed: zip it with -0"
            )
        self.path = path
        self.grown = grown
        self.base = os.path.getsize(path) if grown else 0  # where the part will begin in the zip
        self.name = atomic.part_name(path)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.file = os.fdopen(atomic.claim(self.name), "r+b")
        self.end = os.fstat(self.file.fileno()).st_size

    def append(self, name: str, data: bytes) -> Member:
        """Add a member."""
        member = Member(name, self.end, len(data), zlib.crc32(data))
        self.file.seek(self.end)  # a failed write may have left it anywhere
        self._write(local_header(member) + data)
        self.file.flush()
        return member

    def holds(self, member: Member) -> bool:
        """Whether a member is complete."""
        header = local_header(member)
        self.file.seek(member.offset)
        if self.file.read(len(header)) != header:
            return False
        data = self.file.read(member.length)
        return len(data) == member.length and zlib.crc32(data) == member.crc

    def cut(self, last: Member | None) -> None:
        """Remove all that comes after a member; after None: everything."""
        self.end = last.offset + len(local_header(last)) + last.length if last else 0
        self.file.truncate(self.end)

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        os.fdatasync(self.file.fileno())

    def finish(
        self,
        members: Iterable[Member],
        texts: Texts,
        mtime: int,
    ) -> None:
        """Add text files, each of its lines, and the directory; rename it, or join it; see Writer."""
        added = [self._append_text(name, lines) for name, lines in texts.items()]
        begin, count = self.end, 0
        moved = (
            replace(member, offset=self.base + member.offset) for member in chain(members, added)
        )
        for member in chain(self.grown.members() if self.grown else (), moved):
            self._write(central_header(member))
            count += 1
        self._write(ending(self.base + begin, self.end - begin, count))
        self.file.flush()
        os.utime(self.file.fileno(), ns=(mtime, mtime))
        os.fsync(self.file.fileno())
        if self.grown:
            hand_over(self.name, self.path)
            join(self.path)
        else:
            os.replace(self.name, self.path)
        self.file.close()

    def close(self) -> None:
        """Leave it for the next run; an empty one is removed."""
        if not self.file.closed:
            if self.end == 0:
                os.unlink(self.name)
            with suppress(OSError):  # close() flushes, and the disk may be full
                self.file.close()

    def _append_text(self, name: str, lines: Callable[[], Iterable[bytes]]) -> Member:
        member, begin, is_written = Member(name, self.end, 0, 0), self.end, False
        while not is_written:  # again where it is so long that its header is a longer one
            header, crc, self.end = local_header(member), 0, begin
            self.file.seek(begin)
            self._write(header)
            for line in lines():
                crc = zlib.crc32(line, crc)
                self._write(line)
            member = Member(name, begin, self.end - begin - len(header), crc)
            self.file.seek(begin)
            is_written = self.file.write(local_header(member)) == len(header)
        self.file.seek(self.end)
        return member

    def _write(self, data: bytes) -> None:
        self.file.write(data)
        self.end += len(data)


class ZipReader(ImageFiles):
    """The images of a finished zip, in the order of their names; see Reader.

    Memory: 16 bytes an image. A pickled one opens the zip again.

    Raises FatalError if it is not a zip of uncompressed images.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            finalize(self, os.close, self.descriptor)
            self.mtime = os.fstat(self.descriptor).st_mtime_ns
            self._index()
        except (OSError, error, ValueError, OverflowError) as why:
            raise FatalError(f"{path}: not a zip of images: {why}") from None

    def __reduce__(self) -> tuple[type["ZipReader"], tuple[str]]:
        """Another process opens the file for itself."""
        return (ZipReader, (self.path,))

    def __len__(self) -> int:
        """The number of images."""
        return len(self.offsets)

    def name(self, index: int) -> str:
        """The name of an image."""
        offset = int(self.offsets[index])
        with suppress(ItemError):
            return self._local(offset)[0]
        return f"the image at byte {offset}"

    def read(self, index: int) -> bytes:
        """The file of an image.

        Raises ItemError if it is damaged.
        """
        length = int(self.lengths[index])
        if length > LONGEST_FILE:
            raise ItemError("too large for an image")
        data = self.head(index, length)
        if len(data) != length or zlib.crc32(data) != self.crcs[index]:
            raise ItemError("damaged: its checksum does not agree")
        return data

    def head(self, index: int, most: int) -> bytes:
        """The first bytes of an image's file, unchecked."""
        _, begin = self._local(int(self.offsets[index]))
        return os.pread(self.descriptor, min(int(self.lengths[index]), most), begin)

    def checksum(self, index: int) -> int:
        """The checksum of an image's file."""
        return int(self.crcs[index])

    def fingerprints(self) -> Fingerprints:
        """A fingerprint of each image, [N]."""
        return fingerprints(self.crcs, self.lengths)

    def labels(self) -> Labels | None:
        """The labels of dataset.json."""
        return labels_of(self)

    def labels_found(self) -> str:
        """The labels of dataset.json, in a phrase."""
        return labels_found(self)

    def files(self) -> Iterator[str]:
        """The names of all members, images or not."""
        return (member.name for member in self._directory())

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of dataset.json or metadata.jsonl."""
        member = self.texts.get(name)
        if member:
            try:
                _, begin = self._local(member.offset)
            except ItemError as why:
                raise FatalError(f"{self.path}: {name}: {why}") from None
            with open(self.path, "rb") as file:
                file.seek(begin)
                left = member.length
                if not left:
                    yield b""
                while left > 0 and (line := file.readline(min(left, LONGEST_LINE))):
                    left -= len(line)
                    yield line

    def members(self) -> Iterator[Member]:
        """All files in it but its own texts, as the directory has them."""
        return (member for member in self._directory() if member.name not in TEXTS)

    def _index(self) -> None:
        offsets, lengths, crcs, self.texts = array("Q"), array("I"), array("I"), {}
        self.compressed = ""  # a file that is no image, and compressed
        last, in_order = "", True
        for member in self._directory():
            if is_image_name(member.name):
                offsets.append(member.offset)
                lengths.append(member.length)
                crcs.append(member.crc)
                in_order, last = in_order and last < member.name, member.name
            elif member.name in (SUMMARY, METADATA):
                self.texts[member.name] = member
        self.offsets, self.lengths, self.crcs = (np.array(a) for a in (offsets, lengths, crcs))
        if not in_order:
            names = [member.name for member in self._directory() if is_image_name(member.name)]
            order = sorted(range(len(names)), key=names.__getitem__)
            self.offsets, self.lengths, self.crcs = (
                a[order] for a in (self.offsets, self.lengths, self.crcs)
            )

    def _directory(self) -> Iterator[Member]:
        """The central directory; compressed and encrypted images are refused."""
        with open(self.path, "rb") as file:
            begin, length = find_directory(file)
            file.seek(begin)
            end = begin + length
            while file.tell() < end:
                yield self._entry(file, begin)

    def _entry(self, file: BinaryIO, directory: int) -> Member:
        fields = CENTRAL.unpack(file.read(CENTRAL.size))
        signature, _, _, flags, method, _, _, crc, stored, length, n, m, k, *_, offset = fields
        if signature != b"PK\x01\x02":
            raise ValueError("damaged directory")
        name = file.read(n).decode("utf-8", "replace")
        extra = file.read(m)
        file.seek(k, os.SEEK_CUR)
        length, stored, offset = widened(extra, length, stored, offset)
        wanted = is_image_name(name) or name in (SUMMARY, METADATA)
        if method != 0 or flags & 1 or stored != length:
            if wanted:
                raise ValueError(f"{name} is compressed or encrypted: zip it with -0")
            self.compressed = name
        if wanted and offset + length > directory:
            raise ValueError(f"{name} is not inside the zip")
        return Member(name, offset, length, crc)

    def _local(self, offset: int) -> tuple[str, int]:
        """The name in a local header, and where the data behind it begins."""
        header = os.pread(self.descriptor, LOCAL.size, offset)
        if len(header) < LOCAL.size or not header.startswith(b"PK\x03\x04"):
            raise ItemError(f"damaged: no member at {offset}")
        *_, n, m = LOCAL.unpack(header)
        name = os.pread(self.descriptor, n, offset + LOCAL.size)
        return name.decode("utf-8", "replace"), offset + LOCAL.size + n + m


def join(path: str) -> None:
    """Add to a zip what waits beside it; when this was killed, it can be done again.

    Raises FatalError if it belongs to another zip, OSError.
    """
    added = added_name(path)
    with open(added, "rb") as source, open(path, "r+b") as file:
        mtime = os.fstat(source.fileno()).st_mtime_ns
        base = base_of(source)
        file.seek(max(0, base - END.size))
        if not file.read(END.size).startswith(b"PK\5\6"):
            raise FatalError(f"{added} does not belong to this {path}: remove one of them")
        source.seek(0)
        shutil.copyfileobj(source, file, COPIED)
        file.truncate()
        file.flush()
        os.utime(file.fileno(), ns=(mtime, mtime))
        os.fsync(file.fileno())
    os.unlink(added)
