"""What files may be called, and where a name really is."""

import os
from functools import lru_cache

LONGEST_NAME = 255  # bytes, in every common file system
LONGEST_STEM = 200  # of which so many stay where a name has to be cut


def fitted(stem: str, suffix: str) -> str:
    """`stem` plus `suffix`; the stem is cut, with a hash of it, where the name would be too long.

    Nothing but the two decides the name, so it is the same in every run.
    """
    name = os.path.basename(stem)
    if len(os.fsencode(name + suffix)) <= LONGEST_NAME:
        return stem + suffix
    import hashlib

    mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f"{beginning(stem)}-{mark}{suffix}"


def beginning(stem: str) -> str:
    """What `fitted` leaves of a stem at the least: all of its names begin so."""
    folder, name = os.path.split(stem)
    while len(os.fsencode(name)) > LONGEST_STEM:  # character by character: none is cut in two
        name = name[:-1]
    return os.path.join(folder, name)


def placed(path: str) -> str:
    """The absolute path of a name, in its folder as the file system knows it."""
    folder, name = os.path.split(path)
    return os.path.join(_real(folder or "."), name)


@lru_cache(1024)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def is_inside(path: str, folder: str) -> bool:
    """Whether the name `path` lies below the folder, however the two are spelled."""
    return placed(path).startswith(os.path.join(_real(folder), ""))
