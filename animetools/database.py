"""SQLite files that survive a kill."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from animetools.errors import FatalError

if TYPE_CHECKING:
    from sqlite3 import Connection

Statement = tuple[str, Sequence[Any]]


class Database:
    """One SQLite file, used by any number of threads; without a path it is temporary.

    `prepare` makes its tables. Other processes may use it at the same time; one waits `patience`
    seconds for another. One that is `read_only` is never written to.

    Raises FatalError, at any step: the `name` of the file, what SQLite says, and the `cure`.
    """

    def __init__(
        self,
        path: str,
        prepare: "Callable[[Connection], object]",
        *,
        name: str = "",
        cure: str = "",
        patience: float = 5,
        read_only: bool = False,
    ) -> None:
        import sqlite3
        from urllib.parse import quote

        self.name = name or path
        self.cure = cure
        self.guard = threading.Lock()
        self.error = sqlite3.Error
        with self._using():
            place = f"file:{quote(os.fsencode(path))}?mode=ro" if read_only else path
            self.base = sqlite3.connect(
                place, patience, isolation_level=None, check_same_thread=False, uri=read_only
            )
            if not read_only:
                # A commit then survives kill -9 without waiting for the disk; a power cut may take
                # the last ones.
                self._use_wal(patience)
                self.base.execute("PRAGMA synchronous = NORMAL")
            prepare(self.base)

    def ask(self, query: str, *values: Any) -> list[Any]:
        """The rows that answer a query."""
        with self._using():
            return self.base.execute(query, values).fetchall()

    def do(self, *statements: Statement) -> None:
        """Execute all of these statements, or none."""
        with self._using():
            if len(statements) > 1:
                self.base.execute("BEGIN IMMEDIATE")
            for statement in statements:
                self.base.execute(*statement)
            if len(statements) > 1:
                self.base.execute("COMMIT")

    def do_for_each(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute one statement for all of these rows, or for none."""
        with self._using():
            self.base.execute("BEGIN IMMEDIATE")
            self.base.executemany(query, rows)
            self.base.execute("COMMIT")

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What one thread does in this block is done at once: no other process writes meanwhile."""
        with self._using():
            self.base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(self.error), self.guard:
                self.base.execute("ROLLBACK")
            raise
        with self._using():
            self.base.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        with self.guard:
            self.base.close()

    def _use_wal(self, patience: float) -> None:
        """Switch the file to WAL: for this, SQLite itself does not wait for other processes."""
        end = time.monotonic() + patience
        while True:
            try:
                self.base.execute("PRAGMA journal_mode = WAL")
                return
            except self.error as why:
                if "locked" not in str(why) or time.monotonic() > end:
                    raise
            time.sleep(0.01)

    @contextmanager
    def _using(self) -> Iterator[None]:
        try:
            with self.guard:
                yield
        except self.error as why:
            cure = f": {self.cure}" if self.cure else ""
            raise FatalError(f"{self.name}: {why}{cure}") from None
