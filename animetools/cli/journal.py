"""What an output folder already holds, from which input and made how: one SQLite file in it.

A row is finished only after its files have their names, so a killed run goes on where it was; rows
that were begun tell the next run where half-written parts may lie.
"""

import json
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from animetools import atomic
from animetools.cli.item import (
    LATEST,
    NO_FILE,
    Facts,
    Item,
    Output,
    Rejected,
    Result,
    Written,
    below,
    is_same_file,
)
from animetools.errors import Advice, FatalError, ItemError
from animetools.names import beginning, placed
from animetools.options import options_of

NAME = ".animetools.sqlite"
FOUND = "found"  # among the settings, but no option

_TABLES = """
CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY, words TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS done (
    stem BLOB PRIMARY KEY,     -- the outputs' common beginning, below the folder
    source BLOB NOT NULL,      -- the input, absolute
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    settings INTEGER NOT NULL REFERENCES settings,
    begun INTEGER NOT NULL,    -- until it is done: when the run that works on it began
    results TEXT NOT NULL      -- [[path, null, facts] or [reason, evidence, null], ...]
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS begun ON done (begun) WHERE begun;
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY,     -- below the folder
    stem BLOB NOT NULL REFERENCES done,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of ON files (stem);
"""

T = TypeVar("T")
Statement = tuple[str, Sequence[Any]]


