"""File names: how long they may be, and which file or folder they stand for."""

import os
from functools import lru_cache

LONGEST_NAME = 255  # bytes, in every common file system
LONGEST_STEM = 200  # bytes kept of a name that is cut


def fitted(stem: str, suffix: str) -> str:
    """`stem` plus `suffix`; a name that would be too long is cut and gets a hash of the stem.

    The name depends on these two alone, so it is the same in every run.
    """
    name = os.path.basename(stem)
    if len(os.fsencode(name + suffix)) <= LONGEST_NAME:
        return stem + suffix
    import hashlib

    mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f"{beginning(stem)}-{mark}{suffix}"


def beginning(stem: str) -> str:
    """The part of a stem that `fitted` always keeps: all names made from it begin with this."""
    folder, name = os.path.split(stem)
    while len(os.fsencode(name)) > LONGEST_STEM:  # whole characters
        name = name[:-1]
    return os.path.join(folder, name)


def placed(path: str) -> str:
    """The absolute path of a name, with symlinks in its folder resolved."""
    folder, name = os.path.split(path)
    return os.path.join(_real(folder or "."), name)


@lru_cache(1024)
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def is_inside(path: str, folder: str) -> bool:
    """Whether `path` lies below the folder, however the two are spelled."""
    return placed(path).startswith(os.path.join(_real(folder), ""))
