"""What all tests share: real shells, with the commands on PATH."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "real"  # real images, where somebody has put them

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a line of bash in tmp_path, with bin/ on PATH."""

    def run(line: str, **options: object) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PATH": f"{ROOT / 'bin'}:{os.environ['PATH']}",
            "FILTERS": f"{ROOT / '.venv/bin/python'} {ROOT / 'tests/cli/filters.py'}",
        }
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            ["bash", "-o", "pipefail", "-c", line],
            cwd=tmp_path,
            env=environment,
            text=True,
            errors="surrogateescape",
            capture_output=True,
            timeout=120,
            **options,
        )

    return run
