"""Tags that other tags imply, such as hair_ornament beside hair_flower."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

from animetools.errors import FatalError
from animetools.tagging.names import read_text
from animetools.tags import Tag

Implications = Mapping[str, frozenset[str]]  # what each tag implies, directly

SHIPPED = os.path.join(os.path.dirname(__file__), "implications.csv")
ANTECEDENT, CONSEQUENT, STATUS = "antecedent_name", "consequent_name", "status"


def read_implications(path: str = SHIPPED) -> Implications:
    """The implications of a file as Danbooru gives them, of which only the active ones hold.

    It is CSV with a header, JSON lines, or a JSON list, with antecedent_name, consequent_name and
    perhaps status.

    Raises FatalError, one sentence, for any other file.
    """
    text = read_text(path)
    rows = _json_rows(path, text) if text.lstrip()[:1] in ("[", "{") else _csv_rows(path, text)
    found: dict[str, set[str]] = {}
    for row in rows:
        if row.get(STATUS) in (None, "active"):
            found.setdefault(row[ANTECEDENT], set()).add(row[CONSEQUENT])
    return {name: frozenset(implied) for name, implied in found.items()}


def pruned(tags: Sequence[Tag], implications: Implications) -> list[Tag]:
    """The tags that no other one of them implies; of tags that imply each other, all stay."""
    implied = {tag.name: _all_implied(tag.name, implications) for tag in tags}
    superfluous = {
        name
        for tag, names in implied.items()
        for name in names
        if tag not in implied.get(name, set())
    }
    return [tag for tag in tags if tag.name not in superfluous]


def _all_implied(name: str, implications: Implications) -> set[str]:
    """What a tag implies, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = implications.get(waiting.pop(), frozenset()) - found
        found |= new
        waiting += new
    return found


def _csv_rows(path: str, text: str) -> Iterator[dict[str, Any]]:
    rows = csv.DictReader(StringIO(text, newline=""))
    try:
        yield from (_checked(path, rows.line_num, row) for row in rows)
    except csv.Error as why:
        raise FatalError(f"{path}, line {rows.line_num}: {why}") from None


def _json_rows(path: str, text: str) -> Iterator[dict[str, Any]]:
    is_list = text.lstrip().startswith("[")
    try:
        rows: Iterable[Any] = json.loads(text) if is_list else map(json.loads, _lines(text))
        for number, row in enumerate(rows, 1):
            yield _checked(path, number, row)
    except (ValueError, RecursionError):
        raise FatalError(f"{path} is not JSON lines or a list of tag implications") from None


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.split("\n") if line.strip())


def _checked(path: str, number: int, row: Any) -> dict[str, Any]:
    match row:
        case {"antecedent_name": str(), "consequent_name": str()}:
            return dict(row)
    raise FatalError(
        f"{path}, row {number}: no {ANTECEDENT} and {CONSEQUENT}, as Danbooru's tag implications have"
    )
