"""gptclean through real pipes: each reason, the order, and ranks."""

import json
import random
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.text.small_models import TOKENIZER, small

WORDS = [f"word{n}" for n in range(500)]


def snippets(folder: Path, **texts: str) -> None:
    """Write snippets, each under its name."""
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


def test_duplicates_and_empty_texts_go_and_v_says_why(shell: Shell, tmp_path: Path) -> None:
    near = story(1).replace("word", "Word")
    snippets(
        tmp_path / "s", a=story(1), b=story(2), c=near, d=story(3), e=f"\n{story(2)} ", f=" \n"
    )
    done = shell("gptclean -v ./s")
    assert done.returncode == 0
    assert done.stdout.split() == ["./s/a.txt", "./s/b.txt", "./s/d.txt"]
    assert done.stderr.splitlines() == [
        "gptclean: ./s/c.txt: near-duplicate ./s/a.txt",
        "gptclean: ./s/e.txt: same text ./s/b.txt",
        "gptclean: ./s/f.txt: empty",
        "gptclean: read 6 = kept 3 + rejected 3 (1 near-duplicate, 1 same text, 1 empty)"
        " + passed over 0 + failed 0",
    ]


@pytest.mark.parametrize(("near", "kept"), [("0", 3), ("50%", 1), ("70%", 2), ("1", 3)])
def test_near_is_the_share_of_equal_runs(
    near: str, kept: int, shell: Shell, tmp_path: Path
) -> None:
    words = story(1).split()
    one, four = list(words), list(words)
    one[30] = "other"
    for n in (10, 22, 34, 46):
        four[n] = "other"
    snippets(tmp_path / "s", a=" ".join(words), b=" ".join(one), c=" ".join(four), d=story(1))
    done = shell(f"gptclean --near {near} s")
    assert len(done.stdout.split()) == kept
    assert "s/d.txt" not in done.stdout  # the same text as a


def test_copies_are_rejected(shell: Shell, tmp_path: Path) -> None:
    corpus = story(1, 1000)
    (tmp_path / "corpus.txt").write_text(corpus)
    inside, near = (" ".join(corpus.split()[500:end]) for end in (540, 529))
    snippets(tmp_path / "s", a=f"it is {inside} again", b=f"so was {near} before")
    done = shell("gptclean --overlap corpus.txt -v s")
    assert done.stdout == "s/b.txt\n"
    assert "gptclean: s/a.txt: copied 40 words\n" in done.stderr


def test_least_repetitive_come_first(shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a="go on and " * 20, b=story(1), c=f"{story(2, 20)} {story(2, 20)}")
    done = shell("gptclean --rank repetition s/*.txt")
    assert done.stdout.split() == ["s/b.txt", "s/c.txt", "s/a.txt"]


def test_likeliest_come_first_with_score_and_rank(shell: Shell, tmp_path: Path, model: str) -> None:
    snippets(tmp_path / "s", **{f"n{n}": story(n, 5) for n in range(6)})
    done = shell(f"gptclean --rank {model} --json s")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["rank"] for each in records] == [1, 2, 3, 4, 5, 6]
    scores = [each["score"] for each in records]
    assert scores == sorted(scores, reverse=True)
    assert all(-20 < score < 0 for score in scores)


def test_they_compose_in_one_call_and_in_a_pipe(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(story(4))
    snippets(tmp_path / "s", a="go on and " * 20, b=story(2), c=story(2), d=story(3), e=story(4))
    one = shell("gptclean --overlap corpus.txt --rank repetition s")
    pipe = shell("ls s/* | gptclean | gptclean --overlap corpus.txt | gptclean --rank repetition -")
    assert one.stdout.split() == ["s/b.txt", "s/d.txt", "s/a.txt"]
    assert pipe.stdout == one.stdout
    assert "rejected 2 (1 same text, 1 copied)" in one.stderr
    done = shell("ls s/* | gptclean --rank repetition | head -2")
    assert done.stdout.split() == ["s/b.txt", "s/d.txt"]


def test_what_is_written_is_cleaned_in_one_pipe(shell: Shell, tmp_path: Path, model: str) -> None:
    write = f"gptsnip --seeds 0-5 --model {model} --max-tokens 20 --json"
    done = shell(f"{write} | gptclean --json | gptclean --rank {model} --json | head -2")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 2
    assert records[0].keys() >= {"path", "seed", "score", "rank"}


def test_no_text_is_changed_and_rejects_are_listed(shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a=story(1), b=story(1), c="")
    (tmp_path / "s" / "d\t.txt").write_bytes(b"\xff\xfe")
    for _ in range(2):
        done = shell("gptclean --rank repetition --rejects r.tsv s")
        assert (done.returncode, done.stdout) == (0, "s/a.txt\n")
        assert (tmp_path / "r.tsv").read_text().splitlines() == [
            "s/b.txt\tsame text\ts/a.txt",
            "s/c.txt\tempty\t",
            "s/d\\t.txt\tbroken\tnot UTF-8 from byte 0 on",
        ]
    assert {path.name for path in tmp_path.iterdir()} == {"s", "r.tsv"}
    assert len(list((tmp_path / "s").iterdir())) == 4
    (tmp_path / "r.tsv").unlink()
    shell("gptclean -n --rejects r.tsv s")
    assert not (tmp_path / "r.tsv").exists()


def test_unreadable_texts_are_rejected_and_missing_ones_fail(shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a=story(1))
    (tmp_path / "s" / "b.txt").write_bytes(b"x" * ((1 << 20) + 1))
    done = shell("gptclean -v s gone.txt")
    assert (done.returncode, done.stdout) == (1, "s/a.txt\n")
    assert done.stderr.splitlines()[:-1] == [
        "gptclean: s/b.txt: broken larger than 1 MiB",
        "gptclean: gone.txt: no such file or directory",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gptclean --near 70 s", "--near is at most 1: write 70% if you mean a percentage"),
        ("gptclean --rank nowhere/at/all s", "--rank nowhere/at/all does not exist"),
        ("gptclean --rank s s", "--rank s is not a language model"),
        ("gptclean --overlap gone s", "--overlap gone: No such file or directory"),
        ("gptclean --overlap s s", "--overlap s: Is a directory"),
        ("gptclean --overlap /dev/null s", "--overlap /dev/null has no words"),
        ("gptclean --rejects s/a.txt s", "--rejects s/a.txt is not a list of rejects"),
        ("gptclean --rejects none/r.tsv s", "none/r.tsv"),
    ],
)
def test_wrong_use_is_one_sentence(line: str, said: str, shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a=story(1))
    done = shell(line)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert (tmp_path / "s/a.txt").read_text() == story(1)
