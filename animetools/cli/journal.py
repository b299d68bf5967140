"""The journal of an output folder: which input gave which files, with which settings.

One SQLite file in the folder. A row is finished only after its files have their names, so a killed
run continues; rows that were only begun tell the next run where unfinished parts may be.
"""

import json
import os
import warnings
from contextlib import suppress
from typing import Any

from animetools import atomic
from animetools.cli.item import (
    LATEST,
    Facts,
    Item,
    Output,
    Rejected,
    Result,
    Written,
    below,
    is_same_file,
)
from animetools.database import Database
from animetools.errors import Advice, FatalError, ItemError
from animetools.names import beginning, placed
from animetools.settings import Settings

NAME = ".animetools.sqlite"
FOUND = "found"  # stored with the settings


class Journal:
    """The journal of one folder; several threads and processes may use it at once.

    Outputs of other settings are refused; those of something else that was `found` are kept.

    Methods raise FatalError if the folder cannot be written or the journal is damaged.
    """

    def __init__(
        self,
        folder: str,
        settings: Settings,
        found: str = "",
        *,
        force: bool = False,
    ) -> None:
        from animetools.cli import schema

        self.folder = folder
        self.settings = settings
        self.alike: set[int] = set()  # ids of settings that mean the same as ours
        self.found = found
        self.force = force
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as why:
            raise FatalError(f"{folder}: cannot make the output folder: {why.strerror}") from None
        self.root = os.path.join(os.path.realpath(folder), "")
        path = os.path.join(folder, NAME)
        self.base = Database(path, schema.prepare, cure="choose another -o", patience=60)
        extra = {FOUND: found} if found else {}
        words = json.dumps(self.settings.words() | extra, sort_keys=True)
        self.base.do(("INSERT OR IGNORE INTO settings (words) VALUES (?)", [words]))
        self.settings_id = self.base.ask("SELECT id FROM settings WHERE words = ?", words)[0][0]
        os.utime(path)  # now, by the clock that dates the outputs
        self.run = min(os.stat(path).st_mtime_ns, LATEST)
        begun = self.base.ask("SELECT stem FROM done WHERE begun")
        atomic.sweep(os.path.join(self.folder, os.fsdecode(stem)) for (stem,) in begun)

    def is_own(self, item: Item) -> bool:
        """Whether the item is a file that this command made here, or is making now."""
        path = placed(item.path)
        if not path.startswith(self.root):
            return False
        key = os.fsencode(path[len(self.root) :])
        found = self.base.ask(
            "SELECT words FROM files JOIN done USING (stem) JOIN settings ON settings.id = settings"
            " WHERE path = ?",
            key,
        )
        # A file gets its name a moment before its row, or long before if the run was killed.
        source = os.fsencode(os.path.abspath(item.path))
        found += [
            (words,)
            for words, stem, other in self.base.ask(
                "SELECT words, stem, source FROM done JOIN settings ON settings.id = settings"
                " WHERE begun AND begun <= ?",
                item.size_and_time[1],
            )
            if key.startswith(stem + b".") or (key == stem and source != other)
        ]
        return any(json.loads(words)["command"] == self.settings.command for (words,) in found)

    def begin(self, item: Item) -> list[Result] | Output:
        """What `item` gave before, if its files are still there; otherwise where to write them.

        Raises ItemError if files of another input have its names, FatalError if its own were made
        with other settings.
        """
        stem = below(self.folder, item.path)
        key = self._key(stem)
        now = (item.stamp, self.settings_id)
        killed = False
        row = self.base.ask(
            "SELECT source, stamp, settings, begun, results FROM done WHERE stem = ?", key
        )
        owned = [
            Written(below(self.folder, os.fsdecode(path)), size, mtime)
            for path, size, mtime in self.base.ask(
                "SELECT path, size, mtime FROM files WHERE stem = ?", key
            )
        ]
        if row:
            source, stamp, settings, begun, results = row[0]
            moved = self.force or stamp == item.stamp
            refuse_another(os.fsdecode(source), item.path, stem, moved=moved)
            standing = [file for file in owned if _stands(file)]
            if settings != self.settings_id and not self.force and self._alike(settings, standing):
                settings = self.settings_id
            fresh = [file for file in standing if os.lstat(file.path).st_ctime_ns >= self.run]
            if not item.is_file and fresh:
                refuse_other_content(item, stamp, fresh[0].path)
            if not item.is_file and standing and not self.force:
                cure = ", or -f overwrites it"
                refuse_other_content(item, stamp, standing[0].path, cure)
            is_same = (stamp, settings) == now and not self.force
            if is_same and not begun and len(standing) == len(owned):
                return self._recall(item, results)
            killed = is_same and bool(begun)
        self.base.do(
            (
                "INSERT INTO done VALUES (?, ?, ?, ?, ?, '[]') ON CONFLICT (stem) DO UPDATE SET"
                " source = excluded.source, stamp = excluded.stamp,"
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
        """Record the results of an item; delete files of an earlier run that it no longer gives."""
        kept = {file.path for file in files}
        stem = beginning(output.stem)
        for old in output.owned:
            if old.path not in kept and old.path.startswith(stem) and _is_untouched(old):
                with suppress(OSError):
                    os.unlink(old.path)
        key = self._key(output.stem)
        source = os.fsencode(os.path.abspath(item.path))
        stored = json.dumps([self._stored(item, result) for result in results])
        rows = []
        for file in files:
            with suppress(FileNotFoundError):  # as it is now: another process may write it too
                file = Written.now(file.path)
            rows.append([self._key(file.path), key, file.size, file.mtime])
        self.base.do(
            (
                "INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?, 0, ?)",
                [key, source, item.stamp, self.settings_id, stored],
            ),
            ("DELETE FROM files WHERE stem = ?", [key]),
            *(("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", row) for row in rows),
        )

    def give_up(self, output: Output) -> None:
        """Record that an item failed: the next run tries again; files of an earlier run stay ours."""
        if not output.owned:
            self.base.do(("DELETE FROM done WHERE stem = ? AND begun", [self._key(output.stem)]))

    def close(self) -> None:
        """Close the database."""
        self.base.close()

    def _key(self, path: str) -> bytes:
        return os.fsencode(path[len(self.folder) + 1 :])

    def _stored(self, item: Item, result: Result) -> list[Any]:
        """A result in JSON, without the facts that came with the item."""
        if isinstance(result, str):
            return [result]
        if isinstance(result, Rejected):
            return [result.reason, result.evidence, None]
        name = "" if result.path == item.path else result.path[len(self.folder) + 1 :]
        return [name, None, result.own]

    def _recall(self, item: Item, results: str) -> list[Result]:
        try:
            return [self._recalled(item, *stored) for stored in json.loads(results)]
        except (ValueError, TypeError, RecursionError):
            raise FatalError(f"{self.folder}/{NAME} is damaged: delete it") from None

    def _recalled(
        self, item: Item, name: str, evidence: str | None = None, facts: Facts | None = None
    ) -> Result:
        if facts is None:
            return name if evidence is None else Rejected(item.path, name, evidence)
        return item.made(below(self.folder, name), **facts) if name else item.noted(**facts)

    def _alike(self, settings: int, standing: list[Written]) -> bool:
        """Whether settings that are written otherwise, as by an older version, mean the same as ours.

        Raises FatalError if not, and files that were made with them are there; warns if these were
        made with something else found.
        """
        if settings in self.alike:
            return True
        row = self.base.ask("SELECT words FROM settings WHERE id = ?", settings)
        old = json.loads(row[0][0])
        found = old.pop(FOUND, self.found)
        differs = self.settings.difference(old)
        if not standing and (differs or found != self.found):
            return False
        if differs:
            was, now = differs
            raise FatalError(
                f"{standing[0].path} was made {was}, this run is {now}: choose another -o, or -f to make it again"
            )
        self.alike.add(settings)
        if found != self.found:
            warnings.warn(
                f"{self.folder}: outputs made with {found} stay; new ones are made with"
                f" {self.found} (-f makes all again)",
                Advice,
                stacklevel=1,
            )
        return True


def refuse_another(old: str, new: str, stem: str, *, moved: bool = False) -> None:
    """Raise ItemError if two inputs would share outputs; an input that has `moved` is the same."""
    if os.path.abspath(old) == os.path.abspath(new) or (moved and not os.path.exists(old)):
        return
    if is_same_file(old, new):
        return
    raise ItemError(f"its outputs would replace those of {old} ({stem}*): rename one of the two")


def refuse_other_content(item: Item, stamp: str, place: str, cure: str = "") -> None:
    """Raise ItemError if an item that is not a file is another than the one with that stamp."""
    if item.stamp != stamp:
        raise ItemError(f"{place} was made from something else: choose another name or -o{cure}")


def _stands(file: Written) -> bool:
    """Whether the file exists with its size; its content may have been edited."""
    try:
        return os.stat(file.path).st_size == file.size
    except OSError:
        return False


def _is_untouched(file: Written) -> bool:
    with suppress(OSError):
        return Written.now(file.path) == file
    return False
