"""The suite against the tools that the article used, on the same images in the same run.

    .venv/bin/python tests/benchmarks/classic.py [RAW] [--cascade FILE]

RAW is a folder of illustrations (default: real ones where they are, else 100 drawn ones). Needs
ImageMagick, fdupes, findimagedupes and GNU parallel. Prints ratios of wall time (and of CPU time),
each the best of three runs taken in turn, and the share of the image-decoding limit reached: the
time to decode the same files with as many threads, over the time the command took.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animetools.images.files import encode_png, read_rgb
from tests.conftest import REAL, ROOT

CASCADE = REAL.parent / "lbpcascade_animeface.xml"
CONVERT = shutil.which("convert-im6.q16") or "convert"
ROUNDS = 3
SIDES = (200, 601)  # pixels: faces are 400 on average in drawn pictures
CROPS = 1000

# One process per image, as the article's crop.py: the whole image, equalised grey.
CROP_SCRIPT = """
import os, sys
import cv2
cascade = cv2.CascadeClassifier(sys.argv[1])
image = cv2.imread(sys.argv[3])
grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
faces = cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(50, 50))
for n, (x, y, w, h) in enumerate(faces):
    if min(w, h) >= 128:
        name = os.path.basename(sys.argv[3])
        cv2.imwrite(os.path.join(sys.argv[2], f"{name}.{n}.png"), image[y:y + h, x:x + w])
"""


@dataclass
class Took:
    """Seconds of the wall clock and of the processors."""

    wall: float
    cpu: float


def timed(line: str, folder: Path) -> Took:
    """Run a line of bash."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=folder, capture_output=True, text=True
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{line}\n{done.stderr}")
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def race(
    name: str, classic: str, ours: str, reset: Callable[[], None], folder: Path, limit: float
) -> None:
    """Both in turn, three times; the best of each."""
    best: dict[str, Took] = {}
    for _ in range(ROUNDS):
        for line in (classic, ours):
            reset()
            took = timed(line, folder)
            if line not in best or took.wall < best[line].wall:
                best[line] = took
    old, new = best[classic], best[ours]
    print(
        f"{name:24} {old.wall / new.wall:6.1f} x wall {old.cpu / new.cpu:6.1f} x CPU   "
        f"classic {old.wall:6.2f} s, ours {new.wall:6.2f} s; decoding alone {limit:.2f} s = {limit / new.wall:.0%} of ours",
        flush=True,
    )


def decoding(files: list[str]) -> float:
    """Seconds to decode the files, two at a time."""

    def once() -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(read_rgb, files))
        return time.perf_counter() - began

    return min(once() for _ in range(ROUNDS))


def make_crops(raw: list[str], folder: Path) -> None:
    """Distinct squares out of the illustrations, of the sizes that faces come in."""
    random = np.random.default_rng(0)
    folder.mkdir()
    pictures = [picture for picture in map(read_rgb, raw) if min(picture.shape[:2]) >= 600]
    for n in range(CROPS):
        picture = pictures[n % len(pictures)]
        side = int(random.integers(*SIDES))
        y, x = (int(random.integers(0, length - side + 1)) for length in picture.shape[:2])
        (folder / f"{n}.png").write_bytes(encode_png(picture[y : y + side, x : x + side]))


def main() -> None:
    """Run the three races."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("raw", nargs="?", type=Path, default=REAL)
    parser.add_argument("--cascade", type=Path, default=CASCADE)
    told = parser.parse_args()
    os.environ["PATH"] = f"{ROOT / 'bin'}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if not told.raw.is_dir():
            timed("animedraw --count 100 --seed 1 -o drawn", folder)
            told.raw = folder / "drawn" / "original"
        raw = [
            str(path)
            for path in sorted(told.raw.resolve().rglob("*.*"))
            if path.suffix in (".jpg", ".png")
        ]
        (folder / "raw.txt").write_text("\n".join(raw) + "\n")
        (folder / "crop.py").write_text(CROP_SCRIPT)
        make_crops(raw, folder / "crops")
        crops = [str(path) for path in sorted((folder / "crops").iterdir())]
        print(
            f"{len(raw)} illustrations, {len(crops)} crops of 200 to 600 px, 2 workers, best of {ROUNDS}"
        )

        def fresh() -> None:
            for name in ("old", "new", "new.zip"):
                path = folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            (folder / "old").mkdir()

        limit = decoding(raw)
        cascade = told.cascade.resolve()
        each = f"parallel -j2 {sys.executable} crop.py {cascade} old {{}} < raw.txt"
        for detector in ("lbp", "auto"):
            ours = f"animecrop -q -j2 --cascade {cascade} --detector {detector} -o new < raw.txt"
            race(f"animecrop {detector}", each, ours, fresh, folder, limit)

        limit = decoding(crops)
        classic = (
            "find crops -type f | parallel -j2 identify -format '%k\\\\n' {} > old/colors;"
            " fdupes -r crops > old/twins; findimagedupes -q -R -t 99% crops > old/near"
        )
        ours = "find crops -type f | animeclean -q -j2 > new"
        race("animeclean", classic, ours, fresh, folder, limit)

        classic = (
            f"find crops -type f | parallel -j2 {CONVERT} {{}} -resize '512x512\\>' -background black"
            " -gravity center -extent 512x512 -quality 33 old/{/.}.jpg;"
            " find old -name '*.jpg' | parallel -j2 identify {} > old/sizes"
        )
        ours = "find crops -type f | animepack -q -j2 --quality 33 --no-enlarge -o new.zip"
        race("animepack --quality 33", classic, ours, fresh, folder, limit)


if __name__ == "__main__":
    main()
