"""The whole chain of a booru, from metadata to a labeled zip: its memory and rate, also when killed.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/chain.py [--count 20000] [--pixels 128] [--work FOLDER]

animedraw draws a booru with flaws. booruselect, animecrop, animeclean and animepack then make a zip
of it in one pipe: once in peace, and once killed twice (kill -9, all at once) and continued by the
same line. Prints of each command its peak memory, its computing time and pictures a second of that,
and whether both zips hold the same bytes. --work keeps the files; a drawn booru is taken up again.
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.conftest import ROOT

FLAWS = 0.05
KILLED_AT = (0.25, 0.6)  # of the crops
LINES = (
    "booruselect --rating sfw --json {raw}/metadata.jsonl",
    "animecrop --json --min-size 32",
    "animeclean --json --min-side 16",
    "animepack --labels tags --min-count 5 --size 64 -o faces.zip",
)

Usage = tuple[str, int, float]  # a command, its peak memory in MB, its computing time in seconds


def run(
    lines: Sequence[str], folder: Path, stop: Callable[[], bool] = lambda: False
) -> list[Usage] | None:
    """Run a pipe; None if it was killed, which happens as soon as `stop` says so."""
    environment = os.environ | {"PATH": f"{ROOT / 'bin'}:{os.environ['PATH']}"}
    stages: list[subprocess.Popen[bytes]] = []
    with open(folder / "messages.txt", "ab") as messages:
        for line in lines:
            stages.append(
                subprocess.Popen(
                    line.split(),
                    cwd=folder,
                    env=environment,
                    stdin=stages[-1].stdout if stages else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if line != lines[-1] else subprocess.DEVNULL,
                    stderr=messages,
                    process_group=0,
                )
            )
            if len(stages) > 1 and (before := stages[-2].stdout):
                before.close()
    used: dict[int, Usage] = {}
    while len(used) < len(stages):
        if stop():
            for stage in stages:
                if stage.pid not in used:
                    os.killpg(stage.pid, signal.SIGKILL)
            for stage in stages:
                if stage.pid not in used:
                    os.waitpid(stage.pid, 0)
            return None
        for stage, line in zip(stages, lines, strict=True):
            if stage.pid in used:
                continue
            pid, status, usage = os.wait4(stage.pid, os.WNOHANG)
            if pid:
                if os.waitstatus_to_exitcode(status) not in (0, 1):
                    raise SystemExit(f"{line}: status {status}; see {folder}/messages.txt")
                cpu = usage.ru_utime + usage.ru_stime
                used[pid] = line.split()[0], usage.ru_maxrss // 1024, cpu
        time.sleep(0.05)
    return [used[stage.pid] for stage in stages]


def crops(folder: Path) -> int:
    """The number of finished crops."""
    return sum(not path.name.startswith(".") for path in (folder / "faces").rglob("*.png"))


def content(path: Path) -> list[tuple[str, int, int]]:
    """The members of a zip, in order: names, checksums, sizes."""
    with zipfile.ZipFile(path) as file:
        return [(info.filename, info.CRC, info.file_size) for info in file.infolist()]


def main() -> None:
    """Draw, run, run and kill, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = (chosen.work or Path(scratch)).resolve()
        peaceful, killed = (place / name for name in ("peaceful", "killed"))
        for folder in (peaceful, killed):
            folder.mkdir(parents=True, exist_ok=True)
        sizes = f"--count {chosen.count} --flaws {FLAWS} --portraits {chosen.pixels}"
        lines = [line.format(raw=place / "raw") for line in LINES]
        drawn = run([f"animedraw {sizes} -q -o {place / 'raw'}"], place)
        used = (drawn or []) + (run(lines, peaceful) or [])
        for name, memory, cpu in used:
            rate = chosen.count / max(cpu, 1e-9)
            print(f"{name:12} {memory:6} MB {cpu:8.1f} s {rate:8.1f} pictures/s of one core")
        total = crops(peaceful)
        for share in KILLED_AT:
            least = int(share * total)
            if run(lines, killed, lambda least=least: crops(killed) >= least):  # type: ignore[misc]
                raise SystemExit("it ended before it could be killed: try a larger --count")
            print(f"killed at {crops(killed)} of {total} crops")
        again = run(lines, killed)
        assert again
        print(f"continued: {sum(cpu for *_, cpu in again):.1f} s of computing")
        one, other = (content(folder / "faces.zip") for folder in (peaceful, killed))
        with zipfile.ZipFile(peaceful / "faces.zip") as file:
            summary = json.loads(file.read("dataset.json"))
        labels, names = len(summary["labels"]), len(summary["label_names"])
        print(f"{labels} images with labels of {names} tags")
        if one != other:
            different = [pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]]
            raise SystemExit(f"the zips differ: {len(one)}, {len(other)} members: {different[:3]}")
        print("the zip of the killed runs holds the same bytes")


if __name__ == "__main__":
    main()
