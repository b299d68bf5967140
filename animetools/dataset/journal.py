"""The journal of a dataset that is being packed: memory stays flat, and a kill loses nothing."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from animetools.database import Database
from animetools.errors import FatalError
from animetools.names import fitted

if TYPE_CHECKING:
    from sqlite3 import Connection

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
    sidecars TEXT NOT NULL,      -- JSON: [ending, offset, length, crc] of each; they come before it
    suffix TEXT NOT NULL         -- of the image's name; empty: that of all
);
DROP TABLE IF EXISTS listed;
CREATE TABLE listed (
    position INTEGER PRIMARY KEY,
    origin TEXT NOT NULL,
    mtime INTEGER NOT NULL,
    trouble TEXT NOT NULL,
    number INTEGER               -- of its image in the dataset; -1: failed again in this run
);
DROP TABLE IF EXISTS known;
CREATE TABLE known (             -- what the images of the dataset that grows were made from
    path BLOB PRIMARY KEY,
    mark TEXT NOT NULL           -- equal as long as the file is
) WITHOUT ROWID;
"""
_NEWER = {  # columns that older versions lack, and what they mean there
    "sidecars": "ALTER TABLE packed ADD COLUMN sidecars TEXT NOT NULL DEFAULT '[]'",
    "suffix": "ALTER TABLE packed ADD COLUMN suffix TEXT NOT NULL DEFAULT ''",
}


