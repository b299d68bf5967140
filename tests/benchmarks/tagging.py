"""animetag beside one process an image, with the same ONNX file of a WD tagger's layout.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/tagging.py [--images N] [MODEL.onnx]

MODEL has its selected_tags.csv beside it. Without one, a network of random weights stands for it: 448
x 448 pixels, 10,861 tags and a billion multiplications, of which a WD tagger has twenty or more. The
peer is a script with Pillow and onnxruntime, as people have it, in a loop of a shell. It also says
what a picture costs in each step, on one core.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from animetools.images.files import read_rgb
from animetools.tagging.onnx import OnnxTagger
from animetools.tagging.selection import Selection
from tests.benchmarks.upscaling import timed
from tests.conftest import ROOT
from tests.upscaling.onnxfiles import model, node

TAGS = 10_861
WIDTHS = (3, 32, 64, 128, 256, 512)  # of layers that halve the picture
RUNS = 3

PEER = """
import csv, sys
import numpy as np, onnxruntime
from PIL import Image

path, listed, name = sys.argv[1:]
options = onnxruntime.SessionOptions()
session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
image = Image.open(name).convert("RGB")
side = max(image.size)
square = Image.new("RGB", (side, side), "white")
square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
small = np.asarray(square.resize((448, 448), Image.BICUBIC), np.float32)[None, :, :, ::-1]
found = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(small)})[0][0]
rows = list(csv.DictReader(open(listed)))
print(name, *[row["name"] for row, p in zip(rows, found) if p >= 0.35])
"""


def stand_in(folder: Path) -> Path:
    """A network with the form of a WD tagger, and its list; returns the path of the model."""
    rng = np.random.default_rng(0)
    nodes, at = [node("Transpose", "x", "first", perm=[0, 3, 1, 2])], "first"
    constants: dict[str, Any] = {}
    for n, (inputs, outputs) in enumerate(pairwise(WIDTHS)):
        weight = rng.normal(0, (2 / inputs / 9) ** 0.5, (outputs, inputs, 3, 3))
        constants[f"w{n}"] = weight.astype(np.float32) / (255 if n == 0 else 1)
        nodes += [
            node("Conv", f"{at} w{n}", f"c{n}", strides=[2, 2], pads=[1] * 4),
            node("Relu", f"c{n}", f"r{n}"),
        ]
        at = f"r{n}"
    constants["head"] = rng.normal(0, 0.1, (WIDTHS[-1], TAGS)).astype(np.float32)
    constants["bias"] = np.full(TAGS, -4, np.float32)
    nodes += [
        node("ReduceMean", at, "mean", axes=[2, 3], keepdims=0),
        node("Gemm", "mean head bias", "logits"),
        node("Sigmoid", "logits"),
    ]
    names = "".join(f"{n},tag_{n},{9 if n < 4 else 0},1\n" for n in range(TAGS))
    (folder / "selected_tags.csv").write_text("tag_id,name,category,count\n" + names)
    path = folder / "model.onnx"
    path.write_bytes(model(*nodes, takes=("n", 448, 448, 3), gives=("n", TAGS), **constants))
    return path


def one_by_one(path: Path, paths: Sequence[str]) -> None:
    """The peer, once an image."""
    listed = str(path.parent / "selected_tags.csv")
    for name in paths:
        words = [sys.executable, "-c", PEER, str(path), listed, name]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def animetag(path: Path, paths: Sequence[str]) -> None:
    """The command, once for all images."""
    words = [f"{ROOT}/bin/animetag", "-q", "--json", "--model", str(path), *paths]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def steps(path: Path, name: str) -> None:
    """Print what each step costs for one picture."""
    tagger = OnnxTagger(str(path), "", "cpu", 1)
    select = Selection(tagger.names, tagger.thresholds)
    rgb = read_rgb(name)
    given = tagger.prepare(rgb)
    (found,) = tagger([given])
    costs: dict[str, Callable[[], Any]] = {
        f"decode {rgb.shape[1]} x {rgb.shape[0]}": lambda: read_rgb(name),
        "prepare": lambda: tagger.prepare(rgb),
        "network": lambda: tagger([given]),
        "select": lambda: select(found),
    }
    for step, run in costs.items():
        print(f"  {step:20} {timed(run, 10)[1] * 1000:8.2f} ms of one core")


def main() -> None:
    """Read the command line; measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=100)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = told.model or stand_in(Path(folder))
        line = f"{ROOT}/bin/animedraw -q --count {told.images} --seed 5 -o {folder}/raw"
        drawn = subprocess.run(line.split(), check=True, capture_output=True, text=True).stdout
        paths = drawn.split()
        steps(path, paths[0])
        some = paths[: max(1, len(paths) // 10)]
        wall, cpu = (len(some) / spent for spent in timed(lambda: one_by_one(path, some), RUNS))
        print(f"  one process an image {wall:8.2f} images/s, {cpu:8.2f} per second of a core")
        ours = [len(paths) / spent for spent in timed(lambda: animetag(path, paths), RUNS)]
        print(
            f"  animetag             {ours[0]:8.2f} images/s, {ours[1]:8.2f} per second of a core"
        )
        print(
            f"                       {ours[0] / wall:8.2f} times as many, {ours[1] / cpu:.2f} times"
        )


if __name__ == "__main__":
    main()
