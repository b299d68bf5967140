"""gptsnip with a model of this machine, from outside."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Shell
from tests.quick import quick
from tests.text.small_models import TOKENIZER, small

MAKE = "gptsnip --model model --max-tokens 12"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a language model of a few thousand numbers."""
    folder = tmp_path_factory.mktemp("models") / "model"
    small().half().save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


@pytest.fixture
def here(model: Path, tmp_path: Path) -> Path:
    (tmp_path / "model").symlink_to(model)
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    """What is in every visible file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*.txt")
        if not path.name.startswith(".")
    }


def test_seeds_become_snippets(here: Path) -> None:
    done = quick(f"{MAKE} --seeds 0-2,7 --json", here)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["path"] for record in records] == [
        f"snippets/snippet-{n}.txt" for n in (0, 1, 2, 7)
    ]
    for record, seed in zip(records, (0, 1, 2, 7), strict=True):
        assert (record["seed"], record["prompt"], record["model"]) == (seed, "", "model")
        assert record["tries"] >= 1 and len(record["sha256"]) == 64
    found = texts(here / "snippets")
    assert len(set(found.values())) == 4
    assert all(text.endswith("\n") and text.strip() for text in found.values())


def test_a_snippet_is_the_same_whatever_is_beside_it(here: Path) -> None:
    quick(f"{MAKE} --seeds 0-20 --min-chars 14 --tries 30 -o one", here)
    first = texts(here / "one")
    assert len(first) == 21
    for n, words in enumerate(["--seeds 5", "--seeds 20,3-9 -j 3 --unordered", "--seeds 1 -j 1"]):
        done = quick(f"{MAKE} {words} --min-chars 14 --tries 30 -o other{n}", here)
        assert done.returncode == 0
        found = texts(here / f"other{n}")
        assert found == {name: first[name] for name in found}


def test_a_second_run_makes_what_is_gone_or_empty(here: Path) -> None:
    first = quick(f"{MAKE} --seeds 0-5 --json", here)
    before = texts(here / "snippets")
    (here / "snippets/snippet-2.txt").unlink()
    (here / "snippets/snippet-4.txt").write_text("")
    second = quick(f"{MAKE} --seeds 0-5 --json --tries 3", here)
    assert second.stdout == first.stdout
    assert "kept 6 (2 written)" in second.stderr
    assert texts(here / "snippets") == before
    other = quick(f"{MAKE} --seeds 0-5 --temperature 1", here)
    assert (other.returncode, other.stdout) == (2, "")
    assert "made with --temperature 0.7, this run is with --temperature 1.0" in other.stderr


def test_a_model_that_changed_is_another(here: Path, model: Path) -> None:
    quick(f"{MAKE} --seeds 0", here)
    (here / "model").unlink()
    small(dropout=0.5).save_pretrained(here / "model")
    TOKENIZER.save_pretrained(here / "model")
    done = quick(f"{MAKE} --seeds 0", here)
    assert (done.returncode, "was made with --model" in done.stderr) == (2, True)


def test_two_runs_are_two_stages(here: Path, shell: Shell) -> None:
    template = "The story of {}. Plot: "
    done = shell(
        f"{MAKE} --seeds 0-2 -o synopses -q | {MAKE} - --template '{template}' -o plots --json -q"
    )
    assert (done.returncode, done.stderr) == (0, "")
    first = texts(here / "synopses")
    for n, line in enumerate(done.stdout.splitlines()):
        record = json.loads(line)
        assert record["path"] == f"plots/synopses/snippet-{n}.txt"
        assert record["source"] == f"synopses/snippet-{n}.txt"
        prompt = template.replace("{}", first[f"snippet-{n}.txt"].strip())
        assert record["prompt"] == prompt.strip()
    assert len(texts(here / "plots")) == 3
    again = shell(f"{MAKE} synopses --template '{template}' -o plots")
    assert "read 3 = kept 3 + rejected 0" in again.stderr


def test_a_file_at_several_seeds(here: Path) -> None:
    (here / "a.md").write_text("Title 3")
    done = quick(f"{MAKE} a.md --seeds 4-5", here)
    assert done.stdout.split() == ["snippets/a.md.4.txt", "snippets/a.md.5.txt"]
    assert len(set(texts(here / "snippets").values())) == 2


def test_prompts_of_a_list_come_by_turns(here: Path) -> None:
    (here / "list").write_bytes(b"Title 1|\n\nTitle \xff\nTitle 2|\n")
    done = quick(f"{MAKE} --prompt-file list --json", here)
    assert done.returncode == 1
    assert "gptsnip: /snippet-1: line 2 of list: not UTF-8 from byte 6 on\n" in done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["seed"], each["prompt"]) for each in records] == [
        (0, "Title 1|"),
        (2, "Title 2|"),
    ]
    more = quick(f"{MAKE} --prompt-file list --seeds 2-3 --json", here)
    records = [json.loads(line) for line in more.stdout.splitlines()]
    assert [(each["seed"], each["prompt"]) for each in records] == [
        (2, "Title 2|"),
        (3, "Title 1|"),
    ]
    assert "kept 2 (1 written)" in more.stderr
    (here / "list").write_text("Title 9|\n")
    changed = quick(f"{MAKE} --prompt-file list", here)
    assert changed.returncode == 1
    assert "snippet-0.txt was made from something else" in changed.stderr


def test_texts_are_written_again_until_they_are_long_enough(here: Path) -> None:
    done = quick(f"{MAKE} --seeds 0-9 --min-chars 17 --tries 99 --json", here)
    assert done.returncode == 0
    tries = [json.loads(line)["tries"] for line in done.stdout.splitlines()]
    assert max(tries) > 1
    assert all(len(text.strip()) >= 17 for text in texts(here / "snippets").values())
    none = quick(f"{MAKE} --seeds 0-1 --min-chars 9000 --tries 2 -o none", here)
    assert none.returncode == 1
    assert none.stderr.count("no text of 9000 characters in 2 tries; the longest had") == 2
    assert texts(here / "none") == {}


def test_a_dry_run_writes_nothing_and_loads_nothing(here: Path) -> None:
    done = quick(f"{MAKE} --seeds 0-1 -n", here)
    assert done.stdout.split() == ["snippets/snippet-0.txt", "snippets/snippet-1.txt"]
    assert not (here / "snippets").exists()


def test_bad_prompt_files_cost_a_line_each(here: Path, shell: Shell) -> None:
    (here / "bad.txt").write_bytes(b"\xff\xfe")
    (here / "good.txt").write_text("Title")
    (here / "large.txt").write_text("a" * (1 << 20) + "b")
    done = shell(f"ls bad.txt gone.txt good.txt large.txt 2>&- | {MAKE} - gone.txt")
    assert done.returncode == 1
    assert done.stdout == "snippets/good.txt\n"
    assert "gptsnip: bad.txt: not UTF-8 from byte 0 on\n" in done.stderr
    assert "gptsnip: large.txt: larger than 1 MiB\n" in done.stderr
    assert "gptsnip: gone.txt: no such file or directory\n" in done.stderr


def test_a_prompt_longer_than_the_context_is_cut_with_a_warning(here: Path) -> None:
    (here / "long.txt").write_text("The story of number 7. " * 100)
    done = quick(f"{MAKE} long.txt", here)
    assert done.returncode == 0
    assert "gptsnip: prompts longer than 52 tokens are cut from the left" in done.stderr


def test_more_tokens_than_the_window_has_are_told(here: Path) -> None:
    done = quick("gptsnip --model model --seeds 0-1 --max-tokens 65", here)
    assert done.returncode == 0
    assert done.stderr.startswith(
        "gptsnip: --max-tokens 65: texts end with the model's context of 64 tokens,"
        " prompt included\n"
    )
    assert "--max-tokens" not in quick("gptsnip --model model --seeds 0-1 -o other", here).stderr


def test_texts_end_with_a_sentence_or_a_marker(here: Path) -> None:
    more = "--seeds 0-5 --temperature 1 --top-k 0 --max-tokens 60 --tries 200"
    assert quick(f"gptsnip --model model {more} --whole -o whole", here).returncode == 0
    whole = texts(here / "whole")
    assert all(text.rstrip().endswith((".", "!", "?")) for text in whole.values())
    made = quick(f"gptsnip --model model {more} --keep-markers -o kept", here)
    plain = quick(f"gptsnip --model model {more} -o plain", here)
    assert made.returncode == plain.returncode == 0
    kept, bare = texts(here / "kept"), texts(here / "plain")
    assert any(text.endswith("<|endoftext|>\n") for text in kept.values())
    assert not any("<|endoftext|>" in text for text in bare.values())
    assert {name: text.replace("<|endoftext|>", "") for name, text in kept.items()} == bare


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "nothing to write: give --seeds"),
        ("--seeds 9-1", "seeds 9-1 end before they begin"),
        ("--seeds 0 --model gone/", "--model gone/ does not exist"),
        ("--seeds 0 --model model/config.json", "is a file: name the folder"),
        ("--seeds 0 --template none", "--template needs {} exactly once"),
        ("--seeds 0 --template 'a {}'", "--template needs a prompt"),
        ("--seeds 0 --prompt a --prompt-file b", "exclude each other"),
        ("--prompt-file gone", "gone: no such file or directory"),
        ("--prompt-file model", "model: is a directory"),
        ("--seeds 0 --prompt a model/config.json", "files are prompts"),
        ("--seeds 0 --top-p 0", "--top-p is a share above 0"),
        ("--seeds 0 --device cuda:77", "--device cuda:77"),
        ("--seeds 0 --device all", "--device all"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(here: Path, words: str, why: str) -> None:
    done = quick(f"{MAKE} {words}", here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert why in done.stderr
    assert texts(here / "snippets") == {}


def test_a_reader_that_leaves_ends_it(here: Path, shell: Shell) -> None:
    done = shell(f"{MAKE} --seeds 0-100000 | head -1; echo ${{PIPESTATUS[0]}}")
    assert done.stdout == "snippets/snippet-0.txt\n141\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_goes_on(here: Path, number: int) -> None:
    words = [str(ROOT / "bin/gptsnip"), "--model", "model", "--max-tokens", "12", "--seeds"]
    run: Any = subprocess.Popen(
        [*words, "0-100000"], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(30):
        assert run.stdout.readline()
    began = time.monotonic()
    os.kill(run.pid, number)
    rest, errors = run.communicate()
    assert time.monotonic() - began < 5
    assert (run.returncode, errors) == (-number, "")
    before = texts(here / "snippets")
    assert len(before) >= 30 + rest.count("\n")
    assert all(text.strip() for text in before.values())
    parts = [path for path in (here / "snippets").iterdir() if path.name.endswith(".part")]
    assert not parts or number == signal.SIGKILL
    done = quick(f"{MAKE} --seeds 0-40", here)
    assert done.returncode == 0
    after = texts(here / "snippets")
    assert after | before == after
    whole = quick(f"{MAKE} --seeds 0-40 -o whole", here)
    assert whole.returncode == 0
    assert texts(here / "whole").items() <= after.items()
    assert not [path for path in (here / "snippets").iterdir() if path.name.endswith(".part")]
