"""The benchmark of cards ends in time, and says what failed."""

import subprocess
import sys

import pytest
import torch

from tests.benchmarks import card_parts, cuda
from tests.conftest import ROOT


def test_its_parts_exist_and_take_less_than_ten_minutes() -> None:
    for part in [*cuda.PARTS, *cuda.QUICK]:
        assert callable(getattr(card_parts, part.partition("-")[0]))
    assert sum(cuda.PARTS.values()) + len(cuda.PARTS) < 600


def test_a_part_that_fails_or_takes_too_long_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cuda.measured("text", 0, "cpu", True) == ([], "not done within 0 s")
    rows, failure = cuda.measured("sampling-0", 300, "cpu", True)
    assert (rows, failure) == ([], "ValueError: math domain error")
    assert "sampling-0: FAILED: ValueError" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_it_says_so() -> None:
    line = [sys.executable, "tests/benchmarks/cuda.py"]
    done = subprocess.run(line, cwd=ROOT, env={"PYTHONPATH": "."}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith("error: --device cuda: CUDA finds no GPU here\n")
