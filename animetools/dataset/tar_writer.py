"""WebDataset, written: a folder of numbered tars, each sample whole in one of them.

Format of tar: POSIX.1-2001, pax, "ustar Interchange Format".
"""

import json
import os
import tarfile
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

from animetools.dataset.labelling import Facts
from animetools.dataset.labels import Label
from animetools.dataset.members import FILES_OF_MANY, Member
from animetools.dataset.parts import FolderPart, Texts, sync
from animetools.dataset.pictures import Reader

BLOCK = 512  # bytes
TRAILER = bytes(2 * BLOCK)  # the end of a tar
LONGEST_SHARD = 10**9  # bytes, about; what WebDataset's authors advise

_SHARD = FILES_OF_MANY["webdataset"]


def sample_name(number: int, suffix: str) -> str:
    """The name of the image of this number."""
    return f"{number:09d}{suffix}"


def notes(record: Facts, label: Label | None, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """The files beside an image: endings and contents. `record` is what is known of it.

    Its label is in .cls if it is a class number, and in .json by name where it has one.
    """
    if isinstance(label, int):
        yield ".cls", b"%d" % label
        record = record | {"label": names[label] if names else label}
    elif label is not None:
        pairs = zip(names, label, strict=True) if names else ()
        record = record | {"label": {name: one for name, one in pairs if one} if names else label}
    if isinstance(text := record.get("text"), str):
        yield ".txt", text.encode(errors="replace")
    yield ".json", json.dumps(record, sort_keys=True).encode()


class TarWriter:
    """A folder of tars, or what is added to the one that is `grown`; see Writer.

    A sample begins a new tar where the last has `most_bytes` or `most_images`. The offsets of
    members count through all tars of the part, as if they were one file.
    """

    def __init__(
        self,
        path: str,
        grown: Reader | None = None,
        *,
        most_bytes: int | None = None,
        most_images: int | None = None,
    ) -> None:
        self.part = FolderPart(path)
        self.grown = grown
        self.most_bytes = most_bytes or LONGEST_SHARD
        self.most_images = most_images
        self.stem, self.first = os.path.basename(path), 0  # number of the first tar in the part
        if grown and (last := _SHARD.fullmatch(max(_shards_in(grown.path), default=""))):
            self.stem, self.first = last[1], int(last[2]) + 1
        self.file: BinaryIO | None = None  # the last tar
        self.ends: list[int] = []  # of all tars, in bytes from the beginning of the first
        for _ in _shards_in(self.part.name):
            self.ends.append(self._begin + os.path.getsize(self._shard(len(self.ends))))
        if self.ends:
            self.file = self._opened(len(self.ends) - 1)
        self.key = ""  # of the last sample
        self.unsynced: list[str] = []  # tars that are complete, but perhaps not on the disk yet

    def append(self, name: str, data: bytes) -> Member:
        """Add a member."""
        key = _key(name)
        if self.file is None or (key != self.key and self._is_full(key)):
            self._begin_shard()
        assert self.file
        self.key = key
        member = Member(name, self.ends[-1], len(data), zlib.crc32(data))
        self.file.seek(self.ends[-1] - self._last_begin)  # a failed write may have left it anywhere
        self.file.write(_header(member) + data + bytes(-len(data) % BLOCK))
        self.file.flush()
        self.ends[-1] += _length(member)
        return member

    def holds(self, member: Member) -> bool:
        """Whether a member is complete."""
        number = bisect_right(self.ends, member.offset)
        if number == len(self.ends):
            return False
        with open(self._shard(number), "rb") as file:
            file.seek(member.offset - (self.ends[number - 1] if number else 0))
            if file.read(BLOCK) != _header(member):
                return False
            data = file.read(member.length)
        return len(data) == member.length and zlib.crc32(data) == member.crc

    def cut(self, last: Member | None) -> None:
        """Remove all that comes after a member; after None: everything."""
        self._close_file()
        if last is None:
            self.part.clear()
            self.ends.clear()
            self.key = ""
            return
        number = bisect_right(self.ends, last.offset)
        for later in range(number + 1, len(self.ends)):
            os.unlink(self._shard(later))
        del self.ends[number + 1 :]
        self.ends[-1] = last.offset + _length(last)
        self.file = self._opened(number)
        self.file.truncate(self.ends[-1] - self._last_begin)
        self.key = _key(last.name)

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        for path in self.unsynced:
            sync(path)
        self.unsynced.clear()
        if self.file:
            os.fdatasync(self.file.fileno())

    def finish(self, members: Iterable[Member], texts: Texts, mtime: int) -> None:
        """Add text files, and rename it, or join it; see Writer."""
        self._end_shard()
        self.sync()
        self.part.finish(texts, mtime, joins=self.grown is not None)

    def close(self) -> None:
        """Leave it for the next run; an empty one is removed."""
        self._close_file()
        self.part.close()

    @property
    def _begin(self) -> int:
        """Where the next tar begins."""
        return self.ends[-1] if self.ends else 0

    @property
    def _last_begin(self) -> int:
        """Where the last tar begins."""
        return self.ends[-2] if len(self.ends) > 1 else 0

    def _shard(self, number: int) -> str:
        return self.part.inside(f"{self.stem}-{self.first + number:06d}.tar")

    def _opened(self, number: int) -> BinaryIO:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        return os.fdopen(os.open(self._shard(number), flags, 0o666), "r+b")

    def _is_full(self, key: str) -> bool:
        """Whether the last tar takes no other sample."""
        if self.ends[-1] - self._last_begin >= self.most_bytes:
            return True
        if not self.most_images:
            return False
        assert self.file
        self.file.seek(0)
        first = _key(self.file.read(100).decode())
        return int(key) - int(first) >= self.most_images

    def _begin_shard(self) -> None:
        self._end_shard()
        self.ends.append(self._begin)
        self.file = self._opened(len(self.ends) - 1)

    def _end_shard(self) -> None:
        if self.file:
            self.file.seek(self.ends[-1] - self._last_begin)
            self.file.write(TRAILER)
            self.file.flush()
            self.ends[-1] += len(TRAILER)
            self._close_file()
            self.unsynced.append(self._shard(len(self.ends) - 1))

    def _close_file(self) -> None:
        if self.file:
            with suppress(OSError):  # close() flushes, and the disk may be full
                self.file.close()
        self.file = None


def _shards_in(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if _SHARD.fullmatch(name))


def _key(name: str) -> str:
    """What the members of a sample have in common."""
    return name.partition(".")[0]


def _length(member: Member) -> int:
    """The bytes of a member in a tar."""
    return BLOCK - -member.length // BLOCK * BLOCK


def _header(member: Member) -> bytes:
    """The header of a file of user 0 in 1970: the same images, the same bytes."""
    info = tarfile.TarInfo(member.name)
    info.size = member.length
    return info.tobuf(tarfile.USTAR_FORMAT)
