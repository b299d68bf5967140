"""Implications of tags: the table that ships, files of Danbooru, and pruning."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.errors import FatalError
from animetools.tagging.implications import Implications, pruned, read_implications
from animetools.tags import Tag, caption_of, names_in

GRAPHS = st.dictionaries(
    st.sampled_from("abcdef"), st.frozensets(st.sampled_from("abcdef"), max_size=4)
)
SETS = st.lists(st.sampled_from("abcdefg"), unique=True)


def kept(names: list[str], implications: Implications) -> list[str]:
    return [tag.name for tag in pruned([Tag(name) for name in names], implications)]


def reaches(one: str, other: str, implications: Implications) -> bool:
    """Whether there is a way of at least one step."""
    seen: set[str] = set()
    waiting = list(implications.get(one, ()))
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += implications.get(name, ())
    return other in seen


def test_the_table_that_ships_knows_what_everybody_prunes() -> None:
    table = read_implications()
    assert sum(map(len, table.values())) > 1000
    names = ["hair_flower", "hair_ornament", "absurdly_long_hair", "long_hair", "2girls"]
    assert kept([*names, "multiple_girls", "solo"], table) == [
        "hair_flower",
        "absurdly_long_hair",
        "2girls",
        "solo",
    ]
    for name, implied in table.items():
        assert not reaches(name, name, table), name  # no circles
        for each in (name, *implied):
            assert names_in(caption_of([each])) == [each]


@given(GRAPHS, SETS)
def test_a_tag_goes_where_another_one_implies_it(graph: Implications, names: list[str]) -> None:
    def superfluous(name: str) -> bool:
        return any(
            reaches(other, name, graph) and not reaches(name, other, graph) for other in names
        )

    assert kept(names, graph) == [name for name in names if not superfluous(name)]


def test_danbooru_files_of_each_form_give_the_same(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "antecedent_name": "a", "consequent_name": "b", "status": "active"},
        {"id": 2, "antecedent_name": "a", "consequent_name": "c,d", "status": "active"},
        {"id": 3, "antecedent_name": "e", "consequent_name": "f", "status": "deleted"},
    ]
    lines = ["id,antecedent_name,consequent_name,status", "1,a,b,active"]
    lines += ['2,a,"c,d",active', "3,e,f,deleted"]
    forms = {
        "a.csv": "\n".join(lines),
        "a.jsonl": "\n".join(map(json.dumps, rows)) + "\n",
        "a.json": json.dumps(rows, indent=1),
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
        assert read_implications(str(tmp_path / name)) == {"a": {"b", "c,d"}}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", ""),
        (b"a,b\nc,d\n", "row 2: no antecedent_name and consequent_name"),
        (b"antecedent_name,consequent_name\nx\n", "row 2: no antecedent_name"),
        (b'{"antecedent_name": "a"}\n', "row 1: no antecedent_name"),
        (b'{"antecedent_name": "a", "conse', "is not JSON lines"),
        (b"[" * 100_000, "is not JSON lines"),
        (b"[1]", "row 1: no antecedent_name"),
        (b"\xff\xfe", "is not a text in UTF-8"),
        (b'antecedent_name,consequent_name\n"' + b"x" * 200_000, "field larger than"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a").write_bytes(data)
    if not reason:
        assert read_implications(str(tmp_path / "a")) == {}
        return
    with pytest.raises(FatalError, match=reason) as why:
        read_implications(str(tmp_path / "a"))
    assert "\n" not in str(why.value)
    assert str(tmp_path) in str(why.value)
