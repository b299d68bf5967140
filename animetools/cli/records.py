"""What the commands know of the files that they made, found by the files' paths alone.

A plain list of paths loses the facts that --json carries. They are in the journal of the folder that
the file was made in: nothing has to be written into the files for it, and any command may ask.
"""

import json
import os
import sqlite3
from contextlib import suppress
from typing import Self
from urllib.parse import quote

from animetools.cli.item import Facts
from animetools.cli.journal import NAME

_MOST_FOLDERS = 1000  # remembered at once
_MOST_STEPS = 4  # from a file to the one that it was made from


class Records:
    """Reads journals while they may be written; where there is none, nothing is known."""

    def __init__(self) -> None:
        self.folders: dict[str, str | None] = {}
        self.open: dict[str, sqlite3.Connection | None] = {}

    def __enter__(self) -> Self:
        """The records themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the journals."""
        for base in self.open.values():
            if base:
                base.close()
        self.open.clear()

    def facts(self, path: str, steps: int = _MOST_STEPS) -> Facts:
        """What was found out about a file, and about what it was made from, when it was made."""
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
                own = next((told for made, _, told in json.loads(row[1]) if made == name), None)
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
            # Where the folder cannot be written, SQLite could not make the files of a reader.
            mode = "mode=rw" if os.access(folder, os.W_OK) else "immutable=1"
            address = f"file:{quote(os.fsencode(os.path.join(folder, NAME)))}?{mode}"
            self.open[folder] = None
            with suppress(sqlite3.Error):
                self.open[folder] = sqlite3.connect(address, uri=True, isolation_level=None)
        return self.open[folder]
