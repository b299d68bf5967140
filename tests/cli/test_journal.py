"""What a folder remembers, also one that an older version made."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.cli import records
from animetools.cli.item import Item, Output, Result
from animetools.cli.journal import NAME, Journal
from animetools.errors import ItemError
from animetools.settings import Settings
from tests.conftest import Shell

# Version 0: of a file its size and time; of another item -1 and a digest, or 0.
OLD = """
DROP INDEX begun;
ALTER TABLE done RENAME TO newer;
CREATE TABLE done (
    stem BLOB PRIMARY KEY, source BLOB NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
    settings INTEGER NOT NULL REFERENCES settings, begun INTEGER NOT NULL, results TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO done SELECT stem, source,
    CASE instr(stamp, ':') WHEN 0 THEN -1 ELSE substr(stamp, 1, instr(stamp, ':') - 1) END,
    CASE stamp WHEN '' THEN 0 ELSE substr(stamp, instr(stamp, ':') + 1) END,
    settings, begun, results
FROM newer;
DROP TABLE newer;
CREATE INDEX begun ON done (begun) WHERE begun;
PRAGMA user_version = 0;
"""


def make_old(folder: Path) -> list[tuple[int, int]]:
    """Turn a folder's journal into one of version 0; the sizes and times in it."""
    with closing(sqlite3.connect(folder / NAME, isolation_level=None)) as base:
        base.executescript(OLD)
        return base.execute("SELECT size, mtime FROM done").fetchall()


def test_a_folder_of_an_older_version_goes_on(shell: Shell, raw: Path) -> None:
    first = shell("$FILTERS copier raw")
    rows = make_old(raw.parent / "copies")
    assert (7, (raw / "b/19.png").stat().st_mtime_ns) in rows
    (raw / "a/00.png").write_bytes(b"changed")
    again = shell("rm log; $FILTERS copier raw")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert (raw.parent / "log").read_text() == "'raw/a/00.png'\n"
    assert "was made with --size 5" in shell("$FILTERS copier raw --size 6").stderr


@pytest.mark.parametrize("digest", ["", "3735928559"])
def test_items_of_an_older_version_that_are_no_files_go_on(tmp_path: Path, digest: str) -> None:
    item = Item("/seed0001", stamp=digest)
    made = make(tmp_path, item)
    assert make_old(tmp_path) == [(-1, int(digest or 0))]
    assert remembered(tmp_path, item) == made
    assert remembered(tmp_path, Item("/seed0001", stamp="1")) is None


def test_a_killed_upgrade_of_a_journal_loses_nothing(shell: Shell, raw: Path) -> None:
    first = shell("$FILTERS copier raw")
    make_old(raw.parent / "copies")
    with closing(sqlite3.connect(raw.parent / "copies" / NAME)) as base:
        base.execute("CREATE TABLE before (stem)")  # in the way: the upgrade fails half-way
    failed = shell("$FILTERS copier raw")
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (2, "", 1)
    with closing(sqlite3.connect(raw.parent / "copies" / NAME)) as base:
        base.execute("DROP TABLE before")
    assert shell("rm log; $FILTERS copier raw; test ! -e log").stdout == first.stdout


def test_a_journal_of_a_newer_version_is_left_as_it_is(shell: Shell, raw: Path) -> None:
    shell("$FILTERS copier raw")
    with closing(sqlite3.connect(raw.parent / "copies" / NAME)) as base:
        base.execute("PRAGMA user_version = 99")
    done = shell("$FILTERS copier raw")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "written by a newer version of animetools" in done.stderr


STAMPS = st.text(st.characters(codec="utf-8", exclude_characters=":\0"), max_size=20)
STAMPS |= st.tuples(st.integers(0), st.integers()).map(lambda pair: f"{pair[0]}:{pair[1]}")


@given(stamp=STAMPS, other=STAMPS, line=st.text(st.characters(codec="utf-8")))
def test_what_an_item_gave_is_remembered_by_its_stamp(
    tmp_path_factory: pytest.TempPathFactory, stamp: str, other: str, line: str
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    item = Item("/one", {"came": 1}, stamp, load=object())
    results: list[Result] = [item.noted(found=2), item.rejected("reason", "evidence"), line]
    make(folder, item, results)
    assert remembered(folder, item) == results
    assert (remembered(folder, Item("/one", stamp=other)) is None) == (stamp != other)


def make(folder: Path, item: Item, results: list[Result] | None = None) -> list[Result]:
    """Have a folder remember an item with these results, or with a file."""
    journal = Journal(str(folder), Settings("maker"))
    output = journal.begin(item)
    assert isinstance(output, Output)
    made = results or [item.made(output.write(".txt", lambda: b"text"))]
    journal.finish(output, item, made, output.commit())
    journal.close()
    return made


def remembered(folder: Path, item: Item) -> list[Result] | None:
    """What a folder remembers of an item."""
    journal = Journal(str(folder), Settings("maker"), force=False)
    try:
        begun = journal.begin(item)
    except ItemError:
        return None
    finally:
        journal.close()
    return None if isinstance(begun, Output) else begun


@pytest.mark.parametrize(
    ("kind", "name", "known"), [("TABLE", "a", 1), ("VIEW", "a", 0), ("TABLE", "a" * 2000, 0)]
)
def test_a_journal_of_a_stranger_only_has_short_tables(
    kind: str, name: str, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.png").write_bytes(b"1")
    with closing(sqlite3.connect(tmp_path / NAME)) as base:
        base.executescript(
            f"CREATE {kind} files AS SELECT CAST('x.png' AS BLOB) AS path, 1 AS stem, 1 AS size;"
            f"CREATE {kind} done AS SELECT 1 AS stem, x'2f' AS source,"
            f""" '[["x.png", null, {{"{name}": 1}}]]' AS results;"""
        )
    monkeypatch.setattr(records, "_LONGEST", 1000)
    with records.Records() as journals:
        assert journals.facts(str(tmp_path / "x.png")) == ({name: 1} if known else {})
