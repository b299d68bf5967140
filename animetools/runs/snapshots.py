"""The snapshots in a run's folder: files or folders called snapshot-NUMBER."""

import os
import re
import shutil

from animetools import atomic
from animetools.runs.pace import Pace

NAME = re.compile(r"snapshot-(\d{6,9}(?:\.\d{3})?)(\.pkl)?")  # of old runs without a fraction


def named(kimg: float) -> str:
    """The name of a snapshot after so many kimg; names sort as the numbers do."""
    return f"snapshot-{kimg:010.3f}.pkl"


def listed(folder: str) -> list[str]:
    """The snapshots of a run, oldest first; none if the folder does not exist.

    Where a kill came between the two renames of `replace`, the old one is listed.
    """
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError:
        return []
    kept = {name[:-1] for name in names if atomic.is_backup(name)} - names
    found = [(float(name[1]), name[0]) for name in map(NAME.fullmatch, names | kept) if name]
    paths = [os.path.join(folder, name) for _, name in sorted(found)]
    return [path if os.path.lexists(path) else atomic.backup_name(path) for path in paths]


def prune(folder: str, pace: Pace) -> None:
    """Remove old snapshots, but not the first at or after each multiple of `keep_every`."""
    reached = 0.0
    for path in listed(folder)[: -pace.keep] if pace.keep else []:
        number = NAME.match(os.path.basename(path))
        multiple = float(number[1]) // pace.keep_every if number and pace.keep_every else 0
        if multiple > reached:
            reached = multiple
        else:
            remove(path)


def remove(path: str) -> None:
    """Remove a snapshot, whole: no half of a folder is taken for one."""
    if not os.path.isdir(path):
        os.unlink(path)
        return
    gone = part_of(os.path.dirname(path))
    os.rename(path, gone)
    shutil.rmtree(gone)


def replace(part: str, path: str) -> None:
    """Rename the folder `part` to `path`, in place of what is there.

    Killed at any moment, this leaves the old or the new one, whole, for `listed` to find.
    """
    old = atomic.backup_name(path)
    if os.path.lexists(path):
        if os.path.lexists(old):
            shutil.rmtree(old)
        os.rename(path, old)
    os.rename(part, path)
    if os.path.lexists(old):
        shutil.rmtree(old)


def part_of(folder: str) -> str:
    """Where a snapshot that is a folder is written, or removed; free of what a killed run left."""
    part = os.path.join(folder, ".snapshot.part")
    if os.path.isdir(part):
        shutil.rmtree(part)
    return part
