"""The facts of files that commands made, found by the files' paths alone.

A plain list of paths loses the facts that --json carries. The journal of the folder in which a file
was made still has them.
"""

import json
import os
import sqlite3
from contextlib import suppress
from typing import Self
from urllib.parse import quote

from animetools.cli.item import Facts
from animetools.cli.journal import NAME

_MOST_FOLDERS = 1000  # cached
_MOST_STEPS = 4  # from a file to its source
_LONGEST = 1 << 24  # bytes of what was found of one image


class Records:
    """Reads journals, also while they are written; a file without a journal has no facts."""

    def __init__(self) -> None:
        self.folders: dict[str, str | None] = {}
        self.open: dict[str, sqlite3.Connection | None] = {}

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the journals."""
        for base in self.open.values():
            if base:
                base.close()
        self.open.clear()

    def facts(self, path: str, steps: int = _MOST_STEPS) -> Facts:
        """The facts of a file, and of those that it was made from."""
        path = os.path.realpath(path)
        folder = self._folder(os.path.dirname(path))
        base = self._journal(folder) if folder else None
        if folder is None or base is None:
            return {}
        name = path[len(folder) :].lstrip("/")
        facts: Facts = {}
        with suppress(sqlite3.Error, OSError, ValueError, TypeError, RecursionError):
            row = base.execute(
                "SELECT files.size, results, source FROM files JOIN done USING (stem)"
                " WHERE path = ?",
                [os.fsencode(name)],
            ).fetchone()
            if row and row[0] == os.stat(path).st_size:
                own = next((facts for made, _, facts in json.loads(row[1]) if made == name), None)
                if isinstance(own, dict):
                    known = self.facts(os.fsdecode(row[2]), steps - 1) if steps else {}
                    facts = known | own
        return facts

    def _folder(self, place: str) -> str | None:
        """The nearest folder above that has a journal."""
        if place not in self.folders:
            if len(self.folders) >= _MOST_FOLDERS:
                self.folders.clear()
            above = os.path.dirname(place)
            if os.path.isfile(os.path.join(place, NAME)):
                self.folders[place] = place
            else:
                self.folders[place] = None if above == place else self._folder(above)
        return self.folders[place]

    def _journal(self, folder: str) -> sqlite3.Connection | None:
        if folder not in self.open:
            if len(self.open) >= _MOST_FOLDERS:
                self.__exit__()
            # SQLite cannot create a reader's files in a folder that cannot be written.
            mode = "mode=rw" if os.access(folder, os.W_OK) else "immutable=1"
            address = f"file:{quote(os.fsencode(os.path.join(folder, NAME)))}?{mode}"
            self.open[folder] = None
            with suppress(sqlite3.Error):
                self.open[folder] = _connected(address)
        return self.open[folder]


def _connected(address: str) -> sqlite3.Connection | None:
    """A journal, which came with the images and may be a stranger's; None if it is something else."""
    base = sqlite3.connect(address, uri=True, isolation_level=None)
    base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    with suppress(sqlite3.Error):
        kinds = base.execute("SELECT type FROM sqlite_master WHERE name IN ('files', 'done')")
        if kinds.fetchall() == [("table",), ("table",)]:  # a view may compute for ever
            return base
    base.close()
    return None
