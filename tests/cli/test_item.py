"""Laws of paths and records."""

import json
import os

from hypothesis import given
from hypothesis import strategies as st

from animetools.cli.inputs import read_item
from animetools.cli.item import Item, below
from animetools.cli.report import shown

NAMES = st.binary(min_size=1, max_size=40).filter(lambda b: b"\n" not in b and b"\0" not in b)
FACTS = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3)


@given(NAMES)
def test_a_line_is_a_path_whatever_its_bytes(name: bytes) -> None:
    item = read_item(name)
    assert item is None or os.fsencode(item.line(False)) == name


@given(NAMES, FACTS)
def test_a_record_survives_the_pipe(name: bytes, facts: dict[str, object]) -> None:
    facts.pop("path", None)
    item = Item(os.fsdecode(name), facts)
    back = read_item(item.line(True).encode())
    assert back is None or (back.path, back.facts) == (item.path, facts)


@given(st.binary(max_size=60))
def test_a_strange_line_is_never_more_than_a_path(line: bytes) -> None:
    item = read_item(b"{" + line)
    assert item is None or item.facts or os.fsencode(item.path) == b"{" + line


def test_deep_json_is_only_a_strange_path() -> None:
    item = read_item(b'{"path": ' + b"[" * 100_000)
    assert item
    assert item.trouble


@given(st.text(alphabet="a./", max_size=20))
def test_outputs_stay_below_their_folder(path: str) -> None:
    inside = below("out", path)
    assert inside.split("/")[0] == "out"
    assert not {"..", ".", ""} & set(inside.split("/"))
    assert os.path.normpath(inside) == inside


@given(st.text())
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()


def test_a_result_keeps_its_source() -> None:
    item = Item("a.png", {"id": 7}, "1:1").made("b.png").made("c.png", score=1)
    assert json.loads(item.line(True)) == {"path": "c.png", "source": "a.png", "id": 7, "score": 1}
