"""Work done by turns, in this process or by a peer in an environment of its own, in CPU seconds.

Uses the standard library only: peers import it too.
"""

import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[3]
Turn = Callable[[], float]


def timed(work: Callable[[], object]) -> Turn:
    """Does the work, and returns the CPU seconds that it took, with processes that it ran."""

    def turn() -> float:
        start = cpu_seconds()
        work()
        return cpu_seconds() - start

    return turn


def cpu_seconds() -> float:
    """CPU seconds of this process until now, and of its children that have ended."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def serve(work: Callable[[], object]) -> None:
    """What a peer does: the work once for each line of standard input, printing its CPU seconds."""
    work()  # caches, and pages
    turn = timed(work)
    for _ in sys.stdin:
        sys.stdout.write(f"{turn()}\n")
        sys.stdout.flush()


def peer(python: Path, module: str, *arguments: str) -> Turn:
    """A turn of `module`, which calls `serve`, under another Python."""
    process = subprocess.Popen(
        [python, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    given, made = process.stdin, process.stdout
    assert given
    assert made

    def turn() -> float:
        given.write("\n")
        given.flush()
        return float(made.readline())

    return turn


def compare(what: str, turns: Mapping[str, Turn], times: int = 3) -> None:
    """Print the median of each, all by turns, and how many times that of the first it is."""
    spent: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(times):
        for name, turn in turns.items():
            spent[name].append(turn())
    ours, *_ = (median(seconds) for seconds in spent.values())
    for name, seconds in spent.items():
        line = f"{what:24} {name:24} {median(seconds):8.3f} s  {median(seconds) / ours:5.2f} x ours"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
