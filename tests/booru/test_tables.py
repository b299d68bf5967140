"""SQLite and Parquet files, in both schemas."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from animetools.booru.tables import reader_of
from animetools.errors import ItemError
from tests.conftest import Shell

COLUMNS: dict[str, list[Any]] = {
    "id": [1, 2, 263167],
    "md5": ["a", "b", "c"],
    "created_at": ["2023-01-01 00:00:00", "2023-02-01 00:00:00", "2023-03-01 00:00:00"],
    "score": [1, 2, None],
    "rating": ["g", "s", "e"],
    "image_width": [100, 200, 300],
    "file_ext": ["jpg", "png", "jpg"],
    "is_deleted": [False, True, False],
    "tag_string_general": ["smile hat", "smile", "hat"],
    "tag_string_character": ["miku", "", "rin"],
    "tag_string_artist": ["", "", "x"],
}
TAGS = [(10, "smile", 0), (11, "x", 1), (12, "miku", 2), (13, "vocaloid", 3), (14, "highres", 4)]
LINKS = [(2, 14), (1, 10), (1, 12), (1, 13), (2, 11), (99, 10), (1, 77)]


def sqlite(path: Path, **tables: tuple[str, Sequence[Sequence[Any]]]) -> str:
    """Write tables, each given by its columns and rows."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as base:
        for name, (columns, rows) in tables.items():
            base.execute(f"CREATE TABLE {name} ({columns})")
            marks = ", ".join("?" * len(columns.split(",")))
            base.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        base.commit()
    return str(path)


def one_table(folder: Path, kind: str, columns: dict[str, list[Any]]) -> str:
    """A file of posts with these columns."""
    path = folder / f"posts[1].{kind}"
    rows = list(zip(*columns.values(), strict=True))
    if kind == "sqlite":
        return sqlite(path, posts=(", ".join(columns), rows))
    with duckdb.connect() as base:
        kinds = {"id": "INT", "score": "INT", "image_width": "INT", "is_deleted": "BOOL"}
        kinds |= {"created_at": "TIMESTAMP"}
        base.execute(
            "CREATE TABLE posts ("
            + ", ".join(f"{c} {kinds.get(c, 'VARCHAR')}" for c in columns)
            + ")"
        )
        base.executemany(f"INSERT INTO posts VALUES ({', '.join('?' * len(columns))})", rows)
        base.execute(f"COPY posts TO '{path}' (FORMAT parquet)")
    return str(path)


@pytest.mark.parametrize("kind", ["sqlite", "parquet"])
def test_the_columns_of_the_api(kind: str, shell: Shell, tmp_path: Path) -> None:
    one_table(tmp_path, kind, COLUMNS)
    done = shell(f"booruselect 'posts[1].{kind}'")
    assert done.stdout.split() == ["original/0001/1.jpg", "original/0167/263167.jpg"], done.stderr
    for options, ids in {
        "--tag hat --no-tag miku": "263167\n",
        "--tag miku,smile": "1\n",
        "--character rin": "263167\n",
        "--inactive --rating s": "2\n",
        "--since 2023-02 --ext jpg": "263167\n",
        "--where 'image_width < 200'": "1\n",
    }.items():
        assert shell(f"booruselect --ids {options} 'posts[1].{kind}'").stdout == ids, options
    assert shell(f"booruselect --count-tags character *.{kind}").stdout == "miku\t1\nrin\t1\n"
    done = shell(f"booruselect --min-score 1 --ids *.{kind}")
    assert (done.returncode, done.stdout) == (1, "1\n")
    assert f"posts[1].{kind}: row 3: it has no score\n" in done.stderr


@pytest.mark.parametrize("kind", ["sqlite", "parquet"])
def test_missing_columns_are_named(kind: str, shell: Shell, tmp_path: Path) -> None:
    some = {name: COLUMNS[name] for name in ("id", "md5", "tag_string_general")}
    one_table(tmp_path, kind, some)
    assert shell(f"booruselect --ids --tag hat *.{kind}").stdout == "1\n263167\n"
    done = shell(f"booruselect --ids --min-score 3 --rating s *.{kind}")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        f"posts[1].{kind}: has no column rating, score: its columns are id, md5, tag_string_general\n"
        in done.stderr
    )
    done = shell(f"booruselect --count-tags artist *.{kind}")
    assert "has no column tag_string_artist" in done.stderr
    del some["tag_string_general"]
    one_table(tmp_path, kind, some)
    assert shell(f"booruselect *.{kind}").returncode == 1


