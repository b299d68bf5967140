"""Zips beyond the limits of 1989: animepack writes one of 4 GiB and one of 65,535 images, and adds to both.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/zip64.py [--bytes 4400000000] [--images 66000] [--work FOLDER]

Needs three times the bytes of disk. The images are links to one file of noise. What was written is
read back by the reader of sgtrain, by Python's zipfile and, where it is installed, by unzip, and must
be the bytes that went in.
"""

import argparse
import os
import resource
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np

from animetools.dataset.zips import ZipReader
from tests.conftest import ROOT

UNLABELED = '{"labels": null}'  # makes a folder a dataset, whose JPEG files are kept as they are


def noise(path: Path, side: int) -> bytes:
    """Write a JPEG file that is as large as one of its size can be; its bytes."""
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 100, *sampling])[1].tobytes()
    path.write_bytes(data)
    return data


def pack(line: str, folder: Path) -> None:
    """Run animepack, and print what it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(ROOT / "bin/animepack"), *line.split()], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"animepack {line}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  animepack {line}: {cpu:.1f} s of computing, up to {after.ru_maxrss // 1024} MB")


def check(path: Path, count: int, data: bytes) -> None:
    """Read all images back, twice or three times."""
    files = ZipReader(str(path))
    assert len(files) == count, len(files)
    assert all(files.read(index) == data for index in range(count))
    with zipfile.ZipFile(path) as archive:
        images = [name for name in archive.namelist() if name.endswith(".jpg")]
        assert len(images) == count and archive.read(images[-1]) == data
        last = archive.getinfo(images[-1]).header_offset
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-tqq", str(path)], check=True)
    size = path.stat().st_size
    print(f"  {size:,} bytes, {count:,} images, the last at byte {last:,}: all as they went in")


def trial(place: Path, name: str, side: int, count: int) -> None:
    """Pack so many images of a size; add one more; read all of them each time."""
    print(f"{name}:")
    folder = place / name
    folder.mkdir()
    data = noise(folder / "0.jpg", side)
    limit = os.pathconf(folder, "PC_LINK_MAX")
    for number in range(1, count):
        source = number - number % (limit - 1)
        if source == number:
            shutil.copy(folder / "0.jpg", folder / f"{number}.jpg")
        else:
            os.link(folder / f"{source}.jpg", folder / f"{number}.jpg")
    (folder / "dataset.json").write_text(UNLABELED)
    pack(f"--size {side} -q -o {name}.zip {name}", place)
    check(place / f"{name}.zip", count, data)
    (place / "more").mkdir()
    (place / "more/more.jpg").write_bytes(data)
    (place / "more/dataset.json").write_text(UNLABELED)
    pack(f"--append -q -o {name}.zip more", place)
    check(place / f"{name}.zip", count + 1, data)
    (place / f"{name}.zip").unlink()
    shutil.rmtree(folder)
    shutil.rmtree(place / "more")


def main() -> None:
    """A large zip, then one of many images."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bytes", type=int, default=4_400_000_000)
    parser.add_argument("--images", type=int, default=66_000)
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.work) as scratch:
        place = Path(scratch)
        if chosen.bytes:
            large = len(noise(place / "one.jpg", 2048))
            trial(place, "large", 2048, -(-chosen.bytes // large))
        if chosen.images:
            trial(place, "many", 8, chosen.images)


if __name__ == "__main__":
    main()
