"""How many of a network's pictures hold a face, beside how many of those that it learned from.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/faces.py NETWORK DATASET [--sheet SHEET.jpg] \
        [--card docs/default-network.md] [--history results/00000-faces64-ada HISTORY.jpg]

Each picture is enlarged to 256 pixels by cubic interpolation, without a border; it counts where
animecrop's detector (auto) finds a face a quarter as wide or more. The training images are chosen
by chance, the same ones every time. The cascade is fetched once, or named by --cascade: without it
a third of the drawn faces is not found. --card writes what is known of the network; --history
shows the same latents while the network learned, from the sheets of its run.
"""

import argparse
import os
import random
import subprocess
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from animetools.dataset.training_set import Images
from animetools.images.faces import choose_detector
from animetools.images.files import encode_jpeg, read_rgb
from animetools.images.nvxs import Pixels
from animetools.images.sheet import contact_sheet
from animetools.netfiles import checkpoints
from animetools.netfiles.describe import describe
from animetools.netfiles.fetch import locate
from tests.conftest import REAL, ROOT

CASCADE = REAL.parent / "lbpcascade_animeface.xml"
PSIS = ("0.7", "1")
SIDE = 256
SMALLEST = SIDE // 4
SHOWN = 24
IN_HISTORY = 8  # pictures of each sheet

CARD = """\
# The network that ships with animetools

`sggen` and `dranker` use it by default. Its name is `default`: `sgconvert default model.pkl` makes a
copy, and `sgtrain --transfer default` trains it further.

![Training images, and samples at psi {psis}](default-samples.jpg)

The same latents during training:

![Samples after more and more kimg](default-history.jpg)

| | |
|---|---|
| images | {width} x {height} pixels of one face, with its hair |
| trained on | {faces:,} faces drawn by `animedraw`{mirrored} |
| for | {kimg:,g} kimg (thousands of images shown){began} |
| generator | {generator}, {generator_parameters:,} parameters, channels {channels} |
| discriminator | {discriminator}, {discriminator_parameters:,} parameters |
| file | {bytes:,} bytes: G_ema and D, in half precision |
{shares}

[examples/train-default.sh](../examples/train-default.sh) trains one like it from scratch, on a CPU, with
these settings:

{settings}.

An image has a face if `animecrop` finds one in it, enlarged to {side} pixels, and at least a
quarter as wide. Everything above is measured and written by
[tests/benchmarks/faces.py](../tests/benchmarks/faces.py).

It is a good start for a single character. After two kimg with 195 faces with blue twintails the hair is
blue; after four the twintails begin to appear.

    sgtrain --transfer default --batch 8 --gamma 1 --g-lr 0.004 --d-lr 0.004 --pl-weight 0 \\
        --mixing 0 --mirror --ema-kimg 1 --kimg 4 character.zip

![The same latents during that training](default-transfer.jpg)
"""


def samples(network: str, psi: str, count: int) -> list[Pixels]:
    """What sggen draws of the first seeds."""
    with tempfile.TemporaryDirectory() as folder:
        what = ["--network", network, "--seeds", f"0-{count - 1}", "--psi", psi]
        line = [str(ROOT / "bin/sggen"), "-q", "-o", folder, *what]
        done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
        return [read_rgb(path) for path in done.stdout.splitlines()]


def history(run: Path, side: int) -> list[tuple[str, list[tuple[str, Pixels]]]]:
    """The same latents after ever twice the kimg, and at last, from the sheets of a run."""
    sheets = {int(path.stem[-6:]): path for path in run.glob("fakes*.jpg")}
    rows, following = [], 0
    for kimg, path in sorted(sheets.items()):
        if kimg >= following or kimg == max(sheets):
            tiles = np.hsplit(read_rgb(str(path))[:side, : IN_HISTORY * side], IN_HISTORY)
            rows.append((f"{kimg} kimg", [("", np.asarray(tile)) for tile in tiles]))
            following = max(1, 2 * kimg)
    return rows


def card(path: str, images: Images, shares: dict[str, str]) -> str:
    """What the file itself says of the network, with what was measured, as Markdown."""
    snapshot = checkpoints.read(path)
    facts = describe(snapshot) | snapshot.facts
    began = f", after those of `{facts['transfer']}`" if "transfer" in facts else ""
    settings = [f"{name} {value}" for name, value in facts["config"].items()]
    return CARD.format(
        **facts,
        faces=len(images),
        mirrored=", also mirrored" if facts["config"]["mirror"] else "",
        began=began,
        bytes=os.path.getsize(path),
        channels=" ".join(map(str, facts["generator_channels"])),
        psis=" and ".join(PSIS),
        side=SIDE,
        shares="\n".join(f"| {name} | {words} |" for name, words in shares.items()),
        settings=textwrap.fill(", ".join(settings), 100),
    )


def main() -> None:
    """Count the faces."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("network")
    parser.add_argument("dataset")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--cascade", default=str(CASCADE) if CASCADE.exists() else "")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--card", type=Path)
    parser.add_argument("--history", type=Path, nargs=2)
    told = parser.parse_args()

    detector = choose_detector("auto", cascade=told.cascade)

    def has_face(rgb: Pixels) -> bool:
        large = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        found = detector(np.asarray(large, np.uint8))
        return any(min(face.box[2:]) >= SMALLEST for face in found)

    images = Images(told.dataset)
    chosen = random.Random(0).sample(range(len(images)), min(told.count, len(images)))
    rows = [("training images", [images.read(index).transpose(1, 2, 0) for index in chosen])]
    rows += [(f"samples, psi {psi}", samples(told.network, psi, told.count)) for psi in PSIS]
    tails, shares = [], {}
    for name, pictures in rows:
        with ThreadPoolExecutor() as pool:
            share = sum(pool.map(has_face, pictures)) / len(pictures)
        shares[name] = f"{share:.1%} of {len(pictures)} have a face"
        print(f"{name}: {shares[name]}", flush=True)
        tails.append((name, [("", rgb) for rgb in pictures[:SHOWN]]))
    if told.sheet:
        told.sheet.write_bytes(encode_jpeg(contact_sheet(tails), 90))
    if told.history:
        run, sheet = told.history
        sheet.write_bytes(encode_jpeg(contact_sheet(history(run, images.height)), 90))
    if told.card:
        told.card.write_text(card(locate(told.network), images, shares))


if __name__ == "__main__":
    main()
