"""Metadata in tables, of SQLite and Parquet files, as records with the names of Danbooru's API."""

import math
import os
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

from animetools.booru.post import KINDS, Post
from animetools.booru.where import COLUMNS
from animetools.database import address
from animetools.errors import ItemError
from animetools.tags import CATEGORIES, GENERAL

Row = dict[str, Any]
Rows = Iterator[list[Row]]

AT_ONCE = 500  # rows
KNOWN = sorted({*Post.__struct_fields__, *COLUMNS} - {"tags"})
TAG_STRINGS = {"tag_string", *(f"tag_string_{kind}" for kind in KINDS)}
FLAGS = ("is_deleted", "is_banned", "is_pending")

# Files with tables of posts and of tags number these in their own way.
RATINGS = "gsqe"
TYPES = dict(enumerate((GENERAL, "artist", "character", "copyright", "meta")))


def reader_of(path: str) -> Callable[[str, Collection[str]], Rows] | None:
    """What reads the file, some rows at a time, if it holds tables.

    It gets the path and the columns that it must find, and raises ItemError if it cannot.
    """
    with open(path, "rb") as file:
        head = file.read(16)
    if head == b"SQLite format 3\0":
        return sqlite_rows
    return parquet_rows if head.startswith(b"PAR1") else None


def parquet_rows(path: str, wanted: Collection[str]) -> Rows:
    """The rows of a Parquet file."""
    try:
        import duckdb
    except ImportError:
        raise ItemError("Parquet needs another package: pip install 'animetools[booru]'") from None
    name = re.sub(r"[*?\[]", r"[\g<0>]", os.path.abspath(path))  # no pattern, and no address
    if name.encode(errors="replace").decode() != name:
        raise ItemError("its path is not UTF-8, which DuckDB cannot read: rename it")
    with duckdb.connect(config={"threads": 1, "autoload_known_extensions": False}) as base:
        try:
            found = base.execute("SELECT * FROM read_parquet(?) LIMIT 0", [name]).description or []
            columns = _columns([column[0] for column in found], wanted)
            rows = base.execute(f"SELECT {', '.join(columns)} FROM read_parquet(?)", [name])
            while some := rows.fetchmany(AT_ONCE):
                yield [_row(columns, values) for values in some]
        except duckdb.Error as why:
            raise ItemError(f"damaged: {str(why).splitlines()[0]}") from None


def sqlite_rows(path: str, wanted: Collection[str]) -> Rows:
    """The rows of the posts in an SQLite file."""
    try:
        with closing(sqlite3.connect(address(path), uri=True, check_same_thread=False)) as base:
            base.execute("PRAGMA trusted_schema = OFF")
            base.text_factory = lambda data: data.decode("utf-8", "replace")
            yield from _posts(base, wanted)
    except sqlite3.Error as why:
        raise ItemError(f"damaged, or not readable: {why}") from None


