"""A picture as it was listed and measured, and as an index keeps it."""

import os
from dataclasses import dataclass

from animetools.images.hashes import Fingerprint, content_digest
from animetools.images.measure import Measured


@dataclass(frozen=True)
class Listed:
    """A picture of the list: its path, its time in nanoseconds, and what was measured of it."""

    path: str
    mtime: int
    measured: Measured

    @classmethod
    def of(cls, path: str, size_and_time: tuple[int, int], measured: Measured) -> "Listed":
        """A picture that was listed with this size and time; these may have changed since."""
        size, mtime = size_and_time
        return Listed(path, mtime if size == measured.bytes else -1, measured)

    @property
    def picture(self) -> Fingerprint:
        """What duplicates of it are recognized by."""
        assert self.measured.fingerprint
        return self.measured.fingerprint

    @property
    def place(self) -> str:
        """Which file it is, whatever it is called."""
        return os.path.realpath(self.path)


@dataclass(frozen=True)
class Stored(Listed):
    """A picture in the index; `kept` is its rank in the order in which pictures were kept."""

    number: int
    kept: int | None
    real: str  # where it was, "" in a temporary index
    made: int  # digest of how it was measured

    @property
    def place(self) -> str:
        """Which file it is, or was."""
        return self.real

    @property
    def is_gone(self) -> bool:
        """Whether its file was deleted or changed, if only in its time; a temporary index says no."""
        if not self.real:
            return False
        try:
            there = os.stat(self.real)
        except OSError:
            return True
        return (there.st_size, there.st_mtime_ns) != (self.measured.bytes, self.mtime)

    @property
    def is_elsewhere(self) -> bool:
        """Whether its bytes are not in its file any more; a temporary index says no."""
        if not self.is_gone:
            return False
        try:
            if not os.path.isfile(self.real) or os.path.getsize(self.real) != self.measured.bytes:
                return True
            with open(self.real, "rb") as file:
                return content_digest(file.read()) != self.picture.content
        except OSError:
            return True

    @property
    def shown(self) -> str:
        """The path by which it was listed, if that still leads there; otherwise the whole one."""
        if not self.real or os.path.realpath(self.path) == self.real:
            return self.path
        return self.real
