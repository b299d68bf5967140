"""Files appear whole or not at all: written as `.NAME.part` beside their name, then renamed."""

import errno
import fcntl
import os
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO

from animetools.names import beginning, fitted

_parts: set["Part"] = set()
_guard = threading.RLock()  # re-entrant: abandon() may run in a signal handler of the same thread
_leaving = False
# FAT and others have no hard links, a file has so many at most, and none leads to another disk.
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV)


class Part:
    """A file that is being written to become `path`: fill `file`, then `commit` or `drop`.

    The part is locked while its writer lives; a part that a killed process left is reused.

    Raises OSError if the folder cannot be made or written, or `path` exists and is not a regular file.
    """

    def __init__(self, path: str) -> None:
        _check_replaceable(path)
        self.path = path
        self.name = part_name(path)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        while True:
            with _guard:  # abandon() sees all our parts and no others
                if _leaving:
                    raise InterruptedError("the run is ending")
                if file := _locked(self.name):
                    self.file = file
                    _parts.add(self)
                    return
            _await_other(self.name)

    def commit(self, *, durable: bool = False) -> None:
        """Rename the part to its path; `durable` waits for the disk.

        It replaces the file that is there, or the link, but not what a link leads to.
        """
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
        """Delete the part."""
        with _guard:
            _parts.discard(self)
        with suppress(OSError):
            os.unlink(self.name)
        with suppress(OSError):  # close() flushes, and the disk may be full
            self.file.close()


def part_name(path: str) -> str:
    """The name of a file until it is complete."""
    folder, name = os.path.split(path)
    return fitted(os.path.join(folder, f".{name}"), ".part")


def claim(name: str, *, folder: bool = False) -> int:
    """Create a file or folder if it does not exist, and lock it; returns its open descriptor.

    It stays locked until the descriptor is closed or the process ends.

    Raises BlockingIOError while another process has it locked, OSError.
    """
    while True:
        if folder:
            os.makedirs(name, exist_ok=True)
        kind = os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR | os.O_CREAT
        descriptor = os.open(name, kind | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(name)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # another process has just renamed or deleted what was opened


def backup_name(path: str) -> str:
    """The name under which `replace` keeps the old file."""
    return fitted(path, "~")


def is_part(path: str) -> bool:
    """Whether a name is that of an unfinished file."""
    name = os.path.basename(path)
    return name.startswith(".") and name.endswith(".part")


def is_backup(path: str) -> bool:
    """Whether a name is that of a backup by `replace` or an editor."""
    return path.endswith("~")


@contextmanager
def writing(path: str, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block succeeds; deleted otherwise.

    It is on disk then, unless it need not be `durable`: one of very many that can be made again.
    """
    part = Part(path)
    try:
        yield part.file
    except BaseException as why:
        part.drop()
        if isinstance(why, OSError) and why.errno and not why.filename:
            why.filename = path  # errors of write() do not name the file
        raise
    part.commit(durable=durable)


def write(path: str, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path`, replacing what is there, as `writing` does."""
    with writing(path, durable=durable) as file:
        file.write(data)


def cannot_link(why: OSError) -> bool:
    """Whether making a hard link failed because there can be none, so that a copy must do."""
    return why.errno in _NO_LINKS


def replace(path: str, data: bytes | memoryview, *, backup: bool) -> None:
    """Replace the content of the file `path`, which keeps its owner and permissions.

    A symlink stays and its target is replaced. With `backup` the old file is kept as `NAME~`. If
    killed, this leaves the old file or the new one, complete; running it again does the rest.

    Raises FileExistsError if `NAME~` is another file, OSError.
    """
    path = os.path.realpath(path, strict=True)
    with writing(path) as file:
        old = os.stat(path)
        _own_as(old, file)
        file.write(data)
        if backup:
            _keep(path, old)
    _sync_folder(path)


def move(moves: Sequence[tuple[str, str]]) -> None:
    """Rename files, all or none; across file systems they are copied.

    They are moved in this order, so the last is still in its place if this is killed.

    Raises OSError, also if one of the new names is taken.
    """
    for _, new in moves:
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, f"{new} exists")
    moved = []
    try:
        for old, new in moves:
            os.makedirs(os.path.dirname(new) or ".", exist_ok=True)
            _move(old, new)
            moved.append((old, new))
    except OSError:
        for old, new in reversed(moved):
            with suppress(OSError):
                _move(new, old)
        raise


def holds(path: str, data: bytes | memoryview) -> bool:
    """Whether `path` is a regular file with exactly this content.

    Raises OSError if it does not exist or cannot be read.
    """
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size != len(data):
        return False
    with open(path, "rb") as file:
        return file.read() == data


def sweep(stems: Iterable[str]) -> None:
    """Delete parts of dead processes, of all files whose paths begin with one of these."""
    folders: dict[str, list[str]] = {}
    for stem in stems:
        folder, name = os.path.split(stem)
        folders.setdefault(folder, []).append(beginning(f".{name}"))
    for folder, names in folders.items():
        with suppress(OSError), os.scandir(folder or ".") as entries:
            for entry in entries:
                if is_part(entry.name) and entry.name.startswith(tuple(names)):
                    _remove_if_dead(entry.path)


def abandon() -> None:
    """Delete all parts of this process and create no more: the process is about to end."""
    global _leaving
    with _guard:
        _leaving = True
        for part in _parts:
            with suppress(OSError):
                os.unlink(part.name)


def _check_replaceable(path: str) -> None:
    """Raise OSError if a rename to `path` would remove a folder, a FIFO or a device."""
    with suppress(FileNotFoundError, NotADirectoryError):
        # Followed: to replace /dev/stdout, which is a link, would be as bad.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, "not a regular file, which is never overwritten", path)


def _move(path: str, target: str) -> None:
    try:
        os.rename(path, target)
    except OSError as why:
        if why.errno != errno.EXDEV:
            raise
        with open(path, "rb") as source, writing(target) as copy:
            shutil.copyfileobj(source, copy)
        shutil.copystat(path, target)
        os.unlink(path)


def _keep(path: str, status: os.stat_result) -> None:
    """Keep the file, which has this status, as `path~` too, on disk."""
    kept = backup_name(path)
    if os.path.lexists(kept):
        with open(path, "rb") as old:
            if not holds(kept, old.read()):  # otherwise a killed run made this backup
                raise FileExistsError(errno.EEXIST, "in the way of a backup: move it away", kept)
    else:
        try:
            os.link(path, kept)
        except OSError as why:
            if not cannot_link(why):
                raise
            with open(path, "rb") as old, writing(kept) as copy:
                _own_as(status, copy)
                copy.write(old.read())
    _sync_folder(path)


def _own_as(status: os.stat_result, file: BinaryIO) -> None:
    with suppress(PermissionError):  # only root may give a file away
        os.fchown(file.fileno(), status.st_uid, status.st_gid)
    os.fchmod(file.fileno(), status.st_mode & 0o777)


def _sync_folder(path: str) -> None:
    """Wait until renames in the folder of `path` are on disk."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        with suppress(OSError):  # not every file system can
            os.fsync(folder)
    finally:
        os.close(folder)


def _locked(name: str) -> BinaryIO | None:
    """The file, opened empty and locked; None while another writer has it."""
    with suppress(BlockingIOError):
        file = os.fdopen(claim(name), "wb")
        file.truncate(0)
        return file
    return None


def _await_other(name: str) -> None:
    with suppress(FileNotFoundError), open(name, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)


def _remove_if_dead(name: str) -> None:
    with suppress(OSError), open(name, "r+b") as file:  # NFS locks only what may be written
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name)
