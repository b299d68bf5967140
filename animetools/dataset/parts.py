"""Datasets that are folders, while they are written and while they grow.

A new one fills as `.NAME.part` and is renamed to its path. What is added to a finished one fills the
same part, which is then renamed to `.NAME.added` and joined: a file that is there already takes the
added records behind its own, all others move to their places, dataset.json last. What is left of
`.NAME.added` says what is still to be done, so a kill in between can be made up for.
"""

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from animetools import atomic
from animetools.dataset.members import LONGEST_LINE, OURS, SUMMARY
from animetools.errors import FatalError
from animetools.names import fitted

COPIED = 1 << 20  # bytes at once
AROUND = 16  # bytes around the payload of a TFRecord
RECORDS = ".tfrecords"  # the only files that grow

Texts = Mapping[str, Callable[[], Iterable[bytes]]]


class FolderPart:
    """The part of a dataset that is a folder, locked by this process.

    Raises BlockingIOError while another process writes it, OSError if it cannot be written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = atomic.part_name(path)
        self.lock = atomic.claim(self.name, folder=True)

    def inside(self, name: str) -> str:
        """The path of a file in it."""
        return os.path.join(self.name, name)

    def clear(self) -> None:
        """Remove all that is in it."""
        for entry in os.scandir(self.name):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)

    def finish(self, texts: Texts, mtime: int, *, joins: bool) -> None:
        """Add text files, each of its lines; dataset.json takes this time in nanoseconds.

        The folder then takes its name, and the one that had it is removed; or it `joins` that.
        """
        for name, lines in texts.items():
            with open(self.inside(name), "wb") as file:
                file.writelines(lines())
        os.utime(self.inside(SUMMARY), ns=(mtime, mtime))
        for name in (*texts, "."):
            sync(self.inside(name))
        if joins:
            hand_over(self.name, self.path)
            join(self.path)
        else:
            self._replace()
        self._release()

    def close(self) -> None:
        """Leave it for the next run; an empty one is removed."""
        if self.lock >= 0:
            with suppress(OSError):
                os.rmdir(self.name)
            self._release()

    def _replace(self) -> None:
        old = atomic.part_name(self.path + ".old")
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            os.rename(self.path, old)
        os.rename(self.name, self.path)
        shutil.rmtree(old, ignore_errors=True)

    def _release(self) -> None:
        os.close(self.lock)
        self.lock = -1


def added_name(path: str) -> str:
    """Where something complete waits to be added to a finished dataset."""
    folder, name = os.path.split(path)
    return fitted(os.path.join(folder, f".{name}"), ".added")


def hand_over(part: str, path: str) -> None:
    """Let a complete part wait to be added to the dataset at a path; that is on disk then."""
    os.rename(part, added_name(path))
    sync(os.path.dirname(path) or ".")


def join(path: str) -> None:
    """Add to a folder what waits beside it; when this was killed, it can be done again.

    Raises OSError.
    """
    added, filled = added_name(path), {path}
    names = [
        os.path.relpath(os.path.join(folder, name), added)
        for folder, _, names in os.walk(added)
        for name in names
    ]
    for name in sorted(names, key=lambda name: (name == SUMMARY, name)):
        source, target = os.path.join(added, name), os.path.join(path, name)
        if name.endswith(RECORDS) and os.path.exists(target):
            _extend(target, source)
            os.unlink(source)
            continue
        if name == SUMMARY:
            for folder in filled:
                sync(folder)
        filled.add(os.path.dirname(target))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(source, target)
    sync(path)
    shutil.rmtree(added)


def _extend(target: str, source: str) -> None:
    """Write the records of a file behind those that dataset.json counts, all of one length."""
    with open(os.path.join(os.path.dirname(target), SUMMARY), "rb") as file:
        count = json.load(file)[OURS]["images"]
    with open(source, "rb") as added, open(target, "r+b") as file:
        length = int.from_bytes(added.read(8), "little") + AROUND
        added.seek(0)
        file.seek(count * length)
        shutil.copyfileobj(added, file, COPIED)
        file.flush()
        os.fsync(file.fileno())


def sync(path: str) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: str) -> int:
    """The descriptor of a file to be read; a FIFO would let us wait forever.

    Raises ValueError if it is not a regular file, OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("not a regular file")
    return descriptor


def lines_of(folder: str, name: str) -> Iterator[bytes]:
    """The lines of a text file in a folder; see Reader.lines."""
    path = os.path.join(folder, name)
    try:
        descriptor = open_regular(path)
    except FileNotFoundError:
        return
    except ValueError as why:
        raise FatalError(f"{path}: {why}") from None
    with open(descriptor, "rb") as file:
        yield file.readline(LONGEST_LINE)
        while line := file.readline(LONGEST_LINE):
            yield line
