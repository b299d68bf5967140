"""What a site has: its faces by number, its sets of several psi, and the other files that are ours."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from animetools.atomic import claim
from animetools.database import Database, copy_into
from animetools.errors import FatalError
from animetools.settings import Settings
from animetools.site.place import Place

if TYPE_CHECKING:
    from sqlite3 import Connection

    from animetools.site.pictures import Format

NAME = ".waifusite.sqlite"

# Whoever uploads the folder publishes this file with it: digests are in it in place of names.
_TABLES = """
CREATE TABLE IF NOT EXISTS words (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS faces (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,  -- digest of the path of the image
    stamp TEXT NOT NULL,       -- of the image
    text_stamp TEXT NOT NULL,  -- of its text; empty: it has none
    seed INTEGER,
    kin BLOB NOT NULL,         -- see Origin
    psi REAL
);
CREATE INDEX IF NOT EXISTS by_kin ON faces (kin, psi) WHERE kin != x'';
CREATE TABLE IF NOT EXISTS edits (
    number INTEGER PRIMARY KEY,  -- of a face
    edit TEXT NOT NULL,
    amount REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS sets (number INTEGER PRIMARY KEY, kin BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS files (
    name TEXT NOT NULL,
    digest BLOB NOT NULL,      -- of what is in it, or will be in a moment
    PRIMARY KEY (name, digest)
);
"""


@dataclass(frozen=True)
class Known:
    """A face of the site: its number, and what it was made of."""

    number: int
    stamp: str
    text_stamp: str
    seed: int | None
    kin: bytes


class Ledger:
    """The ledger of a site in a folder; one process at a time writes it.

    With `dry` it is a temporary copy: not even the folder is made.

    Raises FatalError, at any step, if the folder is something else, was made with other settings or
    is in use.
    """

    def __init__(self, folder: str, settings: Settings, *, dry: bool) -> None:
        self.folder = folder
        path = os.path.join(folder, NAME)
        is_there = _is_site(folder, path)
        self.lock = -1
        if not dry:
            self.lock = _claimed(folder)

        def prepare(base: "Connection") -> None:
            if dry and is_there:
                copy_into(base, path)
            base.executescript(_TABLES)

        self.base = Database("" if dry else path, prepare, name=path, cure="choose another -o")
        self.dry = dry
        self.begun = int(self.word("begun") or -1)
        then = json.loads(self.word("settings") or "null")
        if then and (difference := settings.difference(then)):
            was, now = difference
            raise FatalError(f"{folder} was made {was}, this run is {now}: choose another -o")
        if not then:
            self.keep_word("settings", json.dumps(settings.words()))

    def close(self) -> None:
        """Let another process have the site."""
        self.base.close()
        if self.lock >= 0:
            os.close(self.lock)

    def word(self, name: str) -> str | None:
        """The word that is kept under a name."""
        found = self.base.ask("SELECT value FROM words WHERE name = ?", name)
        return found[0][0] if found else None

    def keep_word(self, name: str, value: str) -> None:
        """Keep a word."""
        self.base.do(("INSERT OR REPLACE INTO words VALUES (?, ?)", (name, value)))

    def known(self, key: bytes) -> Known | None:
        """The face of a path that has this key.

        One of an older version, which knew no edits, has no stamp: it is made again.
        """
        found = self.base.ask(
            "SELECT number, iif(edit IS NULL, '', stamp), text_stamp, seed, kin"
            " FROM faces LEFT JOIN edits USING (number) WHERE key = ?",
            key,
        )
        return Known(*found[0]) if found else None

    def count(self) -> int:
        """The number of faces."""
        return int(self.base.ask("SELECT count(*) FROM faces")[0][0])

    def counts(self) -> tuple[int, int]:
        """How many texts and how many sets there are."""
        (texts,) = self.base.ask("SELECT count(*) FROM faces WHERE text_stamp != ''")[0]
        (sets,) = self.base.ask("SELECT count(*) FROM sets")[0]
        return texts, sets

    @property
    def format(self) -> "Format | None":
        """The format of the images, if there are any."""
        return cast("Format | None", self.word("format"))

    def begin(self, number: int) -> None:
        """Remember that files of a face are made: if the run is killed they are ours."""
        self.keep_word("begun", str(number))
        self.begun = number

    @contextmanager
    def finishing(self, key: bytes, face: Known, place: Place) -> Iterator[None]:
        """Record a face whose files are there, if the block that writes its sets succeeds."""
        with self.base.whole():
            self.base.do(
                (
                    "INSERT OR REPLACE INTO faces VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (face.number, key, face.stamp, face.text_stamp, face.seed, face.kin, place.psi),
                )
            )
            self.base.do(
                (
                    "INSERT OR REPLACE INTO edits VALUES (?, ?, ?)",
                    (face.number, place.edit, place.amount),
                )
            )
            yield

    def kin(self, kin: bytes) -> list[tuple[Place, int]]:
        """Place and number of the faces of one kin, the first of each place."""
        rows = self.base.ask(
            "SELECT psi, edit, amount, min(number) FROM faces JOIN edits USING (number)"
            " WHERE kin = ? AND kin != x'' GROUP BY psi, edit, amount",
            kin,
        )
        return [(Place(psi, edit, amount), number) for psi, edit, amount, number in rows]

    def set_number(self, kin: bytes) -> int:
        """The number of the set of these faces, from now on if they had none."""
        found = self.base.ask("SELECT number FROM sets WHERE kin = ?", kin)
        if found:
            return int(found[0][0])
        number = int(self.base.ask("SELECT count(*) FROM sets")[0][0])
        self.base.do(("INSERT INTO sets VALUES (?, ?)", (number, kin)))
        return number

    def drop_set(self, kin: bytes) -> bytes:
        """Forget the set of these faces, if they had one.

        Returns the kin of the last set if it has the number from now on, which leaves no gap.
        """
        found = self.base.ask("SELECT number FROM sets WHERE kin = ?", kin)
        if not found:
            return b""
        last: bytes = self.base.ask("SELECT kin FROM sets ORDER BY number DESC LIMIT 1")[0][0]
        self.base.do(("DELETE FROM sets WHERE kin = ?", (kin,)))
        if last == kin:
            return b""
        self.base.do(("UPDATE sets SET number = ? WHERE kin = ?", (found[0][0], last)))
        return last

    def is_ours(self, name: str, digest: bytes) -> bool:
        """Whether a file with this content is one that we wrote under the name."""
        query = "SELECT 1 FROM files WHERE name = ? AND digest = ?"
        return bool(self.base.ask(query, name, digest))

    def announce(self, name: str, digest: bytes) -> None:
        """Remember that a file of this content may now be under the name."""
        self.base.do(("INSERT OR IGNORE INTO files VALUES (?, ?)", (name, digest)))

    def settle(self, contents: dict[str, bytes], kept: Collection[str]) -> list[tuple[str, bytes]]:
        """The files that are ours, by name and digest, and not needed any more; they are forgotten.

        Needed are those with these contents, and those whose names are `kept`.
        """
        rows: list[tuple[str, bytes]] = self.base.ask("SELECT name, digest FROM files")
        gone = [row for row in rows if row[0] not in kept and contents.get(row[0]) != row[1]]
        self.base.do_for_each("DELETE FROM files WHERE name = ? AND digest = ?", gone)
        return [row for row in gone if row[0] not in contents]


def digest_of(data: bytes) -> bytes:
    """What stands for a content, or a path, in the ledger."""
    return hashlib.sha256(data).digest()[:16]


def _is_site(folder: str, path: str) -> bool:
    """Whether a site is there, False if nothing is.

    Raises FatalError if something else is.
    """
    if os.path.isfile(path):
        return True
    names: Collection[str] = ()
    with suppress(FileNotFoundError):
        try:
            names = os.listdir(folder)
        except NotADirectoryError:
            raise FatalError(f"{folder} is not a folder: choose another -o") from None
    if names:
        raise FatalError(
            f"{folder} has other files in it and is not a site of waifusite: choose another -o"
        )
    return False


def _claimed(folder: str) -> int:
    try:
        return claim(os.path.realpath(folder), folder=True)
    except BlockingIOError:
        raise FatalError(f"{folder}: another waifusite is writing it: wait for it") from None
