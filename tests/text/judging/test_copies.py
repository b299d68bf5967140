"""Copies of a corpus, against a search of every place."""

import os
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.errors import FatalError
from animetools.text.judging import words as words_room
from animetools.text.judging.copies import COPY, Corpus


def corpus_of(folder: Path, text: str) -> Corpus:
    """A corpus with this text."""
    (folder / "corpus.txt").write_text(text)
    return Corpus(str(folder / "corpus.txt"))


def plainly(corpus: list[str], mine: list[str]) -> int:
    """How many words stand in copied runs, by trying every place."""
    all_runs = {tuple(corpus[n : n + COPY]) for n in range(len(corpus) - COPY + 1)}
    copied = set[int]()
    for n in range(len(mine) - COPY + 1):
        if tuple(mine[n : n + COPY]) in all_runs:
            copied.update(range(n, n + COPY))
    return len(copied)


@pytest.mark.parametrize("length", [29, 30, 31, 44, 45, 100])
@pytest.mark.parametrize("start", range(16))
def test_run_of_30_is_found_wherever_it_lies(start: int, length: int, tmp_path: Path) -> None:
    rng = random.Random(start)
    words = [f"w{rng.randrange(10**6)}" for _ in range(200)]
    corpus = corpus_of(tmp_path, " ".join(words))
    text = " ".join(["before", "it", *words[start : start + length], "after", "it"])
    assert corpus.copied(text) == (length if length >= COPY else 0)


@pytest.mark.parametrize("length", [30, 37])
def test_run_at_the_end_is_found(length: int, tmp_path: Path) -> None:
    words = [f"w{n}" for n in range(163)]
    assert corpus_of(tmp_path, " ".join(words)).copied(" ".join(words[-length:])) == length


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_as_a_plain_search_finds_it(
    tmp_path_factory: pytest.TempPathFactory, rng: random.Random
) -> None:
    """Of few words, so that blocks come again and again in other company."""
    few = ["a", "b"] if rng.random() < 0.5 else list("abcdefgh")
    block = rng.choices(few, k=20)
    corpus: list[str] = []
    while len(corpus) < 300:
        corpus += block if rng.random() < 0.6 else rng.choices(few, k=rng.randrange(1, 20))
    mine: list[str] = []
    for _ in range(4):
        start = rng.randrange(250)
        mine += corpus[start : start + rng.randrange(20, 50)] + rng.choices(few, k=3)
    found = corpus_of(tmp_path_factory.mktemp("c"), " ".join(corpus)).copied(" ".join(mine))
    assert found == plainly(corpus, mine)


def test_copy_set_anew_is_a_copy(tmp_path: Path) -> None:
    words = [f"w{n}" for n in range(60)]
    corpus = corpus_of(tmp_path, "Title|" + ", ".join(words) + "\n<|endoftext|>\nother")
    text = "“" + "\n".join(words[7:47]).upper() + "…”"
    assert corpus.copied(text) == 40


def test_corpus_that_says_one_thing_for_ever(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "the same " * 200_000)
    assert len(corpus.blocks) < 10
    assert corpus.copied("the same " * 100) == 200
    assert corpus.copied("the same " * 14) == 0


def test_long_file_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_room, "CHUNK", 50)
    rng = random.Random(1)
    words = [f"w{rng.randrange(10**9)}" * rng.choice([1, 1, 30]) for _ in range(300)]
    corpus = corpus_of(tmp_path, " ".join(words[:200]) + "\n" + " ".join(words[200:]))
    short = [word for word in words if len(word) < 50]
    assert len(corpus.words) >= len(words)
    found = corpus_of(tmp_path, " ".join(short)).copied(" ".join(short))
    assert found == len(short)


def test_memory_is_a_share_of_the_corpus(tmp_path: Path) -> None:
    rng = random.Random(1)
    line = " ".join(f"w{rng.randrange(10**6)}" for _ in range(2000))
    with (tmp_path / "corpus.txt").open("w") as file:
        for number in range(250):
            file.write(f"{number} {line[number:]} \n")
    size = os.path.getsize(tmp_path / "corpus.txt")
    tracemalloc.start()
    try:
        corpus = Corpus(str(tmp_path / "corpus.txt"))
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now < size / 4
    assert corpus.copied(line[100:700]) > COPY


@pytest.mark.parametrize("data", [b"", b" \n ", b"!!!"])
def test_corpus_without_words_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_bytes(data)
    with pytest.raises(FatalError, match=r"has no words$"):
        Corpus(str(tmp_path / "corpus.txt"))


@pytest.mark.parametrize(
    "data", [b"few words", b"\xff\xfe\x00 a", b"\0" * 10 + b"x", "日本語".encode()]
)
def test_corpus_of_rubbish_has_no_copies(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_bytes(data)
    corpus = Corpus(str(tmp_path / "corpus.txt"))
    assert corpus.copied("few words " * 20) == 0
    assert corpus.copied("") == 0
