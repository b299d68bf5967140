"""Break ten thousand network files and read them: no hang, no crash, no memory for nothing.

    python -m tests.benchmarks.mutants [COUNT [KIND ...]]

A child process reads them, with its address space limited to what it has after its imports plus
twice the file, the network and a constant; a file that takes longer than SECONDS ends it.
"""

import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from animetools.errors import ItemError
from tests.netfiles.mutants import ORIGINALS, Mutants, read

SECONDS = 10
SLACK = 64 << 20  # records of small things, and what malloc keeps


def child(kind: str, count: int, results: Connection) -> None:
    """Read so many mutants of a kind, and send what came of each and how long it took."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    original = ORIGINALS[kind]()
    mutants = Mutants(original, kind)
    with TemporaryDirectory() as folder:
        read(original, Path(folder))  # what is imported late is there now
        limit = address_space() + 3 * len(original) + SLACK
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for _ in range(count):
            data = mutants.next()
            signal.alarm(SECONDS)
            start = time.perf_counter()
            try:
                read(data, Path(folder))
                end = "read"
            except ItemError as why:
                end = "refused" if "\n" not in str(why) else "refused in two lines"
            except Exception as why:  # noqa: BLE001  which one it is, is the question
                end = f"{type(why).__name__}: {why}"
            signal.alarm(0)
            results.send((end, time.perf_counter() - start))


def address_space() -> int:
    """What this process has mapped, in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def main(count: int, kinds: Sequence[str]) -> None:
    """Print, for each kind of file, how its mutants ended and how long the slowest took."""
    for kind in kinds:
        there, here = (context := get_context("spawn")).Pipe()
        process = context.Process(target=child, args=(kind, count // len(kinds), here))
        process.start()
        here.close()
        ends: Counter[str] = Counter()
        slowest = 0.0
        try:
            while True:
                end, seconds = there.recv()
                ends[end] += 1
                slowest = max(slowest, seconds)
        except EOFError:
            process.join()
        print(f"{kind}: slowest {slowest:.2f} s, exit {process.exitcode}")
        for end, times in ends.most_common():
            print(f"  {times:6} {end}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, sys.argv[2:] or [*ORIGINALS])
