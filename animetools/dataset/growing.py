"""What a killed run had ready to be added to a finished dataset is added before it is used."""

import fcntl
import os

from animetools.dataset import parts, zips
from animetools.dataset.members import SUMMARY
from animetools.errors import FatalError


def complete(path: str) -> None:
    """Join what waits beside a dataset, if anything does; a process that is at it is waited for.

    Raises FatalError if that fails.
    """
    path = os.path.realpath(path)  # it waits beside the dataset, not beside a link to it
    added = parts.added_name(path)
    try:
        lock = os.open(added, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as why:
        raise FatalError(f"{added}: {why.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.lexists(added):
            return
        is_folder = os.path.isdir(added)
        if not os.path.isfile(os.path.join(path, SUMMARY) if is_folder else path):
            raise FatalError(f"{added} was to be added to {path}, which is gone: remove it")
        (parts if is_folder else zips).join(path)
    except OSError as why:
        raise FatalError(
            f"{path}: images are still to be added to it, from {added}: {why.strerror}"
        ) from None
    finally:
        os.close(lock)
