"""The folder of a run: its lock, run.json and log."""

import json
import os
import re
from typing import Any
from weakref import finalize

from animetools import atomic
from animetools.errors import FatalError
from animetools.names import fitted

NUMBERED = re.compile(r"(\d{5,9})-.*")


class Folder:
    """A run's folder, locked: no other process trains there meanwhile."""

    def __init__(self, path: str) -> None:
        """Lock a folder, which is made if need be, and remove parts that a killed run left.

        Raises FatalError if another process has it.
        """
        os.makedirs(path, exist_ok=True)
        self.path = path
        try:
            lock = atomic.claim(os.path.join(path, ".lock"))
        except BlockingIOError:
            raise FatalError(f"{path}: another process is training there") from None
        finalize(self, os.close, lock)
        atomic.sweep([os.path.join(path, "")])

    @classmethod
    def new(cls, results: str, name: str) -> "Folder":
        """The next numbered folder below `results`."""
        while True:
            path = following(results, name)
            try:
                os.makedirs(path)
            except FileExistsError:  # another run begins in this moment
                continue
            return cls(path)

    def add(self, name: str, line: str) -> None:
        """Add a line to a file."""
        with open(os.path.join(self.path, name), "a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def record(self, settings: dict[str, Any]) -> None:
        """Write run.json."""
        text = json.dumps(settings, indent=1)
        atomic.write(os.path.join(self.path, "run.json"), text.encode() + b"\n")


def recorded(folder: str) -> dict[str, Any]:
    """The settings in a run's run.json.

    Raises OSError, ValueError if it cannot be read.
    """
    with open(os.path.join(folder, "run.json"), "rb") as file:
        run = json.load(file)
    if not isinstance(run, dict):
        raise ValueError("not a JSON object")
    return run


def numbered(results: str) -> list[tuple[int, str]]:
    """The folders of runs below `results`, with their numbers."""
    try:
        names = os.listdir(results)
    except FileNotFoundError:
        return []
    found = filter(None, map(NUMBERED.fullmatch, names))
    return [(int(name[1]), os.path.join(results, name[0])) for name in found]


def following(results: str, name: str) -> str:
    """The next folder below `results`: 00003-NAME."""
    number = max((number for number, _ in numbered(results)), default=-1) + 1
    return fitted(os.path.join(results, f"{number:05d}-{name}"), "")
