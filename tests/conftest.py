"""What all tests share: real shells, with the commands on PATH."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "real"  # real images, where somebody has put them
HANGS = 600  # seconds after which a process does: far more than it takes on a busy machine

# How long a test takes says how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A shell has its background jobs ignore Ctrl-C, and commands leave an ignored signal ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Shell = Callable[..., subprocess.CompletedProcess[str]]


def bash(line: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, with bin/ on PATH."""
    environment = os.environ | {
        "PATH": f"{ROOT / 'bin'}:{os.environ['PATH']}",
        "FILTERS": f"{ROOT / '.venv/bin/python'} {ROOT / 'tests/cli/filters.py'}",
    }
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        ["bash", "-o", "pipefail", "-c", line],
        cwd=cwd,
        env=environment,
        text=True,
        errors="surrogateescape",
        capture_output=True,
        timeout=HANGS,
        **options,
    )


def within_a_second(end: Callable[[], float]) -> bool:
    """Whether something ends so soon, which a busy machine may hold up once or twice."""
    return any(end() < 1 for _ in range(3))


@pytest.fixture(scope="session", autouse=True)
def _no_openvino_here() -> None:
    """Have OpenVINO loaded in processes of its own: two of pytest's that had it ended without a word."""
    sys.modules["openvino"] = None  # type: ignore[assignment]  # which is how Python knows this


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a line of bash in tmp_path."""
    return partial(bash, cwd=tmp_path)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> "torch.device":
    """The first card, or one that computes on the CPU and is as strict where there is none."""
    import torch

    if not torch.cuda.is_available():
        from tests.card import insert_cards

        insert_cards(monkeypatch)
    return torch.device("cuda", 0)
