"""A file that keeps what is known of reference pictures from one run to the next."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from animetools.database import Database
from animetools.errors import FatalError

if TYPE_CHECKING:
    from sqlite3 import Connection

OURS = 0x616E6E72  # SQLite's application_id
TABLES = (
    "CREATE TABLE made (one INTEGER PRIMARY KEY, identity TEXT)",
    "CREATE TABLE rows (key BLOB PRIMARY KEY, row BLOB)",
)


class Index:
    """Rows in an SQLite file, each by the key of its picture; several processes may share it.

    Raises FatalError, in one sentence, if it is another file, or has rows of another identity.
    """

    def __init__(self, path: str, identity: str) -> None:
        name = f"--index {path}"
        cure = "give another file"
        if os.path.isfile(path):  # before it is changed in any way
            Database(path, _refuse_others, name=name, cure=cure, read_only=True).close()
        self.database = Database(path, _prepare, name=name, cure=cure)
        self.database.do(("INSERT OR IGNORE INTO made VALUES (0, ?)", [identity]))
        (made,) = self.database.ask("SELECT identity FROM made WHERE one = 0")[0]
        if made != identity:
            raise FatalError(f"{name} has {made}, not {identity}: give another file")

    def rows(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The rows that it has of these keys, a few hundred at most."""
        marks = ", ".join("?" * len(keys))
        query = f"SELECT key, row FROM rows WHERE key IN ({marks}) AND typeof(row) = 'blob'"
        return dict(self.database.ask(query, *keys))

    def add(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep rows by their keys."""
        self.database.do_for_each("INSERT OR REPLACE INTO rows VALUES (?, ?)", rows)

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()


def _refuse_others(base: "Connection") -> None:
    base.execute("PRAGMA trusted_schema = OFF")
    (owner,) = base.execute("PRAGMA application_id").fetchone()
    found = {sql for (sql,) in base.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if (found and owner != OURS) or not found <= set(TABLES):
        raise base.DatabaseError("a database of another program")


def _prepare(base: "Connection") -> None:
    base.execute(f"PRAGMA application_id = {OURS}")
    for table in TABLES:
        base.execute(table.replace("TABLE", "TABLE IF NOT EXISTS", 1))
