"""Commands on a Dask cluster with two workers beside the same commands with two threads.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/cluster.py [--pairs N] [--scale N] [COMMAND]...

Both do the same work on this machine, in turn, and the outputs are compared. The efficiency is the
ratio of wall times, and beside it of CPU seconds, of the scheduler and the workers too, without what
these use when there is nothing to do, which a busy machine stretches (it is printed first); medians
of the pairs. The start of the command is in both. It also says what an input costs with threads: the
rates of docs/cluster.md.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cli.conftest import tree
from tests.clusters import Cluster
from tests.conftest import REAL, ROOT

CASCADE = f"--cascade {REAL.parent}/lbpcascade_animeface.xml"
# Options, and how often each of the real images is an input: 15 to 20 CPU seconds with threads.
COMMANDS = {
    "animecrop": (f"--min-size 24 {CASCADE} -o out", 1),
    "animeclean": ("--keep-duplicates", 24),
    "animeaug": ("--each 3 -o out", 2),
    "animetag": ("", 4),
    "animeupscale": ("--model art --below 400 -o out", 4),
    "animepack": ("--size 512 -o out", 7),
}


def spent(words: list[str], cwd: Path) -> tuple[float, float]:
    """The wall and CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    with (cwd / "printed").open("wb") as printed:
        subprocess.run(words, cwd=cwd, check=True, stdout=printed, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - begun, used


def idle(cluster: Cluster) -> float:
    """The CPU seconds that a cluster without work uses in a second."""
    time.sleep(5)
    before, begun = cluster.cpu_seconds(), time.monotonic()
    time.sleep(10)
    return (cluster.cpu_seconds() - before) / (time.monotonic() - begun)


def once(
    name: str, options: str, raw: Path, cluster: Cluster, waste: float = 0
) -> tuple[float, ...]:
    """The seconds of a pair: of threads, and of the cluster, which wastes so much each second."""
    words = [str(ROOT / "bin" / name), *options.split(), str(raw)]
    folders = []
    seconds: list[float] = []
    for more in (["-j", "2"], ["--cluster", cluster.address]):
        folders.append(Path(tempfile.mkdtemp(dir=raw.parent)))
        before = cluster.cpu_seconds()
        wall, cpu = spent(words + more, folders[-1])
        there = cluster.cpu_seconds() - before - waste * wall
        seconds += [wall, cpu + (there if "--cluster" in more else 0)]
    assert tree(folders[0]) == tree(folders[1])
    for folder in folders:
        shutil.rmtree(folder)
    return tuple(seconds)


def folder_of(folder: Path, images: list[Path], count: int) -> Path:
    """A folder of so many images."""
    folder.mkdir(parents=True)
    for n in range(count):
        source = images[n % len(images)]
        shutil.copy(source, folder / f"{n:06}{source.suffix}")
    return folder


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", nargs="*", default=list(COMMANDS))
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1, help="times as many inputs")
    options = parser.parse_args()
    images = sorted(path for path in REAL.iterdir() if path.suffix in (".jpg", ".png"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        plain = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
        with Cluster(place / "dask", 2, environment=plain) as cluster:
            waste = idle(cluster)
            print(f"a scheduler and two workers without work: {waste:.3f} CPU s each second")
            print("command       inputs  CPU s each   efficiency: wall  CPU   (each pair)")
            for name in options.commands:
                line, times = COMMANDS[name]
                count = max(1, round(len(images) * times * options.scale))
                raw, few = folder_of(place / name, images, count), place / "few" / name
                once(name, line, folder_of(few, images, 2), cluster)  # which loads the models
                pairs = [once(name, line, raw, cluster, waste) for _ in range(options.pairs)]
                walls = [pair[0] / pair[2] for pair in pairs]
                cpus = [pair[1] / pair[3] for pair in pairs]
                each = statistics.median(pair[1] for pair in pairs) / count
                shown = " ".join(f"{wall:.2f}" for wall in walls)
                print(
                    f"{name:13} {count:6} {each:11.3f} {statistics.median(walls):18.2f}"
                    f" {statistics.median(cpus):5.2f}   ({shown})"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