@pytest.mark.parametrize("with_links", [True, False])
def test_tables_of_posts_and_tags(with_links: bool, shell: Shell, tmp_path: Path) -> None:
    posts = [(2, "b", 1, "png", 7), (1, "a", 0, "jpg", 5), (3, "c", 3, "gif", 9)]
    columns = "id INTEGER PRIMARY KEY, md5, rating, file_ext, score"
    tables: dict[str, tuple[str, Sequence[Sequence[Any]]]] = {"tag": ("id, name, type", TAGS)}
    if with_links:
        tables |= {"post": (columns, posts), "posttagrelation": ("id, post_id, tag_id", [])}
        links = [(n, *link) for n, link in enumerate(LINKS)]
        tables["posttagrelation"] = ("id, post_id, tag_id", links)
    else:
        texts = {n: " ".join(str(tag) for post, tag in LINKS if post == n) for n in (1, 2, 3)}
        rows = [(*post, texts[post[0]]) for post in posts]
        tables["post"] = (f"{columns}, tag_list", rows)
    sqlite(tmp_path / "db", **tables)
    assert shell("booruselect --ids db").stdout == "1\n2\n3\n"
    for options, ids in {
        "--tag smile,miku": "1\n",
        "--character miku": "1\n",
        "--character x": "",
        "--artist x --rating s": "2\n",
        "--no-tag smile --rating e": "3\n",
        "--copyright vocaloid --ext jpg --min-score 5": "1\n",
    }.items():
        done = shell(f"booruselect --ids {options} db")
        assert done.stdout == ids, (options, done.stderr)
    assert shell("booruselect --count-tags meta db").stdout == "highres\t1\n"


def test_the_numbers_of_the_api_in_a_table_of_tags(shell: Shell, tmp_path: Path) -> None:
    tags = [(1, "smile", 0), (2, "miku", 4), (3, "highres", 5)]
    links = [(1, 1), (1, 2), (1, 3)]
    sqlite(
        tmp_path / "db",
        tags=("id, name, category", tags),
        posts=("id, rating", [(1, "q")]),
        post_tags=("post_id, tag_id", links),
    )
    assert shell("booruselect --ids --character miku --rating q db").stdout == "1\n"
    assert shell("booruselect --count-tags meta db").stdout == "highres\t1\n"


def test_damaged_and_strange_tables_are_one_sentence(shell: Shell, tmp_path: Path) -> None:
    many = {"id": [*range(3000)], "tag_string": ["a b c"] * 3000}
    path = Path(one_table(tmp_path, "sqlite", many))
    path.write_bytes(path.read_bytes()[:20_000])
    other = Path(one_table(tmp_path, "parquet", COLUMNS))
    other.write_bytes(other.read_bytes()[:-30])
    sqlite(tmp_path / "db", recipes=("id, name", []))
    done = shell("booruselect --ids *.sqlite *.parquet db > ids; cat db | booruselect")
    told = done.stderr.splitlines()
    assert len(told) == 6
    assert told[0].startswith("booruselect: posts[1].sqlite: damaged, or not readable: ")
    assert told[1].startswith("booruselect: posts[1].parquet: damaged: ")
    assert told[2].startswith("booruselect: db: no table has the columns id and tag_string, ")
    assert told[2].endswith(": it has recipes (id, name)")
    assert told[4].startswith("booruselect: standard input: not a booru's metadata: ")


def test_a_name_that_is_not_unicode(shell: Shell, tmp_path: Path) -> None:
    one: dict[str, list[Any]] = {"id": [1], "tag_string": ["smile"]}
    for kind in ("sqlite", "parquet"):
        one_table(tmp_path, kind, one)
    done = shell(
        "mv *.sqlite $'d\\xe4b'; mv *.parquet $'p\\xe4'; booruselect --ids $'d\\xe4b' $'p\\xe4'"
    )
    assert (done.stdout, done.returncode) == ("1\n", 1)
    assert "DuckDB cannot read: rename it" in done.stderr


def test_rows_come_some_at_a_time(tmp_path: Path) -> None:
    columns = {"id": [*range(1200)], "tag_string": ["a b"] * 1200}
    for kind in ("sqlite", "parquet"):
        path = one_table(tmp_path, kind, columns)
        read = reader_of(path)
        assert read
        sizes = [len(rows) for rows in read(path, ())]
        assert sizes == [500, 500, 200]
        with pytest.raises(ItemError, match="has no column score"):
            list(read(path, {"score"}))
