"""What a card does, beside what the CPU computes: speeds and errors, in under ten minutes.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/cuda.py [--device cuda:1] [PART ...]
    PYTHONPATH=. .venv/bin/python tests/benchmarks/cuda.py --device cpu --quick

All networks have random weights but waifu2x's. Each part (card_parts.py) runs in a process of its
own, prints what it measures at once, and is ended after its limit; one that fails does not stop the
others, but the exit status is 1. `--quick` takes tiny sizes, to see that everything runs: on a CPU
it goes the ways of a card, and its speeds mean nothing.
"""

import argparse
import multiprocessing
import os
import platform
import sys
import time
import traceback
from datetime import date
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.benchmarks.card_parts import Row

# The limit of each part in seconds, on a card: together less than ten minutes.
PARTS = {
    "sampling-256": 80,
    "sampling-512": 85,
    "sampling-1024": 110,
    "training-256": 70,
    "training-512": 110,
    "upscaling": 65,
    "text": 70,
}
QUICK = dict.fromkeys(("sampling-8", "training-8", "upscaling", "text"), 300)
ENDING = 5  # seconds that a process may take for its end


def run(part: str, device: str, is_quick: bool, out: Connection) -> None:
    """One part in its process; what goes wrong is sent as a text."""
    from animetools.networks.devices import devices
    from tests.benchmarks import card_parts

    try:
        sizes = card_parts.QUICK if is_quick else card_parts.Sizes()
        name, _, size = part.partition("-")
        work = getattr(card_parts, name)
        for row in work(devices(device)[0], sizes, *map(int, filter(None, [size]))):
            out.send(row)
    except Exception as why:  # noqa: BLE001  the others go on
        traceback.print_exc()
        out.send(f"{type(why).__name__}: {why}".partition("\n")[0])
    out.send("")


def measured(part: str, limit: int, device: str, is_quick: bool) -> tuple[list["Row"], str]:
    """The rows of a part, printed as they come, and what went wrong."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(
        target=run, args=(part, device, is_quick, there)
    )
    process.start()
    there.close()
    rows, end = [], time.monotonic() + limit
    failure = f"not done within {limit} s"
    try:
        while here.poll(max(end - time.monotonic(), 0)):
            found = here.recv()
            if isinstance(found, str):
                failure = found
                break
            rows.append(found)
            print(f"{found.what}: {found.speed}; {found.near}", flush=True)
    except EOFError:
        failure = "its process has died"
    process.join(0 if failure else ENDING)
    process.kill()
    process.join()
    if failure:
        print(f"{part}: FAILED: {failure}", flush=True)
    return rows, failure


def machine(name: str) -> str:
    """What the numbers are of."""
    import torch

    from animetools.networks.devices import devices

    device = devices(name)[0]
    name = f"{platform.machine()} CPU"
    if device.type == "cuda":
        name = f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    threads = torch.get_num_threads()
    return f"{name}, {threads} threads, torch {torch.__version__}, {date.today()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"[{' '.join(PARTS)}]")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    here = os.path.dirname(__file__)  # where torch would take this file for the package cuda
    sys.path[:] = [place for place in sys.path if place != here]
    from animetools.errors import FatalError

    try:
        what = machine(options.device)
    except FatalError as why:
        parser.error(f"{why}")
    parts = QUICK if options.quick else PARTS
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no part {' '.join(sorted(unknown))}: {' '.join(parts)}")
    rows, failures = [], []
    for name in options.parts or parts:
        some, failure = measured(name, parts[name], options.device, options.quick)
        rows += some
        failures += [f"{name}: {failure}"] if failure else []
    print(f"\n{what}\n\n| | speed | beside the CPU in fp32 |\n|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.speed} | {row.near} |")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
