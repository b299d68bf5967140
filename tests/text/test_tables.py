"""Corpora that are tables."""

import gzip
import json
from pathlib import Path

import pytest

from animetools.errors import FatalError
from animetools.text import tables
from animetools.text.corpus import LONGEST, documents, form_of

ROWS = [
    {"id": "1", "title": "Cat", "synopsis": 'A cat, "Tama",\nsleeps.'},
    {"id": "2", "title": "Dog", "synopsis": "A dog; it barks."},
]
TEXTS = ['Cat|A cat, "Tama",\nsleeps.', "Dog|A dog; it barks."]


def read(path: Path, *columns: str) -> tuple[list[str], list[str]]:
    told: list[str] = []
    found = list(documents(str(path), told.append, columns))
    assert all(document.whole for document in found)
    return [document.text for document in found], told


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["c.csv", "c.txt"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_csv_with_a_header_is_read_by_columns(
    separator: str, name: str, encoding: str, tmp_path: Path
) -> None:
    lines = [separator.join(ROWS[0])]
    for row in ROWS:
        lines.append(separator.join('"' + v.replace('"', '""') + '"' for v in row.values()))
    path = tmp_path / name
    path.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    assert read(path) == (TEXTS, [])
    assert read(path, "synopsis")[0] == [row["synopsis"] for row in ROWS]
    assert read(path, "id", "title")[0] == ["1|Cat", "2|Dog"]
    assert form_of(str(path)).kind == "CSV, title|synopsis"


def test_json_lines_are_read_by_columns(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.gz"
    lines = [json.dumps(row | {"tags": ["a", {"text": "nested"}]}) for row in ROWS]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert read(path) == (TEXTS, [])
    assert form_of(str(path)).kind == "JSON lines, title|synopsis"


def test_the_usual_columns_are_found_whatever_their_case(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    for header, texts in [
        ("Text,label", ["one"]),
        ("label,CONTENT", ["two"]),
        ("tweets", ["one"]),
        ("full tweet text", ["one"]),
        ("Title", ["one"]),
    ]:
        path.write_text(f"{header}\none,two\n" if "," in header else f"{header}\none\n")
        assert read(path)[0] == texts


def test_rows_without_a_text_are_left_out_and_told(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"id,text\n1,a\n2\n3,\n4,b,c\n5,d\0\n\n6,e\n")
    assert read(path) == (
        ["a", "d", "e"],
        [
            f"{path}: line 3 has 1 of 2 fields: left out",
            f"{path}: line 4 has no text in text: left out",
            f"{path}: line 5 has 3 of 2 fields: left out",
        ],
    )
    path = tmp_path / "c.jsonl"
    path.write_text('{"text": "a"}\n{"text": ["b"]}\nnonsense\n[1]\n{"text": "\\ud83d\\u0000c"}\n')
    assert read(path) == (
        ["a", "?c"],
        [
            f"{path}: line 2 has no text in text: left out",
            f"{path}: line 3 is not a JSON object, and 1 more: left out",
        ],
    )


@pytest.mark.parametrize(
    ("name", "data", "columns", "said"),
    [
        ("c.csv", "a,b\n1,2\n", [], "has no known text column; it has 'a', 'b': name one with --c"),
        ("c.csv", "title,body\n1,2\n", [], "has no known text column; it has 'title', 'body'"),
        ("c.csv", 'text,n\n"a",1\n"open,2\nb,3\n', [], "line 3: a quotation mark is left open"),
        ("c.csv", "It sleeps, often.\nb\n", [], "has no known text column; it has"),
        ("c.csv", '"It sleeps, often."\nb\n', [], "but is 'It sleeps, often.': put the line text"),
        ("c.csv", "The cat of the house\nb\n", [], "its first line must name the column"),
        ("c.csv", "a,b\n1,2\n", ["c"], "has no column 'c'; it has 'a', 'b': name one with"),
        ("c.jsonl", '{"a": "x"}\n{"b": "y"}\n', ["c"], "it has 'a', 'b'"),
        ("c.json", '[\n {"text": "a"}\n]\n', [], "convert it with jq -c '.[]'"),
        ("c.json", '{\n "text": "a"\n}\n', [], "convert it with jq -c ."),
        ("c.txt", "Only words.\n", ["text"], "neither CSV with a header nor JSON lines"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(
    name: str, data: str, columns: list[str], said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(data)
    with pytest.raises(FatalError) as caught:
        read(path, *columns)
    assert said in str(caught.value)


def test_pairs_are_no_table_whatever_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("Plot|A short one\nCat|It sleeps, and eats.\n")
    assert form_of(str(path)).kind == "titles with synopses"
    assert read(path)[0] == ["Plot|A short one", "Cat|It sleeps, and eats."]


@pytest.mark.parametrize(
    "text",
    [
        "Yes, no, and maybe.\nOnce, twice.\n",
        "Title, content and so on.\nMore of it.\n",
        "{curly} words\nand more\n",
        "[Scene: a room]\nTama sleeps.\n",
    ],
)
def test_prose_is_no_table(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text(text)
    assert form_of(str(path)).kind == "plain text"


def test_large_fields_are_bounded_and_long_ones_come_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.csv"
    path.write_text(f"text,n\n{'long ' * LONGEST},1\nshort,2\n")
    found = list(documents(str(path), print))
    assert "".join(document.text for document in found) == ("long " * LONGEST).strip() + "short"
    assert [document.whole for document in found] == [False] * 4 + [True] * 2
    monkeypatch.setattr(tables, "LARGEST", 1 << 20)
    path.write_text('text,n\n"open, ' + "and more\n" * (1 << 18))
    with pytest.raises(FatalError, match="is a quotation mark left open"):
        list(documents(str(path), print))
    path.write_text("text,n\n" + "x" * (1 << 21))
    with pytest.raises(FatalError, match="line 2 has more than 1 million characters"):
        list(documents(str(path), print))