class Journal:
    """The journal of one folder; several threads and processes may use it at once.

    Outputs of other settings are refused; one that an older version did not have yet was its
    `defaults` value. Where the command only `found` something else here to work with, they serve.

    Raises FatalError, at any step, if the folder cannot be written or holds a damaged journal.
    """

    def __init__(
        self,
        folder: str,
        settings: Facts,
        defaults: Facts,
        found: str = "",
        *,
        force: bool = False,
    ) -> None:
        import sqlite3

        self.folder = folder
        self.settings = settings
        self.defaults = defaults
        self.found = found
        self.force = force
        self.lock = threading.Lock()
        self.error = sqlite3.Error
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as why:
            raise FatalError(f"{folder}: cannot make the output folder: {why.strerror}") from None
        self.root = os.path.join(os.path.realpath(folder), "")
        path = os.path.join(folder, NAME)
        self.base = self._try(
            lambda: sqlite3.connect(path, 60, isolation_level=None, check_same_thread=False)
        )
        self._try(lambda: self._open(path))

    def _open(self, path: str) -> None:
        # WAL with NORMAL: a killed process loses nothing; a power cut may lose the last rows, and
        # what they told of is made again.
        self.base.execute("PRAGMA journal_mode = WAL")
        self.base.execute("PRAGMA synchronous = NORMAL")
        self.base.executescript(_TABLES)
        found = {FOUND: self.found} if self.found else {}
        words = json.dumps(self.settings | found, sort_keys=True)
        self.base.execute("INSERT OR IGNORE INTO settings (words) VALUES (?)", [words])
        row = self.base.execute("SELECT id FROM settings WHERE words = ?", [words]).fetchone()
        self.settings_id = row[0]
        os.utime(path)  # now, by the clock that will date the outputs
        self.run = min(os.stat(path).st_mtime_ns, LATEST)
        begun = self.base.execute("SELECT stem FROM done WHERE begun").fetchall()
        atomic.sweep(os.path.join(self.folder, os.fsdecode(stem)) for (stem,) in begun)

    def is_own(self, item: Item) -> bool:
        """Whether the item is a file that this very command made here, or is making now."""
        path = placed(item.path)
        if not path.startswith(self.root):
            return False
        key = os.fsencode(path[len(self.root) :])
        found = self._ask(
            "SELECT words FROM files JOIN done USING (stem) JOIN settings ON settings.id = settings"
            " WHERE path = ?",
            key,
        )
        # A file has its name a moment before its row is here, and after a kill for longer.
        source = os.fsencode(os.path.abspath(item.path))
        found += [
            (words,)
            for words, stem, other in self._ask(
                "SELECT words, stem, source FROM done JOIN settings ON settings.id = settings"
                " WHERE begun AND begun <= ?",
                item.mtime,
            )
            if key.startswith(stem + b".") or (key == stem and source != other)
        ]
        command = self.settings["command"]
        return any(json.loads(words)["command"] == command for (words,) in found)

    def begin(self, item: Item) -> list[Result] | Output:
        """What `item` gave before, if that still stands; otherwise where to put its files.

        Raises ItemError if another input's files are in its place, and FatalError if its own were
        made with other settings.
        """
        stem = below(self.folder, item.path)
        key = self._key(stem)
        now = (item.size, item.mtime, self.settings_id)
        killed = False
        row = self._ask(
            "SELECT source, size, mtime, settings, begun, results FROM done WHERE stem = ?", key
        )
        owned = [
            Written(below(self.folder, os.fsdecode(path)), size, mtime)
            for path, size, mtime in self._ask(
                "SELECT path, size, mtime FROM files WHERE stem = ?", key
            )
        ]
        if row:
            source, *then, begun, results = row[0]
            moved = self.force or then[:2] == [item.size, item.mtime]
            refuse_another(os.fsdecode(source), item.path, stem, moved=moved)
            standing = [file for file in owned if _stands(file)]
            if standing and then[2] != self.settings_id and not self.force:
                self._compare(standing[0].path, then[2])
                then[2] = self.settings_id
            fresh = [file for file in standing if os.lstat(file.path).st_ctime_ns >= self.run]
            if item.size == NO_FILE and fresh:
                refuse_other_content(item, then[1], fresh[0].path)
            if item.size == NO_FILE and standing and not self.force:
                cure = ", or -f overwrites it"
                refuse_other_content(item, then[1], standing[0].path, cure)
            if then == [*now] and not begun and len(standing) == len(owned) and not self.force:
                return self._recall(item, results)
            killed = then == [*now] and bool(begun) and not self.force
        self._do(
            (
                "INSERT INTO done VALUES (?, ?, ?, ?, ?, ?, '[]') ON CONFLICT (stem) DO UPDATE SET"
                " source = excluded.source, size = excluded.size, mtime = excluded.mtime,"
                " settings = excluded.settings, begun = excluded.begun",
                [key, os.fsencode(os.path.abspath(item.path)), *now, self.run],
            )
        )
        return Output(
            stem, item.path, force=self.force, run=self.run, begun=killed, owned=tuple(owned)
        )

    def finish(
        self, output: Output, item: Item, results: list[Result], files: list[Written]
    ) -> None:
        """Remember what became of an item; files of an earlier making that are no more go."""
        kept = {file.path for file in files}
        stem = beginning(output.stem)
        for old in output.owned:
            if old.path not in kept and old.path.startswith(stem) and _is_untouched(old):
                with suppress(OSError):
                    os.unlink(old.path)
        key = self._key(output.stem)
        source = os.fsencode(os.path.abspath(item.path))
        told = json.dumps([self._told(item, result) for result in results])
        rows = []
        for file in files:
            with suppress(FileNotFoundError):  # as it is now: another process may have made it too
                file = Written.now(file.path)
            rows.append([self._key(file.path), key, file.size, file.mtime])
        self._do(
            (
                "INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?, ?, 0, ?)",
                [key, source, item.size, item.mtime, self.settings_id, told],
            ),
            ("DELETE FROM files WHERE stem = ?", [key]),
            *(("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", row) for row in rows),
        )

    def give_up(self, output: Output) -> None:
        """An item failed: the next run tries it again; what an earlier one made is still ours."""
        if not output.owned:
            self._do(("DELETE FROM done WHERE stem = ? AND begun", [self._key(output.stem)]))

    def close(self) -> None:
        """Nothing more will be asked."""
        with self.lock:
            self.base.close()

    def _key(self, path: str) -> bytes:
        return os.fsencode(path[len(self.folder) + 1 :])

    def _told(self, item: Item, result: Result) -> list[Any]:
        """A result as the journal keeps it: without what came with the item from upstream."""
        if isinstance(result, Rejected):
            return [result.reason, result.evidence, None]
        name = "" if result.path == item.path else result.path[len(self.folder) + 1 :]
        return [name, None, result.own]

    def _recall(self, item: Item, results: str) -> list[Result]:
        try:
            return [self._recalled(item, *told) for told in json.loads(results)]
        except (ValueError, TypeError, RecursionError):
            raise FatalError(f"{self.folder}/{NAME} is damaged: remove it") from None

    def _recalled(
        self, item: Item, name: str, evidence: str, facts: dict[str, Any] | None
    ) -> Result:
        if facts is None:
            return Rejected(item.path, name, evidence)
        return item.made(below(self.folder, name), **facts) if name else item.noted(**facts)

    def _compare(self, path: str, settings: int) -> None:
        """Raise FatalError if a file was made with other settings; say what else was other."""
        row = self._ask("SELECT words FROM settings WHERE id = ?", settings)
        old = json.loads(row[0][0])
        found = old.pop(FOUND, self.found)
        for name in self.settings:
            was, now = (
                _typed(name, settings.get(name, self.defaults.get(name)))
                for settings in (old, self.settings)
            )
            if was != now:
                raise FatalError(
                    f"{path} was made {was}, this run is {now}: choose another -o, or -f makes it"
                    " again"
                )
        if found != self.found:
            warnings.warn(
                f"{self.folder}: what was made with {found} stays; what is new is made with"
                f" {self.found} (-f makes all of it again)",
                Advice,
                stacklevel=1,
            )

    def _ask(self, query: str, *values: Any) -> list[Any]:
        return self._try(lambda: self.base.execute(query, values).fetchall())

    def _do(self, *statements: Statement) -> None:
        """All of them, or none."""

        def run() -> None:
            if len(statements) > 1:
                self.base.execute("BEGIN IMMEDIATE")
            for statement in statements:
                self.base.execute(*statement)
            if len(statements) > 1:
                self.base.execute("COMMIT")

        self._try(run)

    def _try(self, action: Callable[[], T]) -> T:
        try:
            with self.lock:
                return action()
        except self.error as why:
            raise FatalError(f"{self.folder}/{NAME}: {why}: choose another -o") from None


