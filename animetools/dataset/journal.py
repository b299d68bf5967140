"""What is to be packed and what is packed already, on disk: memory stays flat, a kill loses nothing."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from animetools.errors import FatalError

PAGE = 1000  # rows in memory at once
COMPUTED = ("file_name", "width", "height", "fit")  # what packing adds to a record

_TABLES = """
CREATE TABLE IF NOT EXISTS words (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS packed (
    number INTEGER PRIMARY KEY,  -- of the image in the dataset
    origin TEXT NOT NULL,        -- JSON: path, bytes, and the facts that came with it
    mtime INTEGER NOT NULL,      -- of the source, nanoseconds
    offset INTEGER NOT NULL,     -- in the dataset's file, if it is one
    length INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    record TEXT NOT NULL,        -- JSON: width, height, fit
    sidecars TEXT NOT NULL       -- JSON: [ending, offset, length, crc] of each, which lie before it
);
DROP TABLE IF EXISTS listed;
CREATE TABLE listed (
    position INTEGER PRIMARY KEY,
    origin TEXT NOT NULL,
    mtime INTEGER NOT NULL,
    trouble TEXT NOT NULL,
    number INTEGER               -- of the image that it is; -1: tried in this run and not to be had
);
"""
_NEWER = "ALTER TABLE packed ADD COLUMN sidecars TEXT NOT NULL DEFAULT '[]'"


@dataclass(frozen=True)
class Listed:
    """A source that is wanted in the dataset."""

    position: int
    origin: str
    mtime: int
    trouble: str = ""  # why it cannot even be tried

    @property
    def path(self) -> str:
        """Its file."""
        return str(json.loads(self.origin)["path"])


@dataclass(frozen=True)
class Packed:
    """An image that is in the dataset, and where."""

    number: int
    origin: str
    mtime: int
    offset: int
    length: int
    crc: int
    record: str
    sidecars: str


class Journal:
    """The journal of one dataset in the making; without a path it is of this run only.

    One process at a time (the dataset's part is locked), any of its threads.

    Raises FatalError if the file cannot be written or is damaged.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.guard = threading.Lock()
        try:
            self.base = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            # In this mode a commit is safe from kill -9 without waiting for the disk.
            self.base.execute("PRAGMA journal_mode = WAL")
            self.base.execute("PRAGMA synchronous = NORMAL")
            self.base.executescript(_TABLES)
            if "sidecars" not in {row[1] for row in self.base.execute("PRAGMA table_info(packed)")}:
                self.base.execute(_NEWER)  # an older version began it
        except sqlite3.Error as why:
            raise self._fatal(why) from None

    def word(self, name: str) -> str | None:
        """What was remembered under a name."""
        found = self._rows("SELECT value FROM words WHERE name = ?", (name,))
        return found[0][0] if found else None

    def remember(self, name: str, value: str) -> None:
        """Keep a word."""
        self._rows("INSERT OR REPLACE INTO words VALUES (?, ?)", (name, value))

    def enlist(self, entries: Iterable[Listed]) -> None:
        """Put sources at the end of the list."""
        rows = ((e.position, e.origin, e.mtime, e.trouble, None) for e in entries)
        self._many("INSERT INTO listed VALUES (?, ?, ?, ?, ?)", rows)

    def listed(self, where: str = "1", *values: int) -> Iterator[Listed]:
        """The sources of the list, in its order."""
        query = f"SELECT position, origin, mtime, trouble FROM listed WHERE {where}"
        for row in self._pages(query, "position", values):
            yield Listed(*row)

    def settle(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Note of each (number, position) that this source is that image, or -1 for none."""
        self._many("UPDATE listed SET number = ? WHERE position = ?", pairs)

    def reopen(self, number: int) -> None:
        """The image of this number and all after it are to be made again."""
        self._rows("UPDATE listed SET number = NULL WHERE number >= ?", (number,))
        self._rows("DELETE FROM packed WHERE number >= ?", (number,))

    def add(self, packed: Packed) -> None:
        """An image is in the dataset's part."""
        values = (
            packed.number,
            packed.origin,
            packed.mtime,
            packed.offset,
            packed.length,
            packed.crc,
            packed.record,
            packed.sidecars,
        )
        self._rows("INSERT INTO packed VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def packed(self, since: int = 0) -> Iterator[Packed]:
        """The images of the dataset, in order."""
        for row in self._pages("SELECT * FROM packed WHERE number >= ?", "number", (since,)):
            yield Packed(*row)

    def ask(self, query: str, *values: int) -> Any:
        """The one value that answers a query."""
        return self._rows(query, values)[0][0]

    def close(self, *, finished: bool = False) -> None:
        """Let go of the file, and remove it where nothing is to go on."""
        self.base.close()
        if finished and self.path:
            remove(self.path)

    def _pages(self, query: str, key: str, values: tuple[int, ...]) -> Iterator[Any]:
        """Rows in the order of their key, a page at a time: other statements may come between."""
        last = -1
        while True:
            tail = f" AND {key} > {last} ORDER BY {key} LIMIT {PAGE}"
            rows = self._rows(query + tail, values)
            yield from rows
            if len(rows) < PAGE:
                return
            last = rows[-1][0]

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self.guard:
            try:
                return self.base.execute(query, values).fetchall()
            except sqlite3.Error as why:
                raise self._fatal(why) from None

    def _many(self, query: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """One statement for many rows, a page at a time: rows may come from another query."""
        rows = iter(rows)
        while page := list(islice(rows, PAGE)):
            with self.guard:
                try:
                    self.base.execute("BEGIN")
                    self.base.executemany(query, page)
                    self.base.execute("COMMIT")
                except sqlite3.Error as why:
                    raise self._fatal(why) from None

    def _fatal(self, why: sqlite3.Error) -> FatalError:
        return FatalError(f"{self.path or 'temporary list of sources'}: {why}")


def remove(path: str) -> None:
    """Remove the journal of this name, if there is one."""
    for suffix in ("", "-wal", "-shm"):
        if os.path.lexists(path + suffix):  # to remove nothing is an error on a read-only disk
            os.unlink(path + suffix)


def origin_of(path: str, size: int, facts: dict[str, Any]) -> str:
    """What tells a source from another, as one line of JSON; `source` is where it came from."""
    known = {name: value for name, value in facts.items() if name not in COMPUTED}
    return dumped({"source": path} | known | {"path": path, "bytes": size})


def dumped(record: dict[str, Any]) -> str:
    """JSON that is the same for the same record; names that are no UTF-8 come back from it."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"))
