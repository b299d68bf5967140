"""Files that are whole or not there: written beside their name as `.NAME.part`, then renamed."""

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

_parts: set["Part"] = set()
_guard = threading.RLock()  # re-entrant: abandon() may run in a signal handler of the same thread
_leaving = False


class Part:
    """A file on its way to `path`: fill `file`, then `commit` or `drop`.

    A lock on the part tells a live writer from what a killed one left, which is simply reused.

    Raises OSError if the folder cannot be made or written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = part_name(path)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        while True:
            with _guard:  # so that abandon() sees every part that is ours, and no other's
                if _leaving:
                    raise InterruptedError("the run is ending")
                if file := _locked(self.name):
                    self.file = file
                    _parts.add(self)
                    return
            _await_other(self.name)

    def commit(self, *, durable: bool = False) -> None:
        """Give the part its name, over whatever had it; `durable` waits for the disk."""
        try:
            self.file.flush()
            if durable:
                os.fsync(self.file.fileno())
            os.replace(self.name, self.path)
        except BaseException:
            self.drop()
            raise
        with _guard:
            _parts.discard(self)
        self.file.close()

    def drop(self) -> None:
        """Forget the part."""
        with _guard:
            _parts.discard(self)
        with suppress(OSError):
            os.unlink(self.name)
        with suppress(OSError):  # close() flushes, and the disk may be full
            self.file.close()


def part_name(path: str) -> str:
    """Where the bytes of `path` gather until it is whole."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.part")


def is_part(path: str) -> bool:
    """Whether `path` is a file on its way, by its name."""
    name = os.path.basename(path)
    return name.startswith(".") and name.endswith(".part")


@contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """A binary file that becomes `path`, on the disk, when the block ends well, and else vanishes."""
    part = Part(path)
    try:
        yield part.file
    except BaseException as why:
        part.drop()
        if isinstance(why, OSError) and why.errno and not why.filename:
            why.filename = path  # a write does not know whose it is
        raise
    part.commit(durable=True)


def write(path: str, data: bytes) -> None:
    """Write `data` as the whole of `path`, over whatever had that name."""
    with writing(path) as file:
        file.write(data)


def sweep(stems: Iterable[str]) -> None:
    """Remove the parts of dead writers whose names begin as one of these paths does."""
    folders: dict[str, list[str]] = {}
    for stem in stems:
        folder, name = os.path.split(stem)
        folders.setdefault(folder, []).append(f".{name}")
    for folder, names in folders.items():
        with suppress(OSError), os.scandir(folder or ".") as entries:
            for entry in entries:
                if is_part(entry.name) and entry.name.startswith(tuple(names)):
                    _remove_if_dead(entry.path)


def abandon() -> None:
    """Remove every part of this process and begin no other: the process is about to die."""
    global _leaving
    with _guard:
        _leaving = True
        for part in _parts:
            with suppress(OSError):
                os.unlink(part.name)


def _locked(name: str) -> BinaryIO | None:
    """`name` opened empty and locked; None while another writer has it."""
    file = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "wb")
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), os.stat(name)):
            file.truncate(0)
            return file
    file.close()  # or the other writer has just renamed or removed what we had opened
    return None


def _await_other(name: str) -> None:
    with suppress(FileNotFoundError), open(name, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)


def _remove_if_dead(name: str) -> None:
    with suppress(OSError), open(name, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name)
