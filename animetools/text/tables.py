"""Corpora that are tables (CSV with a header, or JSON lines): their text columns, and their rows."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from animetools.errors import FatalError

LARGEST = 1 << 24  # characters of a field, and of a line
SEPARATORS = ",;\t|"
TITLE = "title"
TEXTS = "text", "content", "synopsis", "plot", "summary", "description"
_ENDING = re.compile(r"\.(csv|tsv|jsonl?|ndjson)(\.gz)?$", re.IGNORECASE)
_NAME = re.compile(r"[\w .#-]{1,64}")
_WORDS = 3  # most words in the name of an only column: more are a text

Lines = Iterable[tuple[int, str]]
Miss = Callable[[int, str], object]  # is called for a row that is left out: its line, and why


@dataclass(frozen=True)
class Table:
    """A file whose rows have named columns; a text is those of `columns`, with | between them."""

    path: str
    columns: tuple[str, ...]
    separator: str = ""  # of CSV; empty for JSON lines

    @property
    def kind(self) -> str:
        """The kind of table, and its columns, for messages."""
        return f"{'CSV' if self.separator else 'JSON lines'}, {'|'.join(self.columns)}"

    def texts(self, lines: Lines, miss: Miss) -> Iterator[str]:
        """The text of each row that has text in all of the columns.

        Raises FatalError for a field or a line that is too large.
        """
        whole = _whole(lines, self.path)
        rows = self._csv(whole, miss) if self.separator else _objects(whole, miss)
        for number, row in rows:
            found = [row.get(name) for name in self.columns]
            text = "|".join(each.strip() for each in found if isinstance(each, str))
            if all(isinstance(each, str) and each.strip() for each in found):
                yield text.replace("\0", "").encode(errors="replace").decode()
            else:
                miss(number, f"has no text in {' and '.join(self.columns)}")

    def _csv(self, lines: Lines, miss: Miss) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of CSV, each with the number of its last line."""
        number, raw = 0, list[str]()  # the last line, and all lines of a row

        def counted() -> Iterator[str]:
            nonlocal number
            for place, line in lines:
                number = place
                raw.append(line)
                yield line

        reader = csv.reader(counted(), delimiter=self.separator)
        try:
            names = [name.strip() for name in next(reader, [])]
            is_open = False
            raw.clear()
            for row in reader:
                begun = number - len(raw) + 1
                is_open = len(raw) > 1 and "".join(raw).count('"') % 2 == 1
                raw.clear()
                if len(row) == len(names):
                    yield number, dict(zip(names, row, strict=True))
                elif row:
                    miss(number, f"has {len(row)} of {len(names)} fields")
        except csv.Error as why:
            raise FatalError(
                f"{self.path}: line {number}: {why}: is a quotation mark left open?"
            ) from why
        if is_open:
            raise FatalError(f"{self.path}: line {begun}: a quotation mark is left open")


def table_of(path: str, head: Sequence[str], chosen: Sequence[str]) -> Table | None:
    """The table in a file, by its name and its first lines; None if it is not a table.

    Raises FatalError if no column is known to hold text, `chosen` columns are missing, or JSON is not
    in lines.
    """
    csv.field_size_limit(LARGEST)
    ending = _ENDING.search(path)
    kind = ending[1].lower() if ending else ""
    first = head[0].strip() if head else ""
    if first.startswith("{") and (keys := _keys(head)):
        return Table(path, _columns(path, keys, chosen))
    if first == "[" or first.startswith("[{") or (kind.startswith("json") and first[:1] == "["):
        raise FatalError(f"{path} is a JSON list, not JSON lines: convert it with jq -c '.[]'")
    if first == "{" or (kind.startswith("json") and first):
        raise FatalError(f"{path} is not JSON lines, one object per line: convert it with jq -c .")
    is_named = kind in ("csv", "tsv")
    separator, rows = _separated(head)
    names = [name.strip() for name in rows[0]] if rows else []
    known = {name.lower() for name in names}
    is_table = (
        len(names) > 1
        and all(map(_NAME.fullmatch, names))
        and not known.isdisjoint(TEXTS)
        and all(len(row) == len(names) for row in rows[1:2])
    )
    if separator == "|":  # the first of TITLE|SYNOPSIS lines is not a header
        is_named, is_table = False, is_table and TITLE in known
    if not (is_named or is_table or (chosen and set(chosen) <= set(names))) or not names:
        return None
    return Table(path, _columns(path, names, chosen), separator)


def _columns(path: str, names: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    """The columns that make up a text: those chosen, or else the usual ones."""
    if chosen and set(chosen) <= set(names):
        return tuple(chosen)
    known = {name.lower(): name for name in reversed(names)}
    texts = [known[name] for name in TEXTS if name in known][:1]
    titles = [known[TITLE]] if TITLE in known else []
    found = titles + texts if texts else list(names)[: len(names) == 1]
    if not (chosen or texts or titles) and found:
        name = found[0]
        if not _NAME.fullmatch(name) or len(name.split()) > _WORDS or name.endswith("."):
            raise FatalError(
                f"{path}: its first line must name the column, but is {name[:50]!r}: put the line"
                " text above it"
            )
    if found and not chosen:
        return tuple(found)
    listed = ", ".join(map(repr, names))[:200]
    lacks = [name for name in chosen if name not in names]
    what = f"has no column {lacks[0]!r}; it has" if lacks else "has no known text column; it has"
    raise FatalError(f"{path} {what} {listed}: name one with --column")


def _separated(head: Sequence[str]) -> tuple[str, list[list[str]]]:
    """The separator that gives the header the most columns, and the first rows split by it."""
    tried = []
    for separator in SEPARATORS:
        try:
            tried.append((separator, list(csv.reader(head, delimiter=separator))))
        except csv.Error:
            continue
    return max(tried, key=lambda each: len(each[1][0]) if each[1] else 0, default=(",", []))


def _keys(head: Sequence[str]) -> list[str]:
    """The keys of strings in the first JSON lines; empty if the first line is not an object."""
    rows = dict(_objects(enumerate(head), lambda *_: None))
    names = [name for row in rows.values() for name in row if isinstance(row[name], str)]
    return list(dict.fromkeys(names)) if 0 in rows else []


def _objects(lines: Lines, miss: Miss) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines:
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            row = line
        if isinstance(row, dict):
            yield number, row
        elif row is not None:
            miss(number, "is not a JSON object")


def _whole(lines: Lines, path: str) -> Iterator[tuple[int, str]]:
    """The lines, joined where they come in parts."""
    parts: list[str] = []
    last = 0
    for last, line in lines:
        parts.append(line)
        if sum(map(len, parts)) > LARGEST:
            raise FatalError(
                f"{path}: line {last} has more than {LARGEST >> 20} million characters"
            )
        if line.endswith("\n"):
            yield last, "".join(parts)
            parts.clear()
    if parts:
        yield last, "".join(parts)
