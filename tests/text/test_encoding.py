"""Text files in the encodings that people save them in."""
# ruff: noqa: RUF001  Chinese marks look like ASCII ones, and are not

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.errors import FatalError
from animetools.text.corpus import documents
from animetools.text.encoding import lines
from animetools.text.judging.words import words_of

JAPANESE = "彼女は猫になった。\nそして空を飛んだ。\n"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"))
ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}


def read(path: Path) -> str:
    return "".join(line for _, line in lines(str(path)))


@settings(max_examples=60, deadline=None)
@given(text=TEXT, end=st.sampled_from(list(ENDS.values())))
@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_text_is_the_same_in_any_encoding(
    name: str, text: str, end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("one") / "c.txt"
    path.write_bytes(text.replace("\n", end).encode(name))
    assert read(path) == text


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_by_its_zeros(
    name: str, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("one") / "c.txt"
    path.write_bytes(f"{text}\r\n".encode(name))
    assert read(path) == f"{text}\n"


@pytest.mark.parametrize(
    "text",
    [
        JAPANESE,
        JAPANESE * 40,
        "我们一起去图书馆。\n",
        "一个人看书，一二三。\n" * 40,
        "Привет, мир\n" * 9,
        "Кот\n",
    ],
)
@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_other_scripts_without_a_mark_are_known_too(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_bytes(text.encode(name))
    assert read(path) == text
    path.write_bytes(text.replace("\n", "\r\n").encode(name))
    assert read(path) == text


def test_a_stray_zero_is_not_utf_16_and_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_bytes(b"A cat\0 sleeps.\n" + JAPANESE.encode())
    assert read(path) == "A cat sleeps.\n" + JAPANESE
    path.write_bytes(b"A caf\xe9\0.\nAnother caf\xe9.\n")
    assert "Another caf" in read(path)


def test_marks_of_joined_files_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_bytes(2 * "\ufeffA cat.\n".encode())
    assert read(path) == "A cat.\nA cat.\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [("cp932", JAPANESE), ("euc_jp", JAPANESE), ("cp1252", "A café.\nNaïve, she said.\n")],
)
def test_other_encodings_are_refused_by_line_and_cure(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_bytes(("Plain.\n" + text).encode(name))
    with pytest.raises(
        FatalError, match=f"line 2 is not UTF-8: if it is {name.upper()}, convert it with iconv -f"
    ):
        list(documents(str(path), print))


def test_packed_text_is_unpacked_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.txt.gz"
    data = gzip.compress((JAPANESE * 2000).encode("utf-16"))
    path.write_bytes(data)
    assert read(path) == JAPANESE * 2000
    for damaged in data[:-20], data[:60] + b"\xff" * 20 + data[80:]:
        path.write_bytes(damaged)
        with pytest.raises(FatalError, match="gzip data is damaged"):
            read(path)


def test_words_are_the_same_in_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    found = []
    for name in "utf-8", "utf-16", "utf-8-sig":
        path.write_bytes(f"One two.\r\n{JAPANESE}".encode(name))
        found.append([word for some in words_of(str(path)) for word in some.tolist()])
    assert found[0] == found[1] and len(found[0]) == 4
    assert found[2][1:] == found[0][1:]
