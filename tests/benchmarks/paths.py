"""A million paths through the engine: rate, and memory against a thousand.

.venv/bin/python tests/benchmarks/paths.py [COUNT]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import ROOT

CODE = """
import sys
sys.path.insert(0, {tests!r})
import filters
sys.argv = ["waiter"]
filters.waiter()
"""


def through(count: int, folder: Path) -> tuple[float, int]:
    """Seconds, and kilobytes at the most, for so many paths of a real file."""
    code = CODE.format(tests=str(ROOT / "tests/cli"))
    began = time.perf_counter()
    source = subprocess.Popen(
        ["bash", "-c", f"yes ./a/path/to/an/image.png | head -n {count}"], stdout=subprocess.PIPE
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdin=source.stdout, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the command ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - began, used.ru_maxrss


def main() -> None:
    """A thousand, then all."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "a/path/to/an/image.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        start, small = through(1000, Path(place))
        took, large = through(count, Path(place))
    print(
        f"{count} paths: {count / (took - start):.0f}/s, {large} kB at the most, {large / small:.2f} x of 1000 paths"
    )


if __name__ == "__main__":
    main()
