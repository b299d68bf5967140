"""A dataset as a folder of files, which have the names that they have in a zip."""

import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import numpy as np

from animetools.dataset.identity import Fingerprints, fingerprints
from animetools.dataset.labels import labels_found, labels_of
from animetools.dataset.members import (
    LONGEST_FILE,
    SUMMARY,
    Member,
    is_member_name,
)
from animetools.dataset.parts import FolderPart, Texts, lines_of, sync
from animetools.dataset.pictures import ImageFiles, Labels, Reader
from animetools.errors import FatalError, ItemError
from animetools.images.containers import format_by_name


class FolderWriter:
    """A folder of image files, or what is added to the one that is `grown`; see Writer."""

    def __init__(self, path: str, grown: Reader | None = None) -> None:
        self.part = FolderPart(path)
        self.grown = grown
        self.unsynced: list[str] = []  # written, perhaps not on the disk yet

    def append(self, name: str, data: bytes) -> Member:
        """Add a file."""
        path = self.part.inside(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        self.unsynced.append(path)
        return Member(name, 0, len(data), zlib.crc32(data))

    def holds(self, member: Member) -> bool:
        """Whether a file is complete."""
        try:
            with open(self.part.inside(member.name), "rb") as file:
                data = file.read(member.length + 1)
        except OSError:
            return False
        return len(data) == member.length and zlib.crc32(data) == member.crc

    def cut(self, last: Member | None) -> None:
        """Remove all that comes after a file; after None: everything."""
        self.unsynced.clear()
        if last is None:
            self.part.clear()
            return
        for name in _names(self.part.name, is_member_name):
            if _numbered(name) > _numbered(last.name):
                os.unlink(self.part.inside(name))

    def sync(self) -> None:
        """Wait until all of it is on the disk."""
        for path in self.unsynced:
            sync(path)
        self.unsynced.clear()

    def finish(
        self,
        members: Iterable[Member],
        texts: Texts,
        mtime: int,
    ) -> None:
        """Add text files, and rename it, or join it; see Writer.

        Raises FatalError if a file of the part is missing.
        """
        for member in members:
            path = self.part.inside(member.name)
            if not os.path.exists(path) or os.path.getsize(path) != member.length:
                raise FatalError(f"{path} is missing or has changed: -f starts over")
        self.sync()
        self.part.finish(texts, mtime, joins=self.grown is not None)

    def close(self) -> None:
        """Leave it for the next run; an empty one is removed."""
        self.part.close()


class FolderReader(ImageFiles):
    """The images of a folder, at any depth, in the order of their names; see Reader.

    Raises FatalError if the folder cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.names = list(_names(path, lambda name: format_by_name(name) is not None))
            summary = os.path.join(path, SUMMARY)
            self.mtime = os.stat(summary if os.path.exists(summary) else path).st_mtime_ns
        except OSError as why:
            raise FatalError(f"{path}: {why.strerror}") from None

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    def name(self, index: int) -> str:
        """The name of an image."""
        return self.names[index]

    def read(self, index: int) -> bytes:
        """The file of an image.

        Raises ItemError if it is too large for one, or not a regular file; OSError.
        """
        data = self.head(index, LONGEST_FILE + 1)
        if len(data) > LONGEST_FILE:
            raise ItemError("too large for an image")
        return data

    def head(self, index: int, most: int) -> bytes:
        """The first bytes of an image's file.

        Raises ItemError if it is not a regular file; OSError.
        """
        path = os.path.join(self.path, self.names[index])
        # Opening a FIFO would wait forever.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ItemError("not a regular file")
            return file.read(most)

    def checksum(self, index: int) -> int:
        """The checksum of an image's name."""
        return zlib.crc32(os.fsencode(self.names[index]))

    def fingerprints(self) -> Fingerprints:
        """A fingerprint of each image, [N]: of its name and the size of its file."""
        crcs = np.array([self.checksum(index) for index in range(len(self))])
        return fingerprints(crcs, np.array([self._size(name) for name in self.names]))

    def labels(self) -> Labels | None:
        """The labels of dataset.json."""
        return labels_of(self)

    def labels_found(self) -> str:
        """The labels of dataset.json, in a phrase."""
        return labels_found(self)

    def files(self) -> Iterator[str]:
        """The names of all files, images or not."""
        return _names(self.path, lambda name: True)

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a text file; see Reader."""
        return lines_of(self.path, name)

    def _size(self, name: str) -> int:
        """The size of a file; 0 if it is missing."""
        with suppress(OSError):
            return os.stat(os.path.join(self.path, name)).st_size
        return 0


def _numbered(name: str) -> str:
    """The part of the name that an image and its sidecars share."""
    return name.partition(".")[0]


def _names(path: str, wanted: Callable[[str], bool], below: str = "") -> Iterator[str]:
    """The files below a folder, sorted, without hidden ones; one folder in memory at a time."""
    with os.scandir(os.path.join(path, below)) as entries:
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_folder in found:
        if name.startswith("."):
            continue
        if is_folder:
            yield from _names(path, wanted, os.path.join(below, name))
        elif wanted(name):
            yield os.path.join(below, name)