def _posts(base: sqlite3.Connection, wanted: Collection[str]) -> Rows:
    tables = {
        name: [row[1] for row in base.execute(f"PRAGMA table_info({_quoted(name)})")]
        for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    for table, names in tables.items():
        if "id" in names and TAG_STRINGS & set(names):
            columns = _columns(names, wanted)
            rows = base.execute(f"SELECT {', '.join(columns)} FROM {_quoted(table)}")
            while some := rows.fetchmany(AT_ONCE):
                yield [_row(columns, values) for values in some]
            return
    yield from _tagged(base, tables, wanted)


def _tagged(
    base: sqlite3.Connection, tables: dict[str, list[str]], wanted: Collection[str]
) -> Rows:
    """Posts whose tags are ids: in a table of links, or in a column."""
    post = next((name for name in ("post", "posts") if "id" in tables.get(name, [])), None)
    tag = next(
        (name for name in ("tag", "tags") if {"id", "name"} <= {*tables.get(name, [])}), None
    )
    if post is None or tag is None:
        found = ", ".join(f"{name} ({', '.join(names)})" for name, names in tables.items())
        raise ItemError(
            "no table has the columns id and tag_string, and there are no tables post (id) and tag"
            f" (id, name): it has {found or 'no tables'}"
        )
    known = _tags(base, tag, tables[tag])
    columns = _columns([*tables[post], *TAG_STRINGS], wanted)
    columns = [name for name in columns if name not in TAG_STRINGS]
    lists = [name for name in tables[post] if "tag" in name and _holds_ids(base, post, name)]
    ids = _listed(base, post, columns, lists[0]) if lists else _linked(base, tables, post, columns)
    rows: list[Row] = []
    for values, numbers in ids:
        row = _row(columns, values) | dict.fromkeys(TAG_STRINGS - {"tag_string"}, "")
        for name, kind in [known[number] for number in numbers if number in known]:
            row[f"tag_string_{kind}"] += f" {name}"
        rows.append(row)
        if len(rows) == AT_ONCE:
            yield rows
            rows = []
    if rows:
        yield rows


def _listed(
    base: sqlite3.Connection, post: str, columns: Sequence[str], ids: str
) -> Iterator[tuple[Sequence[Any], list[int]]]:
    """The columns of each post, and the ids of its tags from a column of text."""
    for *values, text in base.execute(f"SELECT {', '.join([*columns, _quoted(ids)])} FROM {post}"):
        yield values, [int(number) for number in re.findall(r"\d{1,18}", str(text), re.ASCII)]


def _linked(
    base: sqlite3.Connection, tables: dict[str, list[str]], post: str, columns: Sequence[str]
) -> Iterator[tuple[Sequence[Any], list[int]]]:
    """The columns of each post, and the ids of its tags from the table of links.

    Both are read once, in the order of the posts: a query for each post would be slow without an
    index.
    """
    for name, names in tables.items():
        ours = next((name for name in ("post_id", "post") if name in names), None)
        theirs = next((name for name in ("tag_id", "tag") if name in names), None)
        if ours and theirs:
            break
    else:
        raise ItemError(
            f"{post} has no column with the ids of tags, and no table has post_id and tag_id"
        )
    links = groupby(
        base.execute(
            f"SELECT {ours}, {theirs} FROM {_quoted(name)}"
            f" WHERE typeof({ours}) = 'integer' ORDER BY {ours}"
        ),
        key=lambda link: link[0],
    )
    at, linked = next(links, (math.inf, iter(())))
    found = base.execute(
        f"SELECT id, {', '.join(columns)} FROM {post} WHERE typeof(id) = 'integer' ORDER BY id"
    )
    for number, *values in found:
        while at < number:
            at, linked = next(links, (math.inf, iter(())))
        yield values, [tag for _, tag in linked] if at == number else []


def _tags(base: sqlite3.Connection, table: str, names: Sequence[str]) -> dict[int, tuple[str, str]]:
    """Each tag's name and category."""
    column = next((name for name in ("type", "category") if name in names), "0")
    values = {value for (value,) in base.execute(f"SELECT DISTINCT {column} FROM {table}")}
    is_api = 5 in values or (2 not in values and column == "category")  # only the API has a 5
    words = {word: word for word in KINDS}
    kinds: dict[Any, str] = words | (CATEGORIES if is_api else TYPES)
    rows = base.execute(f"SELECT id, name, {column} FROM {table}")
    return {
        number: ("_".join(str(name).split()), kind if kind in KINDS else GENERAL)
        for number, name, value in rows
        for kind in [kinds.get(value, GENERAL)]
    }


def _holds_ids(base: sqlite3.Connection, table: str, column: str) -> bool:
    """Whether a column is text with numbers, such as 1 22 333."""
    query = f"SELECT {_quoted(column)} FROM {table} WHERE length({_quoted(column)}) > 0 LIMIT 1"
    found = base.execute(query).fetchone()
    return bool(
        found
        and isinstance(found[0], str)
        and re.fullmatch(r"\W*\d+(\W+\d+)*\W*", found[0][:10_000], re.ASCII)
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _columns(names: Collection[str], wanted: Collection[str]) -> list[str]:
    """Those that a post can have.

    Raises ItemError, which names what is missing.
    """
    missing = sorted({"id", *wanted} - {*names})
    if missing or not TAG_STRINGS & {*names}:
        lacking = ", ".join(missing or ["tag_string"])
        raise ItemError(f"has no column {lacking}: its columns are {', '.join(names)}")
    return [name for name in KNOWN if name in names]


def _row(columns: Sequence[str], values: Sequence[Any]) -> Row:
    """The values as JSON of the API has them."""
    return {name: _plain(name, value) for name, value in zip(columns, values, strict=True)}


def _plain(name: str, value: Any) -> Any:
    if value is None or value == "" or value != value:  # NaN
        return None
    if name == "rating" and isinstance(value, int):
        return RATINGS[value] if 0 <= value < len(RATINGS) else None
    if name in FLAGS:
        return value in (True, "1", "t", "true", "True")
    if name == "created_at" and isinstance(value, int):
        return str(datetime.fromtimestamp(min(max(value, 0), 1 << 34), UTC))
    if isinstance(value, date):
        return str(value)
    if isinstance(value, list):
        return " ".join(map(str, value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
