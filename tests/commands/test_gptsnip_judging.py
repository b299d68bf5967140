"""gptsnip as a judge of snippets that are there, from outside."""

import json
import random
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.text.small_models import TOKENIZER, small

WORDS = [f"word{n}" for n in range(500)]


def snippets(folder: Path, **texts: str) -> None:
    """Write snippets, each with its name."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)


def story(seed: int, length: int = 60) -> str:
    """So many words."""
    return " ".join(random.Random(seed).choices(WORDS, k=length))


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A folder with a tiny model."""
    small().save_pretrained(tmp_path / "model")
    TOKENIZER.save_pretrained(tmp_path / "model")
    return "model"


def test_twins_are_left_out_and_told_with_v(shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a=story(1), b=story(2), c=story(1).replace("word", "Word"), d=story(3))
    done = shell("gptsnip --dedupe -v ./s")
    assert done.returncode == 0
    assert done.stdout.split() == ["./s/a.txt", "./s/b.txt", "./s/d.txt"]
    assert done.stderr.splitlines() == [
        "gptsnip: ./s/c.txt: nearly the same as ./s/a.txt",
        "gptsnip: read 4 = kept 3 + rejected 1 (1 nearly the same) + passed over 0 + failed 0",
    ]


def test_copies_are_left_out_and_told_with_v(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(story(1, 1000))
    inside = " ".join(story(1, 1000).split()[500:540])
    near = " ".join(story(1, 1000).split()[500:529])
    snippets(tmp_path / "s", a=f"it is {inside} again", b=f"it is {near} again")
    done = shell("gptsnip --overlap corpus.txt -v s")
    assert done.stdout == "s/b.txt\n"
    assert "gptsnip: s/a.txt: copied 40 words\n" in done.stderr


def test_least_repetitive_come_first(shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a="go on and " * 20, b=story(1), c=f"{story(2, 20)} {story(2, 20)}")
    done = shell("gptsnip --rank repetition s/*.txt")
    assert done.stdout.split() == ["s/b.txt", "s/c.txt", "s/a.txt"]


def test_likeliest_come_first_with_score_and_rank(shell: Shell, tmp_path: Path, model: str) -> None:
    snippets(tmp_path / "s", **{f"n{n}": story(n, 5) for n in range(6)})
    done = shell(f"gptsnip --rank {model} --json s")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["rank"] for each in records] == [1, 2, 3, 4, 5, 6]
    scores = [each["score"] for each in records]
    assert scores == sorted(scores, reverse=True)
    assert all(-20 < score < 0 for score in scores)


def test_they_compose_in_one_call_and_in_a_pipe(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(story(4))
    snippets(tmp_path / "s", a="go on and " * 20, b=story(2), c=story(2), d=story(3), e=story(4))
    one = shell("gptsnip --dedupe --overlap corpus.txt --rank repetition s")
    pipe = shell(
        "ls s/* | gptsnip --dedupe - | gptsnip --overlap corpus.txt - | gptsnip --rank repetition -"
    )
    assert one.stdout.split() == ["s/b.txt", "s/d.txt", "s/a.txt"]
    assert pipe.stdout == one.stdout
    assert "rejected 2 (1 nearly the same, 1 copied)" in one.stderr
    done = shell("ls s/* | gptsnip --rank repetition - | head -2")
    assert done.stdout.split() == ["s/b.txt", "s/c.txt"]


def test_what_is_written_is_judged_in_one_pipe(shell: Shell, tmp_path: Path, model: str) -> None:
    write = f"gptsnip --seeds 0-5 --model {model} --max-tokens 20 --json"
    done = shell(f"{write} | gptsnip --dedupe - --json | gptsnip --rank {model} - --json | head -2")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 2
    assert records[0].keys() >= {"path", "seed", "score", "rank"}


def test_nothing_is_written(shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a=story(1))
    shell("gptsnip --dedupe --rank repetition s")
    assert {path.name for path in tmp_path.iterdir()} == {"s"}
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["a.txt"]


def test_what_is_no_snippet_is_one_line(shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a=story(1), b="", c=" \n")
    (tmp_path / "s" / "d.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "s" / "e.txt").write_bytes(b"x" * ((1 << 20) + 1))
    done = shell("gptsnip --dedupe s gone.txt")
    assert (done.returncode, done.stdout) == (1, "s/a.txt\n")
    assert done.stderr.splitlines()[:-1] == [
        "gptsnip: s/b.txt: it is empty",
        "gptsnip: s/c.txt: it is empty",
        "gptsnip: s/d.txt: not UTF-8 from byte 0 on",
        "gptsnip: s/e.txt: a prompt has at most 1 MiB",
        "gptsnip: gone.txt: no such file or directory",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gptsnip --dedupe", "no snippets: name them, or give - and a list on standard input"),
        ("gptsnip --dedupe --seeds 0-9", "judge snippets: write them first, and pipe"),
        ("gptsnip --dedupe --top-k 3 --whole s", "leave out --top-k, --whole"),
        ("gptsnip --dedupe -o there s", "write no files: leave out --out"),
        ("gptsnip --rank nowhere/at/all s", "--rank nowhere/at/all does not exist"),
        ("gptsnip --rank s s", "--rank s is no language model"),
        ("gptsnip --overlap gone s", "--overlap gone: No such file or directory"),
        ("gptsnip --overlap s s", "--overlap s: Is a directory"),
        ("gptsnip --overlap /dev/null s", "--overlap /dev/null has no words"),
    ],
)
def test_wrong_use_is_one_sentence(line: str, said: str, shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a=story(1))
    done = shell(line)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1
