"""A file that keeps what is known of reference pictures from one run to the next."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from animetools.database import Database
from animetools.errors import FatalError

if TYPE_CHECKING:
    from sqlite3 import Connection

OURS = 0x616E6E72  # SQLite's application_id


class Index:
    """Rows in an SQLite file, each by the key of its picture; several processes may share it.

    Raises FatalError, in one sentence, if it is another file, or has rows of another identity.
    """

    def __init__(self, path: str, identity: str) -> None:
        name = f"--index {path}"
        self.database = Database(path, _prepare, name=name, cure="give another file")
        self.database.do(("INSERT OR IGNORE INTO made VALUES (0, ?)", [identity]))
        ((made,),) = self.database.ask("SELECT identity FROM made")
        if made != identity:
            raise FatalError(f"{name} has {made}, not {identity}: give another file")

    def rows(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The rows that it has of these keys, a few hundred at most."""
        marks = ", ".join("?" * len(keys))
        return dict(self.database.ask(f"SELECT key, row FROM rows WHERE key IN ({marks})", *keys))

    def add(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep rows by their keys."""
        self.database.do_for_each("INSERT OR REPLACE INTO rows VALUES (?, ?)", rows)

    def close(self) -> None:
        """Let go of the file."""
        self.database.close()


def _prepare(base: "Connection") -> None:
    (owner,) = base.execute("PRAGMA application_id").fetchone()
    if owner != OURS and base.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise base.DatabaseError("a database of another program")
    base.executescript(
        f"""
        PRAGMA application_id = {OURS};
        CREATE TABLE IF NOT EXISTS made (one INTEGER PRIMARY KEY, identity TEXT);
        CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, row BLOB);
        """
    )
