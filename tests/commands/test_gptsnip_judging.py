"""gptsnip --dedupe, --overlap and --rank, which gptclean replaces."""

from pathlib import Path

import pytest

from tests.commands.test_gptclean import snippets, story
from tests.conftest import Shell

SAID = "gptsnip: --dedupe, --overlap and --rank are deprecated: use gptclean instead"


def test_they_do_what_they_did(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(story(4))
    near = story(2).replace("word", "Word")
    snippets(tmp_path / "s", a="go on and " * 20, b=story(2), c=near, d=story(2), e=story(4))
    done = shell("gptsnip --dedupe -v s/*")
    assert (done.returncode, done.stdout.split()) == (0, ["s/a.txt", "s/b.txt", "s/e.txt"])
    assert done.stderr.splitlines()[0] == SAID and done.stderr.count("deprecated") == 1
    assert "gptsnip: s/c.txt: near-duplicate s/b.txt\n" in done.stderr
    done = shell("ls s/* | gptsnip --rank repetition -")
    assert done.stdout.split() == [f"s/{name}.txt" for name in "bcdea"]  # duplicates, too
    done = shell("gptsnip --overlap corpus.txt s")
    assert done.stdout.split() == [f"s/{name}.txt" for name in "abcd"]
    one = shell("gptsnip --dedupe --overlap corpus.txt --rank repetition s")
    assert one.stdout.split() == ["s/b.txt", "s/a.txt"]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["s"]


def test_what_is_no_snippet_fails(shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a=story(1), b="", c=" \n")
    (tmp_path / "s" / "d.txt").write_bytes(b"\xff\xfe")
    done = shell("gptsnip --dedupe s gone.txt -q")
    assert (done.returncode, done.stdout) == (1, "s/a.txt\n")
    assert done.stderr.splitlines() == [
        "gptsnip: s/b.txt: it is empty",
        "gptsnip: s/c.txt: it is empty",
        "gptsnip: s/d.txt: not UTF-8 from byte 0 on",
        "gptsnip: gone.txt: no such file or directory",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gptsnip --dedupe", "no snippets: name them, or give - and a list on standard input"),
        ("gptsnip --dedupe --seeds 0-9", "--dedupe, --overlap and --rank exclude --seeds"),
        ("gptsnip --dedupe --top-k 3 --whole s", "exclude --top-k, --whole"),
        ("gptsnip --dedupe -o there s", "write no files: leave out --out"),
    ],
)
def test_wrong_use_is_one_sentence(line: str, said: str, shell: Shell, tmp_path: Path) -> None:
    snippets(tmp_path / "s", a=story(1))
    done = shell(line)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1
