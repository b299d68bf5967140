"""How fast training images come from JPEG, as a share of bare decoding in the same run.

PYTHONPATH=. .venv/bin/python tests/benchmarks/loader.py [IMAGES]

Of 512 px, in a zip and in a folder, with one thread. Bare decoding is one loop of cv2.imdecode, and
one of Pillow, over the same files, which lie in memory.
"""

import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from animetools.dataset.training_set import Images
from animetools.training.loader import Loader
from animetools.training.sampler import Sampler

SIDE, BATCH, TIMES = 512, 16, 7


def jpeg(seed: int) -> bytes:
    """A JPEG of some 50 kB: soft shapes, and the noise of a brush."""
    random = np.random.RandomState(seed)
    soft = cv2.resize(random.randint(0, 256, (12, 12, 3)).astype(np.float32), (SIDE, SIDE))
    pixels = (soft + random.randn(SIDE, SIDE, 3) * 6).clip(0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def seconds(work: Callable[[], None]) -> float:
    """What it takes of a core, whatever else runs beside it."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    cv2.setNumThreads(1)
    files = [jpeg(seed) for seed in range(count)]

    def by_cv2() -> None:
        for data in files:
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)

    def by_pillow() -> None:
        for data in files:
            Image.open(BytesIO(data)).load()

    def by_loader(images: Images) -> None:
        with Loader(images, Sampler(count, 0), BATCH, threads=1) as loader:
            for _ in range(count // BATCH):
                next(loader)

    size = sum(map(len, files)) / count / 1000
    print(f"{count} JPEG of {SIDE} px, {size:.0f} kB each; images/s of one core:")
    with tempfile.TemporaryDirectory() as place:
        (folder := Path(place, "folder")).mkdir()
        with zipfile.ZipFile(zipped := Path(place, "images.zip"), "w") as archive:
            for number, data in enumerate(files):
                archive.writestr(f"{number:08d}.jpg", data)
                (folder / f"{number:08d}.jpg").write_bytes(data)
        works: dict[str, Callable[[], None]] = {
            "cv2": by_cv2,
            "Pillow": by_pillow,
            "loader, zip": partial(by_loader, Images(str(zipped))),
            "loader, folder": partial(by_loader, Images(str(folder))),
        }
        taken = [{name: seconds(work) for name, work in works.items()} for _ in range(TIMES)]
    best = {name: min(one[name] for one in taken) for name in works}
    for name, least in best.items():
        shares = ", ".join(f"{best[bare] / least:.0%} of {bare}" for bare in ("cv2", "Pillow"))
        print(f"{name}: {count / least:.0f}, {shares}")


if __name__ == "__main__":
    main()
