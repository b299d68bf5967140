"""What the tests of the engine share: files, and filters to send them through."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILTERS = [sys.executable, str(ROOT / "tests/cli/filters.py")]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Twenty small files in two folders."""
    folder = tmp_path / "raw"
    for n in range(20):
        path = folder / "ab"[n % 2] / f"{n:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"data %d" % n)
    return folder


def start(*words: str, cwd: Path, **options: object) -> subprocess.Popen[bytes]:
    """One of the filters, at work."""
    pipe = subprocess.PIPE
    given = {"stdin": pipe, "stdout": pipe, "stderr": pipe} | options
    return subprocess.Popen([*FILTERS, *words], cwd=cwd, **given)  # type: ignore[call-overload,no-any-return]


def seconds_to_end(name: str, number: signal.Signals, sign: Path) -> float:
    """How long a filter takes to end by a signal, when it has written `sign`: it is at work."""
    cwd = sign.parent
    sign.unlink(missing_ok=True)
    words = [name, "raw", "--sleep", "3", "-j", "2"]
    process = start(*words, cwd=cwd, start_new_session=True)
    while not sign.exists():
        time.sleep(0.02)
    began = time.monotonic()
    os.killpg(process.pid, number)  # as a terminal does
    said = process.communicate()[1]  # until the last of its processes has closed its pipes
    assert said == b""
    assert process.returncode == -number
    assert not list(cwd.glob("copies/**/.*part"))
    return time.monotonic() - began


def tree(folder: Path) -> dict[str, bytes]:
    """Every visible file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".animetools")
    }


def peak_memory(*words: str, cwd: Path, lines: bytes, results: int) -> int:
    """Kilobytes that a filter has used at most when it has given so many results for a list."""
    with (cwd / "given").open("wb") as given:
        process = start(*words, cwd=cwd, stdout=given, stderr=subprocess.DEVNULL)
    assert process.stdin
    process.stdin.write(lines)
    process.stdin.flush()
    while (cwd / "given").read_bytes().count(b"\n") < results:
        time.sleep(0.05)
    # Not getrusage: its maximum begins with that of the process that forked.
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
    process.communicate()
    assert found
    return int(found[1])
