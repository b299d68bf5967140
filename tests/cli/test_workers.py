"""The contract of the stream holds whoever does the work: threads, processes or a cluster."""

import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import FILTERS, tree
from tests.conftest import ROOT, Shell

CLUSTER = f"PYTHONPATH={ROOT}/tests/cli {FILTERS[0]} {ROOT}/tests/elsewhere.py filters:"


@pytest.mark.parametrize("line", ["$FILTERS forked", "$FILTERS inline", f"{CLUSTER}copier"])
def test_any_workers_give_the_same(shell: Shell, raw: Path, line: str) -> None:
    done = shell(
        f"$FILTERS copier raw -o one > 1; {line} raw -o two > 2; sed -i s/two/one/ 2; cmp 1 2"
    )
    assert done.returncode == 0
    assert tree(raw.parent / "one") == tree(raw.parent / "two")


@pytest.mark.parametrize("line", ["$FILTERS forkedshouter", f"{CLUSTER}shouter"])
def test_batches_give_the_same(shell: Shell, raw: Path, line: str) -> None:
    (raw / "a/02.png").write_bytes(b"mute")
    (raw / "a/04.png").write_bytes(b"broken")
    options = "raw --size 3 --devices 2"
    one = shell(f"$FILTERS shouter {options} -o one")
    two = shell(f"{line} {options} -o two")
    assert (one.returncode, two.returncode) == (1, 1)
    assert two.stdout == one.stdout.replace("one/", "two/")
    assert two.stderr.replace("forked", "") == one.stderr
    assert tree(raw.parent / "one") == tree(raw.parent / "two")


def test_a_device_is_loaded_once_however_often_it_is_listed(shell: Shell, raw: Path) -> None:
    shell("$FILTERS grader raw --devices 2 --size 1 --sleep 0.01")
    assert sorted(line[0] for line in (raw.parent / "loads").read_text().splitlines()) == ["0", "1"]


def test_a_remote_worker_loads_for_itself_and_once(shell: Shell, raw: Path) -> None:
    done = shell(f"{CLUSTER}grader raw --size 1 --sleep 0.05")
    assert (done.returncode, done.stdout.count("\n")) == (0, 20), done.stderr
    loads = [line.split()[1] for line in (raw.parent / "loads").read_text().splitlines()]
    assert len(loads) == len(set(loads)) <= 2


@pytest.mark.parametrize(
    "line",
    [
        "$FILTERS copier",
        "$FILTERS forked",
        "$FILTERS inline",
        f"{CLUSTER}copier",
        f"{CLUSTER}shouter --size 1",
    ],
)
def test_what_a_worker_warns_of_is_told_once(shell: Shell, raw: Path, line: str) -> None:
    for n in (2, 4, 6):
        (raw / f"a/{n:02}.png").write_bytes(b"odd")
    done = shell(f"{line} raw -j 2")
    assert done.stdout.count("\n") == 20
    assert done.stderr.count("some data is odd") == 1
    assert "Advice" not in done.stderr


@pytest.mark.parametrize("line", ["$FILTERS forked", f"{CLUSTER}copier", f"{CLUSTER}grader"])
def test_a_worker_that_dies_ends_the_run_in_one_sentence(
    shell: Shell, raw: Path, line: str
) -> None:
    (raw / "a/04.png").write_bytes(b"death")
    done = shell(f"DEATH=death {line} raw -j 2")
    assert done.returncode == 2
    assert done.stderr.endswith(
        ": a worker process died, perhaps for want of memory: try fewer --jobs\n"
    )
    assert done.stderr.count("\n") == 1


def screen(line: str, cwd: Path) -> str:
    """What a person sees of a command."""
    master, slave = pty.openpty()
    process = subprocess.Popen(["bash", "-c", line], cwd=cwd, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    with suppress(OSError):  # so a terminal ends
        while chunk := os.read(master, 4096):
            seen += chunk
    os.close(master)
    assert process.wait() == 0
    return seen.decode()


@pytest.mark.parametrize("name", ["copier", "forked"])
def test_a_long_item_moves_the_bar(raw: Path, tmp_path: Path, name: str) -> None:
    filters = " ".join(FILTERS)
    seen = screen(f"{filters} {name} raw/a/00.png --parts 10 --sleep 0.2", tmp_path)
    assert "50%" in seen


def test_workers_that_cannot_say_how_far_they_are_work(raw: Path, tmp_path: Path) -> None:
    seen = screen(f"{CLUSTER}copier raw/a/00.png --parts 10 --sleep 0.01", tmp_path)
    assert "copies/raw/a/00.png.copy" in seen
