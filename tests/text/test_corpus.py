"""Reading what a language model learns from."""

from pathlib import Path

import pytest

from animetools.errors import FatalError
from animetools.text import corpus
from animetools.text.corpus import LONGEST, PIECE, Document, documents, form_of
from animetools.text.encoding import MOST


def read(path: Path) -> tuple[list[Document], list[str]]:
    told: list[str] = []
    return list(documents(str(path), told.append)), told


def test_pairs_are_texts_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("Title|A plot.\n\nOther|Another | plot.\r\nLast|End")
    assert form_of(str(path)).pairs
    found, told = read(path)
    texts = ["Title|A plot.", "Other|Another | plot.", "Last|End"]
    assert found == [Document(text, True) for text in texts]
    assert told == []


def test_lines_that_are_none_are_left_out_and_told_once(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    good = "".join(f"Title {n}|Plot {n}.\n" for n in range(9000)).encode()  # beyond HEAD
    path.write_bytes(good + b"no bar\nT|\xff\nT|\xc3\nU|P\n")
    found, told = read(path)
    assert len(found) == 9001
    assert told == [
        f"{path}: line 9002 is not UTF-8, and 1 more: left out",
        f"{path}: line 9001 has no |: left out",
    ]


def test_plain_text_comes_in_pieces_that_are_the_text(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    text = (
        "".join(f"Line {n}, with some words | and a bar, or not.\n" for n in range(500)) + "End\n"
    )
    path.write_text(f"{text}<|endoftext|>\nA second text.\n")
    assert not form_of(str(path)).pairs
    found, told = read(path)
    assert told == []
    last = [n for n, document in enumerate(found) if document.whole]
    assert last == [len(found) - 2, len(found) - 1]
    assert "".join(document.text for document in found[:-1]) == text
    assert found[-1].text == "A second text.\n"
    assert all(PIECE <= len(document.text) < PIECE + 100 for document in found[:-2])


def test_one_endless_line_is_cut_between_characters(tmp_path: Path) -> None:
    for shift in range(4):
        path = tmp_path / "c.txt"
        text = "x" * shift + "夏はe" * (MOST // 3) + "終"
        path.write_text(text)
        found, told = read(path)
        assert told == []
        assert "".join(document.text for document in found) == text
        assert max(len(document.text) for document in found) <= LONGEST


def test_a_title_with_an_endless_text_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    text = "Title|" + "A long plot. " * (MOST // 8)
    path.write_text(text)
    found, told = read(path)
    assert told == []
    assert "".join(document.text for document in found) == text


@pytest.mark.parametrize("data", [bytes(range(256)) * 9, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_text_is_called_that(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c.bin"
    path.write_bytes(data)
    with pytest.raises(FatalError, match=r"c\.bin is not a text file$"):
        form_of(str(path))


def test_an_empty_file_has_no_text(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_bytes(b"\n \n")
    assert not form_of(str(path)).pairs
    assert "".join(document.text for document in read(path)[0]).strip() == ""
    assert corpus.END == "<|endoftext|>"


@pytest.mark.parametrize(
    "text",
    [
        "<|startoftext|>A cat.<|endoftext|>\n<|startoftext|>A dog.<|endoftext|>\n",
        "<|startoftext|>\nA cat.\n<|endoftext|>\n<|startoftext|>\nA dog.\n<|endoftext|>\n",
        "<|endoftext|>A cat.<|endoftext|>\n<|endoftext|>A dog.<|endoftext|>\n",
        "<|startoftext|>A cat.\n<|startoftext|>A dog.\n",
        "<|startoftext|>Cat|A cat.<|endoftext|>\n<|startoftext|>Dog|A dog.<|endoftext|>\n",
        "Cat|A cat.\n<|endoftext|>\nDog|A dog.\n<|endoftext|>\n",
    ],
)
def test_marks_part_texts_and_are_no_titles(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text(text)
    texts, told = read(path)
    assert told == []
    assert all(document.whole and "<|" not in document.text for document in texts)
    assert [document.text.strip()[-6:-1] for document in texts] == ["A cat", "A dog"]
    assert form_of(str(path)).pairs == ("Cat|" in text)


def test_a_mark_after_a_full_piece_ends_the_text(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("x" * (PIECE - 1) + "\n<|endoftext|>\nB\n")
    assert read(path)[0] == [
        Document("x" * (PIECE - 1) + "\n", False), Document("", True), Document("B\n", True),
    ]  # fmt: skip
