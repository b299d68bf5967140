"""Copies among drawn pictures: what animeclean finds, beside findimagedupes.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/duplicates.py [--count N] [--seed N] [--work FOLDER]
        [--crops RAW]

`animedraw --flaws` plants copies: rescaled to 0.5 to 0.9 and saved as JPEG 85, recompressed at 40 to
75, and others. A copy is found if a program puts it beside a file of the same picture; a pair is right
if both files are of the same picture. findimagedupes is Debian's. `peers.py duplicates` has imagededup.

--crops is a folder of pictures that differ from each other. Of each, a part is cut off at the sides, at
most so much and at one side exactly so much, and the rest is saved as JPEG 85, at 0.7 of its size for
every second one; that, and its mirror image, is looked for among the pictures. Printed are the share cut off,
and the shares of the copies and of their mirror images that are found.
"""

import argparse
import json
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from animetools.artist.posts import flaw_of, source_of
from animetools.images.files import Pixels, decode_rgb, encode_jpeg, read_rgb
from animetools.images.hashes import Fingerprint
from tests.conftest import ROOT
from tests.images import galleries
from tests.images.test_overlap import whole

COPIES = ("rescaled", "recompressed")
SHARE = 1.0
CROPS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08)

Pairs = list[tuple[int, int]]


def number_of(path: str) -> int:
    """The number of a drawn file."""
    return int(Path(path).stem)


def groups_of(lines: str, separator: str) -> Pairs:
    """All pairs of each group."""
    pairs: Pairs = []
    for line in lines.splitlines():
        pairs += combinations(sorted(map(number_of, line.split(separator))), 2)
    return pairs


def run(arguments: Sequence[str], folder: Path) -> tuple[str, float]:
    """What a program prints, and its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report(name: str, pairs: Pairs, seed: int, total: int, seconds: float | None = None) -> None:
    """Print how many copies are found, and how many pairs are right."""
    source = {number: source_of(seed, number, SHARE) for number in range(1, total + 1)}
    right = [pair for pair in pairs if source[pair[0]] == source[pair[1]]]
    found = {number for pair in right for number in pair}
    shares = []
    for flaw in COPIES:
        copies = [n for n in source if flaw_of(n, SHARE) == flaw]
        shares.append(f"{sum(n in found for n in copies)} of {len(copies)} {flaw}")
    precision = len(right) / max(len(pairs), 1)
    took = f"; {seconds:.1f} s" if seconds is not None else ""
    print(
        f"{name}: {', '.join(shares)}; {len(pairs)} pairs, {precision:.1%} right{took}", flush=True
    )


def drawn(count: int, seed: int, work: Path) -> tuple[Path, int]:
    """A folder of drawn pictures with planted copies, listed in work/list, and how many they are."""
    raw = work / f"raw-{count}-{seed}"
    if not raw.exists():
        arguments = ["--count", str(count), "--seed", str(seed), "--flaws", str(SHARE)]
        subprocess.run(
            [ROOT / "bin/animedraw", *arguments, "-q", "-o", raw],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    files = [
        str(path) for path in raw.rglob("*") if path.suffix in (".jpg", ".png", ".gif", ".webp")
    ]
    (work / "list").write_text("".join(f"{path}\n" for path in sorted(files)))
    return raw, max(map(number_of, files))


def cleaned(options: str, work: Path) -> tuple[Pairs, float]:
    """The pairs that animeclean finds in work/list, and its CPU seconds."""
    line = f"{ROOT}/bin/animeclean -j 1 --groups --json {options} < list"
    text, seconds = run(["bash", "-c", line], work)
    pairs = [
        (number_of(record["path"]), number_of(each["path"]))
        for record in map(json.loads, text.splitlines())
        for each in record["duplicates"]
    ]
    return pairs, seconds


def compared(count: int, seed: int, work: Path) -> None:
    """Compare the programs on drawn pictures and their planted copies."""
    raw, total = drawn(count, seed, work)
    for options in (
        "",
        "--near 99%",
        "--near 95%",
        "--mirrored",
        "--cropped",
        "--mirrored --cropped",
    ):
        pairs, seconds = cleaned(options, work)
        report(f"animeclean {options}", pairs, seed, total, seconds)
    if shutil.which("findimagedupes"):
        for threshold in ("90%", "95%", "97%", "99%"):
            text, seconds = run(["findimagedupes", "-q", "-t", threshold, "-R", str(raw)], work)
            report(f"findimagedupes {threshold}", groups_of(text, " "), seed, total, seconds)
    else:
        print("findimagedupes is not installed")


def cut(rgb: Pixels, most: float, rng: np.random.Generator) -> Pixels:
    """A slightly cropped copy."""
    height, width = rgb.shape[:2]
    parts = rng.uniform(0, most, 4)
    parts[rng.integers(4)] = most
    top, bottom = round(parts[0] * height), height - round(parts[1] * height)
    left, right = round(parts[2] * width), width - round(parts[3] * width)
    return rgb[top:bottom, left:right]


def copies(rgb: Pixels, most: float, scale: float, rng: np.random.Generator) -> list[Fingerprint]:
    """A slightly cropped copy, and its mirror image."""
    copy = cut(rgb, most, rng)
    copy = np.asarray(
        cv2.resize(copy, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )
    saved = decode_rgb(encode_jpeg(copy, 85))
    return [whole(saved), whole(np.ascontiguousarray(saved[:, ::-1]))]


def crops(folder: Path) -> None:
    """Look for cropped and mirrored copies."""
    rng = np.random.default_rng(0)
    paths = sorted(str(path) for path in folder.iterdir())
    prints, copied = {}, {}
    for number, path in enumerate(paths):
        rgb = read_rgb(path)
        prints[path] = whole(rgb)
        for most in CROPS:
            copied[path, most] = copies(rgb, most, 0.7 if number % 2 else 1, rng)
    for mirrored, cropped in ((False, False), (False, True), (True, False), (True, True)):
        gallery = galleries.empty(0.97, mirrored=mirrored, cropped=cropped)
        wrong = 0
        for path, print_ in prints.items():
            wrong += galleries.first(gallery, print_) is not None
            galleries.put(gallery, path, print_)
        parts = []
        for most in CROPS:
            found = np.zeros(2)
            for path in paths:
                matches = [galleries.first(gallery, print_) for print_ in copied[path, most]]
                found += [match is not None and match[0] == path for match in matches]
                wrong += sum(match is not None and match[0] != path for match in matches)
            straight, turned = found / len(paths)
            parts.append(f"{most:.0%} {straight:.0%} / {turned:.0%}")
        options = "--mirrored " * mirrored + "--cropped" * cropped or "neither"
        print(f"{options}: {', '.join(parts)}; {wrong} wrong pairs", flush=True)


def main() -> None:
    """Draw, compare, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--crops", type=Path)
    told = parser.parse_args()
    if told.crops:
        crops(told.crops)
        return
    with tempfile.TemporaryDirectory() as scratch:
        compared(told.count, told.seed, (told.work or Path(scratch)).resolve())


if __name__ == "__main__":
    main()
