"""Captions and tags are found in records, beside images, and in the files of trainers."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.dataset.captions import CaptionFile, Needs, description_of
from animetools.dataset.labelling import Labelling
from animetools.errors import FatalError, ItemError
from animetools.tags import MOST_TAGS, Tag

RECORD: dict[str, Any] = {
    "tags": [["long_hair", "general", 0.9], [">_<", "general", 1], ["highres", "meta", 1]]
}


def captions(tmp_path: Path, text: str | bytes) -> CaptionFile:
    """A file of captions, in a folder of its own."""
    file = tmp_path / "set" / "file"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return CaptionFile(str(file))


def test_a_record_comes_before_a_file_beside_and_that_before_a_file_of_all(tmp_path: Path) -> None:
    image = str(tmp_path / "a.png")
    others = captions(tmp_path, '{"a.png": {"caption": "third"}}')
    assert description_of(str(tmp_path / "b.png"), {}, others) is None
    needs = Needs(captions=True, labelling=Labelling(), others=others)
    found, missing = needs.facts(image, {"id": "1"})
    assert (found["id"], found["text"], missing) == ("1", "third", "")
    for name in ("a.caption", "a.TXT", "a.txt", "a.png.txt"):
        (tmp_path / name).write_text(f"\ufeff{name}, long  hair\r\n")
        found, _ = needs.facts(image, {})
        assert found["text"] == f"{name}, long  hair"
        assert found["tags"] == [Tag(name), Tag("long_hair")]
    found, _ = needs.facts(image, RECORD)
    assert found["text"] == "long hair, >_<"
    assert found["tags"] == [Tag(*tag) for tag in RECORD["tags"]]
    assert needs.facts(image, RECORD | {"text": "mine"})[0]["text"] == "mine"
    assert needs.facts(image, {"text": "a, b"})[0]["tags"] == [Tag("a"), Tag("b")]


def test_what_is_unknown_or_of_no_class_is_told(tmp_path: Path) -> None:
    image = str(tmp_path / "a.png")
    assert Needs(False, None).facts(image, {"tags": "x"}) == ({"tags": "x"}, "")
    assert Needs(False, Labelling(by_folder=True)).facts(image, {}) == ({}, "")
    assert Needs(False, Labelling()).facts(image, {})[1] == "no tags"
    assert Needs(True, None).facts(image, {})[1] == "no caption"
    assert Needs(True, None).facts(image, {"tags": []}) == ({"tags": [], "text": ""}, "")
    one_of = Needs(False, Labelling(classes=("hat", "smile")))
    assert one_of.facts(image, RECORD)[1] == "no tag of --class-by"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"tags": "x"}, "not a list"),
        ({"tags": [["a,b", "general", 1]]}, "the tag 'a,b' does not fit in a caption"),
        ({"tags": [["a\nb", "general", 1]]}, "does not fit in a caption"),
        ({"tags": [["\ud800", "general", 1]]}, "not Unicode text"),
        ({"text": "\ud800"}, "not Unicode text"),
        ({"text": "a" * (1 << 20) + ","}, "longer than 1048576 characters"),
        ({"text": "a," + ",".join(map(str, range(MOST_TAGS)))}, "not a list"),
    ],
)
def test_what_cannot_be_a_caption_or_tags_is_refused(facts: dict[str, Any], reason: str) -> None:
    with pytest.raises(ItemError, match=reason):
        Needs(captions=True, labelling=Labelling()).facts("a.png", facts)


def test_a_caption_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfea\0")
    with pytest.raises(ItemError, match=r"a\.txt is not UTF-8 text"):
        description_of(str(tmp_path / "a.png"), {}, None)


def test_a_sentence_is_a_caption_and_no_tag() -> None:
    found, _ = Needs(captions=True, labelling=Labelling()).facts("a", {"text": "x" * 600 + ", hat"})
    assert found["tags"] == [Tag("hat")]


FORMS = [
    '{"file_name": "b/a.png", "text": "one, two"}\n\n{"file_name": "b/c.png", "text": null}\n',
    '{"image_path": "PLACE/b/a.png", "caption": "one, two"}\n{"image_path": "x.png"}',
    '{"b/a": {"caption": "one, two"}, "x.png": {}}',
    '{\n"b\\\\a.png": {"caption": "one", "tags": "two"}\n}',
    '{"PLACE/b/a.png": {"tags": "one, two"}}',
    '{"../set/b/./a.png": {"tags": ["one", "two"]}}',
    '\ufeff{"file_name": "a.png", "tags": [["one", "general", 1], ["two", "meta", 0.5]]}',
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("relative", [False, True])
def test_every_form_is_read(
    tmp_path: Path, form: str, relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    known = captions(tmp_path, form.replace("PLACE", str(folder)))
    monkeypatch.chdir(folder)
    found = known.find("b/a.png" if relative else f"{folder}/b/a.png")
    assert found is not None
    assert [tag.name for tag in found.all_tags][-1] == "two"
    assert known.find(f"{folder}/b/other.png") is None
    assert known.find("c.png") is None
    assert known.find("x.png") is None


def test_the_longest_end_of_a_path_counts(tmp_path: Path) -> None:
    known = captions(
        tmp_path, '{"a": {"caption": "1"}, "a.png": {"caption": "2"}, "b/a.png": {"caption": "3"}}'
    )
    found = [known.find(path) for path in ("c/a.jpg", "c/a.png", "b/a.png", "aa.png")]
    assert [one and one.text for one in found] == ["1", "2", "3", None]


def test_file_names_that_are_not_utf_8_are_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    known = captions(tmp_path, json.dumps({"file_name": name, "text": "odd"}))
    found = known.find(name)
    assert found is not None
    assert found.text == "odd"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1, column 1: Expecting value"),
        ("{", "line 1, column 2"),
        ('{"a.png": {"caption": "x"', "line 1, column"),
        ('{\n"a": {},\n}', "line 3"),
        ("[1]", "not a JSON object"),
        ('{"a": 1}', "'a': not an object with a caption or tags"),
        ('{"a": {"caption": 1}}', "'a': the caption is not text"),
        ('{"a": {"tags": 1}}', "'a': its record's tags are not a list"),
        ('{"a": {"tags": [1]}}', "'a': a tag in its record is not"),
        ('{"\\ud800": {}}', "not a file name"),
        ('{"file_name": "a"}\n{"file_name": "b", "text": "cut in the mid', "line 2, column"),
        (
            '{"file_name": "a"}\n{"text": "b"}',
            "line 2: not the path of an image in file_name or image_path or path",
        ),
        ('{"file_name": "a"}\n[]', "line 2: not a JSON object"),
        ('{"file_name": "a"}\n' + "[" * 100_000, "line 2: nested too deeply"),
        (b'{"file_name": "a"}\n{"file_name": "\xff"}', "line 2: "),
        ('{"file_name": "a", "text": 1}', "line 1: the caption is not text"),
        ('{"file_name": "a"}\n' + " " * (1 << 24), "line 2: longer than 16 MiB"),
    ],
)
def test_a_malformed_file_is_refused_in_a_sentence(
    tmp_path: Path, text: str | bytes, reason: str
) -> None:
    with pytest.raises(FatalError) as why:
        captions(tmp_path, text)
    assert reason in str(why.value)
    assert str(why.value).startswith(str(tmp_path))
    assert "\n" not in str(why.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"none\.json: No such file"):
        CaptionFile(str(tmp_path / "none.json"))


@given(text=st.one_of(st.binary(), st.sampled_from(FORMS).map(str.encode)), cut=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, cut: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        captions(folder, text[: len(text) - cut]).find("a.png")
    except FatalError as why:
        assert "\n" not in str(why)
