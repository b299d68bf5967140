"""sgtrain in several processes."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.test_sgtrain import TINY, snapshot, tensors, train
from tests.conftest import ROOT
from tests.dataset.sets import picture, zipped
from tests.quick import start
from tests.training.groups import environments

LINE = f"sgtrain d.zip {TINY} --batch 8 --aug ada --p 0.3 --resume latest"
TOGETHER = 2e-3  # in float32 rounding grows from step to step


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten images of 16 x 16, in d.zip."""
    zipped(tmp_path / "d", [picture(seed) for seed in range(10)])
    return tmp_path


def children(process: int) -> Iterator[int]:
    """The processes that a process has started."""
    yield from map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())


def test_ranks_stop_together_and_one_process_goes_on(data: Path) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        ranks = [
            start(f"{LINE} --kimg 1000", data, folder, environment)
            for folder, environment in zip((one, other), environments(2), strict=True)
        ]
        while not list(data.glob("results/*/fakes*")) and ranks[0].is_alive():
            time.sleep(0.01)
        assert ranks[1].pid
        os.kill(ranks[1].pid, signal.SIGTERM)  # rank 0 hears of it
        for rank in ranks:
            rank.join()
        assert [rank.exitcode for rank in ranks] == [0, -signal.SIGTERM]
        saved = Path(one, "1").read_text().strip()
        assert Path(other, "1").read_text() == Path(other, "2").read_text() == ""
    (folder,) = data.glob("results/*")
    assert [*map(str, folder.glob("*.pkl"))] == [str(data / saved)]
    assert json.loads((folder / "run.json").read_text())["ranks"] == 2

    kimg = snapshot(data / saved).facts["kimg"] + 0.016
    resumed = train(f"d.zip --resume latest --kimg {kimg} -j 1", data).stdout.strip()
    assert resumed.startswith(str(Path(saved).parent))
    whole = train(f"{LINE.removeprefix('sgtrain ')} --kimg {kimg} -o whole", data).stdout.strip()
    first, second = (tensors(snapshot(data / path)) for path in (resumed, whole))
    assert first.keys() == second.keys()
    for name, value in first.items():
        error = (value.double() - second[name].double()).norm()
        assert error <= TOGETHER * (value.double().norm() + 1), name


def test_a_batch_that_ranks_cannot_share_is_refused_before_anything_starts(data: Path) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        ranks = [
            start(f"{LINE} --batch 4", data, folder, environment)
            for folder, environment in zip((one, other), environments(2), strict=True)
        ]
        for rank in ranks:
            rank.join()
        assert [rank.exitcode for rank in ranks] == [2, 2]
        said = "--batch 4 does not divide among 2 ranks in minibatch groups of 4 images: choose"
        assert said in Path(one, "2").read_text()
        assert Path(other, "2").read_text() == ""
    assert not (data / "results").exists()


def test_torchrun_loses_a_rank(data: Path) -> None:
    torchrun = [str(ROOT / ".venv/bin/torchrun"), "--nproc-per-node=2"]
    words = [str(ROOT / "bin/sgtrain"), *LINE.split()[1:], "--kimg=1000", "--snap=0.016"]
    process = subprocess.Popen(
        [*torchrun, *words], cwd=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    saved = process.stdout.readline().strip()
    ranks = {}
    for child in children(process.pid):
        text = Path(f"/proc/{child}/environ").read_text()
        found = re.search(r"(?:^|\0)RANK=(\d)", text)
        if found:
            ranks[int(found[1])] = child
    begun = time.monotonic()
    os.kill(ranks[1], signal.SIGKILL)
    _, said = process.communicate()
    assert time.monotonic() - begun < 60
    assert process.returncode == 1  # which the loop in the help takes as: try again
    assert "sgtrain: rank 1 of 2 was lost: start all again with --resume latest" in said
    (*_, last) = sorted(data.glob("results/*/*.pkl"))
    assert str(last) >= str(data / saved)
    assert snapshot(last).facts["kimg"] >= 0.016
    assert not list(last.parent.glob(".*.part"))
