"""A million paths through the engine: rate, and memory against a thousand.

.venv/bin/python tests/benchmarks/paths.py [COUNT]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import ROOT

CODE = """
import resource, sys
sys.path.insert(0, {tests!r})
import filters
sys.argv = ["waiter"]
try:
    filters.waiter()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def through(count: int, folder: Path) -> tuple[float, int]:
    """Seconds, and kilobytes at the most, for so many paths of a real file."""
    code = CODE.format(tests=str(ROOT / "tests/cli"))
    began = time.perf_counter()
    source = subprocess.Popen(
        ["bash", "-c", f"yes ./a/path/to/an/image.png | head -n {count}"], stdout=subprocess.PIPE
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, stdin=source.stdout, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, check=True,
    )  # fmt: skip
    words = done.stderr.split()
    return time.perf_counter() - began, int(words[words.index(b"peak") + 1])


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
