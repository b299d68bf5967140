"""SQLite files that survive a kill."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from animetools.errors import FatalError

if TYPE_CHECKING:
    from sqlite3 import Connection

Statement = tuple[str, Sequence[Any]]

TEMPORARY = "set TMPDIR to another folder"
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")  # the second of the -shm file beside it


class Database:
    """One SQLite file, used by any number of threads; without a path it is temporary.

    `prepare` makes its tables. Other processes may use it at the same time; one waits `patience`
    seconds for another. One that is `read_only` is never written to. ":memory:" is a name like others.

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

        self.name = name or path
        self.is_temporary = not path
        self.cure = cure or (TEMPORARY if self.is_temporary else "")
        self.guard = threading.Lock()
        self.error = sqlite3.Error
        if path and not read_only:
            _refuse_unwritable(path, self.name)
        with self._using():
            place = address(path) if read_only else path and os.path.abspath(path)
            self.base = sqlite3.connect(
                place, patience, isolation_level=None, check_same_thread=False, uri=read_only
            )
            prepare(self.base)  # first: from the beginning the file's header tells what it is
            if path and not read_only:
                # A commit then survives kill -9 without waiting for the disk; a power cut may take
                # the last ones.
                self._use_wal(patience)
                self.base.execute("PRAGMA synchronous = NORMAL")

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
            raise _trouble(self.name, why, self.cure, is_temporary=self.is_temporary) from None


def copy_into(base: "Connection", path: str, patience: float = 5) -> None:
    """Give an empty temporary file what is in another, which is not written to."""
    import sqlite3

    with closing(sqlite3.connect(address(path), patience, uri=True)) as original:
        original.backup(base)


def address(path: str) -> str:
    """The URI of a file that is not written to."""
    from urllib.parse import quote

    return f"file:{quote(os.fsencode(os.path.abspath(path)))}?mode=ro"


def _refuse_unwritable(path: str, name: str) -> None:
    """Raise FatalError if SQLite could not write beside this path."""
    folder = os.path.dirname(path) or "."
    if not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
        raise FatalError(f"{name}: cannot write to the folder {folder}")


def _trouble(name: str, why: Exception, cure: str, *, is_temporary: bool = False) -> FatalError:
    """What SQLite says of a file, in a sentence, with the cure.

    That of a file that others use, or whose disk is full, is not to delete it.
    """
    kind = getattr(why, "sqlite_errorname", "")
    if kind in _FULL:
        cure = TEMPORARY if is_temporary else "free some, and run this again to continue"
        return FatalError(f"{name}: no space left on device: {cure}")
    if kind.startswith("SQLITE_BUSY"):
        return FatalError(f"{name}: another process uses it: run this again when that has ended")
    return FatalError(f"{name}: {why}{cure and ': '}{cure}")