def refuse_another(old: str, new: str, stem: str, *, moved: bool = False) -> None:
    """Raise ItemError if two inputs would share outputs; one that has `moved` is the same."""
    if os.path.abspath(old) == os.path.abspath(new) or (moved and not os.path.exists(old)):
        return
    if is_same_file(old, new):
        return
    raise ItemError(f"its files would take the place of those of {old} ({stem}*)")


def refuse_other_content(item: Item, mtime: int, place: str, cure: str = "") -> None:
    """Raise ItemError if an item that is no file is another than the one of that time."""
    if item.mtime != mtime:
        raise ItemError(f"{place} is another's: choose another name or -o{cure}")


def settings_of(command: str, options: Any) -> Facts:
    """What an output depends on: the command, and those of its own options that matter to it."""
    settings: Facts = {"command": command}
    for option in options_of(type(options)):
        affects = option.opt.affects
        if affects(options) if callable(affects) else affects:
            settings[option.name] = getattr(options, option.name)
    return settings


def _typed(name: str, value: Any) -> str:
    """A setting as a person types it: with --size 5, without --mirror, by animecrop."""
    if name == "command":
        return f"by {value}"
    flag = "--" + name.replace("_", "-")
    if value is None or value is False or value in ("", [], ()):
        return f"without {flag}"
    if isinstance(value, list | tuple):  # JSON has no tuples
        value = " ".join(map(str, value))
    return f"with {flag}" if value is True else f"with {flag} {value}"


def _stands(file: Written) -> bool:
    """Whether the file is there, whole; a person may have touched it since."""
    try:
        return os.stat(file.path).st_size == file.size
    except OSError:
        return False


def _is_untouched(file: Written) -> bool:
    with suppress(OSError):
        return Written.now(file.path) == file
    return False
