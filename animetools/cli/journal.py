"""What an output folder already holds, from which input and made how: one SQLite file in it.

A run that is killed loses nothing: a row is finished only after its files have their names, and
rows that were begun tell the next run where half-written parts may lie.
"""

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TypeVar

from animetools import whole
from animetools.cli.item import Item, Output, Rejected, Result, Written, below
from animetools.errors import FatalError, ItemError

NAME = ".animetools.sqlite"

_TABLES = """
CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY, words TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS done (
    stem BLOB PRIMARY KEY,     -- the outputs' common beginning, below the folder
    source BLOB NOT NULL,      -- the input, absolute
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    settings INTEGER NOT NULL,
    begun INTEGER NOT NULL,    -- 1 while somebody works on it
    results TEXT NOT NULL,     -- [[path, facts] or [reason, evidence, null], ...]
    files TEXT NOT NULL        -- [[path, size, mtime], ...]
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS begun ON done (begun) WHERE begun;
"""

T = TypeVar("T")


class Journal:
    """The journal of one folder; several threads and processes may use it at once.

    Raises FatalError if the folder cannot be written or holds another kind of journal.
    """

    def __init__(self, folder: str, settings: dict[str, Any], *, force: bool = False) -> None:
        import sqlite3

        self.folder = folder
        self.settings = settings
        self.force = force
        self.lock = threading.Lock()
        self.error = sqlite3.Error
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as why:
            raise FatalError(f"{folder}: cannot make the output folder: {why.strerror}") from None
        path = os.path.join(folder, NAME)
        self.base = sqlite3.connect(
            path, timeout=60, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        self._try(self._open)

    def _open(self) -> None:
        # WAL with NORMAL: a killed process loses nothing; a power cut may lose the last rows,
        # whose files are then compared and adopted.
        self.base.execute("PRAGMA journal_mode = WAL")
        self.base.execute("PRAGMA synchronous = NORMAL")
        self.base.executescript(_TABLES)
        words = json.dumps(self.settings, sort_keys=True)
        self.base.execute("INSERT OR IGNORE INTO settings (words) VALUES (?)", [words])
        row = self.base.execute("SELECT id FROM settings WHERE words = ?", [words]).fetchone()
        self.settings_id = row[0]
        for (stem,) in self.base.execute("SELECT stem FROM done WHERE begun").fetchall():
            whole.sweep(os.path.join(self.folder, os.fsdecode(stem)))

    def begin(self, item: Item) -> list[Result] | Output:
        """What `item` gave before, if that still stands; otherwise where to put its files.

        Raises ItemError if another input's files are in its place, and FatalError if its own were
        made with other settings.
        """
        stem = below(self.folder, item.path)
        key = os.fsencode(stem[len(self.folder) + 1 :])
        source = os.path.abspath(item.path)
        row = self._do(
            "SELECT source, size, mtime, settings, begun, results, files FROM done WHERE stem = ?",
            [key],
        )
        owned: list[Written] = []
        if row:
            old_source, size, mtime, settings, begun, results, files = row[0]
            owned = [
                Written(os.path.join(self.folder, path), *rest) for path, *rest in json.loads(files)
            ]
            refuse_another(os.fsdecode(old_source), source, stem)
            if not self.force:
                standing = [file for file in owned if _stands(file)]
                if settings != self.settings_id and standing:
                    raise FatalError(self._difference(standing[0].path, settings))
                same = (size, mtime, settings) == (item.size, item.mtime, self.settings_id)
                if same and not begun and len(standing) == len(owned):
                    return [self._recall(item, *result) for result in json.loads(results)]
        self._do(
            "INSERT INTO done VALUES (?, ?, ?, ?, ?, 1, '[]', '[]') ON CONFLICT (stem) DO UPDATE SET"
            " source = excluded.source, size = excluded.size, mtime = excluded.mtime,"
            " settings = excluded.settings, begun = 1",
            [key, os.fsencode(source), item.size, item.mtime, self.settings_id],
        )
        return Output(stem, force=self.force, owned=tuple(owned))

    def finish(
        self, output: Output, item: Item, results: list[Result], files: list[Written]
    ) -> None:
        """Remember what became of an item; files of an earlier making that are no more go."""
        kept = {file.path for file in files}
        for old in output.owned:
            if old.path not in kept and _is_untouched(old):
                with suppress(OSError):
                    os.unlink(old.path)
        facts = [self._remember(item, result) for result in results]
        written = [[self._inside(file.path), file.size, file.mtime] for file in files]
        self._do(
            "UPDATE done SET begun = 0, results = ?, files = ? WHERE stem = ?",
            [json.dumps(facts), json.dumps(written), self._key(output)],
        )

    def give_up(self, output: Output) -> None:
        """An item failed: the next run tries it again."""
        if output.owned:  # what an earlier run made is still there and still ours
            self._do("UPDATE done SET begun = 0, size = -1 WHERE stem = ?", [self._key(output)])
        else:
            self._do("DELETE FROM done WHERE stem = ?", [self._key(output)])

    def close(self) -> None:
        """Nothing more will be asked."""
        with self.lock:
            self.base.close()

    def _key(self, output: Output) -> bytes:
        return os.fsencode(self._inside(output.stem))

    def _inside(self, path: str) -> str:
        return path[len(self.folder) + 1 :]

    def _remember(self, item: Item, result: Result) -> list[Any]:
        """A result as the journal keeps it: without what came with the item from upstream."""
        if isinstance(result, Rejected):
            return [result.reason, result.evidence, None]
        upstream = item.facts | {"source": result.facts.get("source")}
        facts = {name: fact for name, fact in result.facts.items() if fact != upstream.get(name)}
        return [self._inside(result.path), None, facts]

    def _recall(self, item: Item, name: str, evidence: str, facts: dict[str, Any] | None) -> Result:
        if facts is None:
            return Rejected(item.path, name, evidence)
        return item.made(os.path.join(self.folder, name), **facts)

    def _difference(self, path: str, settings: int) -> str:
        row = self._do("SELECT words FROM settings WHERE id = ?", [settings])
        old = json.loads(row[0][0])
        for name in [*old, *self.settings]:
            was, now = old.get(name), self.settings.get(name)
            if was != now:
                flag = name if name == "command" else "--" + name.replace("_", "-")
                return f"{path} was made with {flag} {was}, this run has {now}: choose another -o, or -f makes it anew"
        return f"{path} was made with other settings: choose another -o, or -f makes it anew"

    def _do(self, statement: str, values: list[Any]) -> list[Any]:
        return self._try(lambda: self.base.execute(statement, values).fetchall())

    def _try(self, action: Callable[[], T]) -> T:
        try:
            with self.lock:
                return action()
        except self.error as why:
            raise FatalError(f"{self.folder}/{NAME}: {why}") from None


def refuse_another(old: str, new: str, stem: str) -> None:
    """Raise ItemError if two inputs would share outputs; a folder that was moved is the same one."""
    if old == new or not os.path.exists(old):
        return
    with suppress(OSError):
        if os.path.samefile(old, new):
            return
    raise ItemError(f"its files would take the place of those of {old} ({stem}*)")


def _stands(file: Written) -> bool:
    """Whether the file is there, whole; a person may have touched it since."""
    try:
        return os.stat(file.path).st_size == file.size
    except OSError:
        return False


def _is_untouched(file: Written) -> bool:
    try:
        found = os.lstat(file.path)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (file.size, file.mtime)


def settings_of(command: str, options: Any) -> dict[str, Any]:
    """What an output depends on: the command and its own options."""
    return {"command": command} | asdict(options)
