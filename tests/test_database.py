"""SQLite files that survive a kill."""

import sqlite3
from pathlib import Path

import pytest

from animetools.database import Database
from animetools.errors import FatalError

DELETE = "delete it"


def prepare(base: sqlite3.Connection) -> None:
    """One table, in a file that is full after some pages."""
    base.execute("CREATE TABLE IF NOT EXISTS words (word BLOB)")
    base.execute("PRAGMA max_page_count = 4")


def fill(database: Database) -> None:
    """Write more than it holds."""
    database.do(("INSERT INTO words VALUES (?)", [bytes(100_000)]))


def test_of_a_full_disk_it_does_not_say_to_delete_the_file(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "a.sqlite"), prepare, cure=DELETE)
    with pytest.raises(FatalError, match=r"a.sqlite: no space left on device: free some") as why:
        fill(database)
    assert DELETE not in str(why.value)


def test_of_a_full_temporary_disk_it_names_tmpdir() -> None:
    database = Database("", prepare, name="temporary list")
    with pytest.raises(FatalError, match=r"temporary list: no space left on device: set TMPDIR"):
        fill(database)


def test_a_file_that_another_process_uses_is_not_to_be_deleted(tmp_path: Path) -> None:
    place = str(tmp_path / "a.sqlite")
    first, second = (Database(place, prepare, cure=DELETE, patience=0.01) for _ in range(2))
    with first.whole(), pytest.raises(FatalError, match="another process uses it") as why:
        fill(second)
    assert DELETE not in str(why.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"cannot write to the folder .*/gone$"):
        Database(str(tmp_path / "gone/a.sqlite"), prepare, cure="give another file")


def test_of_a_damaged_file_it_says_what_to_do(tmp_path: Path) -> None:
    place = tmp_path / "a.sqlite"
    place.write_bytes(b"no database, but as long as its header" * 100)
    with pytest.raises(FatalError, match=DELETE):
        Database(str(place), prepare, cure=DELETE)