@dataclass(frozen=True)
class Listed:
    """A source in the list of this run."""

    position: int
    origin: str
    mtime: int
    trouble: str = ""  # why it cannot be read at all

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of it."""
        facts: dict[str, Any] = json.loads(self.origin)
        return facts

    @property
    def path(self) -> str:
        """Its file."""
        return str(self.facts["path"])


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
    suffix: str


class Journal:
    """What an unfinished dataset holds, and the list of sources of this run.

    Without a path it is temporary. One process at a time (the dataset's part is locked), any number
    of its threads.

    Raises FatalError if the file cannot be written or is damaged.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.base = Database(path, _prepare, name=path or "temporary list of sources")

    def word(self, name: str) -> str | None:
        """The word that is kept under a name."""
        found = self.base.ask("SELECT value FROM words WHERE name = ?", name)
        return found[0][0] if found else None

    def keep_word(self, name: str, value: str) -> None:
        """Keep a word."""
        self.base.do(("INSERT OR REPLACE INTO words VALUES (?, ?)", (name, value)))

    def enlist(self, sources: Iterable[Listed]) -> None:
        """Add sources to the end of the list."""
        rows = ((*vars(source).values(), None) for source in sources)
        self._for_each("INSERT INTO listed VALUES (?, ?, ?, ?, ?)", rows)

    def know(self, sources: Iterable[tuple[bytes, str]]) -> None:
        """Remember paths and marks; `mark_of` finds them."""
        self._for_each("INSERT OR REPLACE INTO known VALUES (?, ?)", sources)

    def mark_of(self, path: bytes) -> str | None:
        """The mark of a path; None of an unknown one."""
        found = self.base.ask("SELECT mark FROM known WHERE path = ?", path)
        return found[0][0] if found else None

    def listed(self) -> Iterator[Listed]:
        """The sources of the list, in order."""
        return self._listed("1")

    def source(self, position: int) -> Listed:
        """The source at a position."""
        return next(self._listed("position = ?", position))

    def todo(self) -> Iterator[Listed]:
        """The sources that are still to be packed."""
        return self._listed("number IS NULL")

    def failed(self, edge: int) -> Iterator[Listed]:
        """The sources before this position that should be packed, but are not."""
        return self._listed("number IS NULL AND position < ?", edge)

    def settle(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Note for each (number, position) that the source is this image, or -1: that it failed."""
        self._for_each("UPDATE listed SET number = ? WHERE position = ?", pairs)

    def edge(self, *, packed_only: bool) -> int:
        """The position behind the last source that is packed, or behind the whole list."""
        where = "WHERE number >= 0" if packed_only else ""
        return self._value(f"SELECT coalesce(max(position) + 1, 0) FROM listed {where}")

    def first_packed_behind(self, position: int) -> int:
        """The number of the first image whose source comes behind this position."""
        query = "SELECT min(number) FROM listed WHERE number >= 0 AND position > ?"
        return self._value(query, position)

    def left(self) -> int:
        """How many sources are still to be packed."""
        return self._value("SELECT count(*) FROM listed WHERE number IS NULL")

    def sample(self, count: int) -> list[Listed]:
        """At most `count` sources, spread evenly over those still to be packed."""
        query = "SELECT min(position), max(position) FROM listed WHERE number IS NULL"
        ((first, last),) = self.base.ask(query)
        if first is None:
            return []
        places = sorted({first + (last - first) * n // max(1, count - 1) for n in range(count)})
        nearest = (
            next(self._listed("number IS NULL AND position >= ?", place)) for place in places
        )
        return list({source.position: source for source in nearest}.values())

    def add(self, packed: Packed) -> None:
        """Note that an image is in the dataset's part."""
        self.base.do(
            ("INSERT INTO packed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [*vars(packed).values()])
        )

    def packed(self, since: int = 0) -> Iterator[Packed]:
        """The images of the dataset, in order, from this number on."""
        for row in self._pages("SELECT * FROM packed WHERE number >= ?", "number", (since,)):
            yield Packed(*row)

    def forget(self, number: int) -> None:
        """Forget the image of this number and all behind it: their sources are to be packed."""
        self.base.do(
            ("UPDATE listed SET number = NULL WHERE number >= ?", (number,)),
            ("DELETE FROM packed WHERE number >= ?", (number,)),
        )

    def enlarged(self) -> int:
        """How many packed images were enlarged."""
        longer = (
            "json_extract(record, '$.fit.target[{0}]') > json_extract(record, '$.fit.source[{0}]')"
        )
        query = f"SELECT count(*) FROM packed WHERE {longer.format(2)} OR {longer.format(3)}"
        return self._value(query)

    def newest(self) -> int:
        """The latest time of a packed source, in nanoseconds."""
        return self._value("SELECT max(mtime) FROM packed")

    def close(self, *, finished: bool = False) -> None:
        """Let go of the file, and remove it where the dataset is finished."""
        self.base.close()
        if finished and self.path:
            remove(self.path)

    def _listed(self, where: str, *values: int) -> Iterator[Listed]:
        query = f"SELECT position, origin, mtime, trouble FROM listed WHERE {where}"
        for row in self._pages(query, "position", values):
            yield Listed(*row)

    def _value(self, query: str, *values: int) -> int:
        """The one number that answers a query."""
        return int(self.base.ask(query, *values)[0][0])

    def _pages(self, query: str, key: str, values: tuple[int, ...]) -> Iterator[Any]:
        """Rows in the order of their key, a page at a time: other statements may come between."""
        last = -1
        while True:
            tail = f" AND {key} > {last} ORDER BY {key} LIMIT {PAGE}"
            rows = self.base.ask(query + tail, *values)
            yield from rows
            if len(rows) < PAGE:
                return
            last = rows[-1][0]

    def _for_each(self, query: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """One statement for many rows, a page at a time: rows may come from another query."""
        rows = iter(rows)
        while page := list(islice(rows, PAGE)):
            self.base.do_for_each(query, page)


def _prepare(base: "Connection") -> None:
    base.executescript(_TABLES)
    there = {row[1] for row in base.execute("PRAGMA table_info(packed)")}
    for column, statement in _NEWER.items():
        if column not in there:  # an older version started it
            base.execute(statement)


def journal_name(path: str) -> str:
    """Where the journal of the dataset at a path is."""
    folder, name = os.path.split(path)
    # SQLite keeps a -wal beside it, whose name must fit too.
    return fitted(os.path.join(folder, f".{name}"), ".journal-wal").removesuffix("-wal")


def opened(path: str, *, force: bool) -> Journal:
    """The journal at a path; a damaged one is replaced where `force` says so.

    Raises FatalError.
    """
    try:
        return Journal(path)
    except FatalError:
        if not force:
            raise
    remove(path)
    return Journal(path)


def remove(path: str) -> None:
    """Remove the journal at a path, if there is one."""
    for suffix in ("", "-wal", "-shm"):
        if os.path.lexists(path + suffix):  # to remove nothing is an error on a read-only disk
            os.unlink(path + suffix)


def origin_of(path: str, size: int, facts: dict[str, Any]) -> str:
    """What identifies a source, as one line of JSON; `source` is the file it first came from."""
    known = {name: value for name, value in facts.items() if name not in COMPUTED}
    return dumped({"source": path} | known | {"path": path, "bytes": size})


def dumped(record: dict[str, Any]) -> str:
    """JSON that is equal for equal records; file names that are not UTF-8 survive it."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"))
