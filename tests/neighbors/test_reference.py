"""What is known of reference pictures: in an index, also of a run that was killed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from animetools.errors import FatalError
from animetools.neighbors.comparison import Rows
from animetools.neighbors.hashes import Hashes
from animetools.neighbors.index import Index
from animetools.neighbors.reference import KEPT_AT_ONCE, Reference

COUNT = 2 * KEPT_AT_ONCE + 50
ROWS = np.random.default_rng(0).integers(0, 2**64, (COUNT, Hashes().none.shape[1]), np.uint64)


def listed(place: str, stamp: str = "1:1") -> Reference:
    reference = Reference(place)
    for number in range(COUNT):
        reference.add(f"{place}/{number}.png", {}, stamp)
    reference.begin(Hashes().none)
    return reference


def until(end: int) -> Iterator[tuple[int, Rows]]:
    """Rows, of a run that is killed behind so many."""
    yield from ((number, ROWS[number]) for number in range(end))
    raise KeyboardInterrupt


def test_what_was_computed_before_a_kill_is_kept(tmp_path: Path) -> None:
    index = Index(str(tmp_path / "i"), "x")
    with pytest.raises(KeyboardInterrupt):
        listed("ref").fill(until(COUNT - 1), index)
    again = listed("elsewhere/ref")  # the folder may have moved
    again.recall(Index(str(tmp_path / "i"), "x"))
    assert again.missing() == list(range(2 * KEPT_AT_ONCE, COUNT))
    assert np.array_equal(again.rows[: 2 * KEPT_AT_ONCE], ROWS[: 2 * KEPT_AT_ONCE])
    changed = listed("ref", "1:2")
    changed.recall(index)
    assert len(changed.missing()) == COUNT


def test_pictures_without_a_row_are_left_out(tmp_path: Path) -> None:
    reference = listed("ref")
    reference.fill(((n, ROWS[n]) for n in range(0, COUNT, 3)), None)
    assert len(reference) == len(range(0, COUNT, 3))
    assert reference.paths == [f"ref/{n}.png" for n in range(0, COUNT, 3)]
    assert np.array_equal(reference.rows, ROWS[::3])
    assert reference.picture(1) == ("ref/3.png", {})
    again = listed("ref")
    again.begin(Hashes().none)
    again.fill([], None)
    assert len(again) == 0


def change(path: Path, *statements: str) -> bytes:
    """Execute statements in a database, and return its file."""
    with closing(sqlite3.connect(path)) as base, base:
        for statement in statements:
            base.execute(statement)
    return path.read_bytes()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE notes (text)",
        "CREATE TRIGGER t AFTER INSERT ON rows BEGIN DELETE FROM made; END",
    ],
)
def test_a_database_that_is_no_index_is_left_alone(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "i"
    if "TRIGGER" in statement:
        Index(str(path), "x").close()
    before = change(path, "PRAGMA journal_mode = DELETE", statement)
    with pytest.raises(FatalError, match="a database of another program: give another file"):
        Index(str(path), "x")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["i"]


def test_rows_of_another_kind_are_computed_again(tmp_path: Path) -> None:
    index = Index(str(tmp_path / "i"), "x")
    listed("ref").fill(enumerate(ROWS), index)
    index.close()
    change(
        tmp_path / "i",
        "INSERT INTO made VALUES (1, 'y')",
        "UPDATE rows SET row = NULL WHERE rowid = 1",
        "UPDATE rows SET row = 'text of 32 characters, as a row!' WHERE rowid = 2",
        "UPDATE rows SET row = 7 WHERE rowid = 3",
    )
    again = listed("ref")
    again.recall(Index(str(tmp_path / "i"), "x"))
    assert len(again.missing()) == 3
