"""animeaug beside the article's `convert` lines: how close each operation is, and how fast all are.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/augmenting.py close [FOLDER]
    PYTHONPATH=. .venv/bin/python tests/benchmarks/augmenting.py speed [--faces N] [--side PIXELS]

It needs ImageMagick's convert. FOLDER holds pictures: by default drawn ones, and the real ones of
../shared/data/real where they are. `close` prints levels of 255, for what ImageMagick computes (16
bits) and for the 8 bits that it writes, which version 6 rounds down. `speed` gives both programs the
same drawn faces and two jobs, one after the other; the peer's are by GNU parallel, or by xargs where that is missing.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.artist.artist import draw
from animetools.errors import ItemError
from animetools.images.augment import operations
from animetools.images.files import encode_png, read_rgb
from tests.conftest import REAL, bash
from tests.images.imagemagick import CONVERT, OPTIONS, convert

DRAWN = 30
SIDE = 512
LARGEST = 1000  # pixels of a side: larger pictures are shrunk, for time

PEER = """
augment() {{
{lines}
}}
export -f augment
find faces -name '*.png' | {each}
"""


def pictures(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a folder, not too large."""
    for path in sorted(folder.iterdir()):
        try:
            pixels = read_rgb(str(path))
        except ItemError:
            continue
        scale = min(1, LARGEST / max(pixels.shape[:2]))
        yield np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def compare(name: str, samples: list[NDArray[np.uint8]]) -> None:
    """Print how far each operation is from ImageMagick's."""
    print(f"\n{name}, {len(samples)} pictures: mean and largest difference to 16 bits, and to 8")
    print("share of levels that are more than half a level from the 16 bits")
    for augmentation, operation in operations().items():
        means, most, means_8, most_8, off = [], [], [], [], []
        for pixels in samples:
            made, theirs = operation(pixels).astype(float), convert(pixels, OPTIONS[augmentation])
            if made.shape != theirs.shape:
                raise SystemExit(f"{augmentation}: {made.shape}, not {theirs.shape}")
            difference, difference_8 = abs(made - theirs / 257), abs(made - theirs // 257)
            means.append(difference.mean())
            most.append(difference.max())
            means_8.append(difference_8.mean())
            most_8.append(difference_8.max())
            off.append((difference > 0.51).mean())
        print(
            f"{augmentation:20}{np.mean(means):8.3f}{max(most):8.2f}"
            f"{np.mean(means_8):8.3f}{max(most_8):6.0f}{np.mean(off):12.6f}",
            flush=True,
        )


def race(count: int, side: int) -> None:
    """Print how long both take for all variants of the same faces."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "faces").mkdir()
        (folder / "theirs/faces").mkdir(parents=True)
        for number in range(count):
            (folder / f"faces/{number:03}.png").write_bytes(encode_png(draw(number, 1, side).rgb))
        lines = "\n".join(
            f'  {CONVERT} "$1" {options} theirs/"$1".{name}.png'
            for name, options in OPTIONS.items()
        )
        each = "xargs -P2 -I{} bash -c 'augment {}'"
        if shutil.which("parallel"):
            each = "parallel -j2 augment"
        seconds, work = {}, {}
        for name, line in {
            f"convert, {each.split()[0]}": PEER.format(lines=lines, each=each),
            "animeaug": "find faces | animeaug -j2 -o ours",
        }.items():
            start, before = time.perf_counter(), os.times()
            done = bash(line, folder)
            seconds[name], after = time.perf_counter() - start, os.times()
            work[name] = sum(after[2:4]) - sum(before[2:4])  # of processes that have ended
            if done.returncode:
                raise SystemExit(done.stderr)
            print(
                f"{name}: {seconds[name]:.1f} s, {work[name]:.1f} s of computing,"
                f" for {count} faces of {side} x {side}",
                flush=True,
            )
        made = [len(list((folder / name).rglob("*.png"))) for name in ("theirs", "ours")]
        ratios = [peer / ours for peer, ours in (seconds.values(), work.values())]
        print(
            f"{ratios[0]:.1f} times as fast, {ratios[1]:.1f} times less computing;"
            f" files written: {made}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["close", "speed"])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--faces", type=int, default=100)
    parser.add_argument("--side", type=int, default=SIDE)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    if not CONVERT:
        raise SystemExit("ImageMagick's convert is not on the PATH")
    print(
        subprocess.run([CONVERT, "-version"], capture_output=True, text=True).stdout.split("\n")[0]
    )
    if given.what == "speed":
        race(given.faces, given.side)
    elif given.folder:
        compare(str(given.folder), list(pictures(given.folder)))
    else:
        compare("drawn", [draw(number, 1, SIDE).rgb for number in range(DRAWN)])
        if REAL.is_dir():
            compare("real", list(pictures(REAL)))
