"""How many of a network's pictures hold a face, hats and so on, beside those that it learned from.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/faces.py NETWORK DATASET [--sheet SHEET.jpg] \
        [--card docs/default-network.md] [--history results/00000-faces64-ada HISTORY.jpg]

Each picture is enlarged to 256 pixels by cubic interpolation, without a border; it counts where
animecrop's detector (auto) finds a face a quarter as wide or more. The training images are chosen
by chance, the same ones every time. The cascade is fetched once, or named by --cascade: without it
a third of the drawn faces is not found. Tags are those that animetag's tagger sees; FID compares the
samples to the chosen training images by its features. --card writes what is known of the network;
--history shows the same latents while the network learned, from the sheets of its run, and the card then
has its losses; --sheet shows some pictures of each kind, --shown so many.
"""

import argparse
import os
import random
import re
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
from animetools.training.metrics import fid, gauss
from tests.benchmarks.obedience import Judge
from tests.conftest import REAL, ROOT

CASCADE = REAL.parent / "lbpcascade_animeface.xml"
WIDTH = 110
SIDE = 256
SMALLEST = SIDE // 4
TAGS = ("hat", "glasses", "twintails", "open_mouth", "cat_ears")
IN_HISTORY = 8  # pictures of each sheet
IN_CURVES = 8  # means of the losses
STATUS = re.compile(
    r"kimg ([\d.]+)  (\d+):(\d\d):(\d\d) .*?([\d.]+) s/kimg  G (\S+)  D (\S+)  signs (\S+) (\S+)"
)

CARD = """\
# The network that ships with animetools

`sggen` and `dranker` use it by default. Its name is `default`: `sgconvert default model.pkl` makes a
copy, and `sgtrain --transfer default` trains it further. It draws what tags say:

    sggen --seeds 0-9 --tags blue_hair,hat,smile
    sgvideo between blonde_hair,long_hair blue_hair,glasses

Faces are edited along [directions](editing.md) that come with it:

    sgedit --seeds 0-3 --edit blue_hair=3,smile=2

Each seed has the tags of one of its training images, and always the same; with `--tags`, of one that has these.
The records of `--json` name them all. Tags weigh more than seeds: seeds with the same list of tags give faces that are
much alike.

![Training images, and samples at several psi](default-samples.jpg)

The same latents during training:

![Samples after more and more kimg](default-history.jpg)

| | |
|---|---|
| images | {width} x {height} pixels of one face, with its hair |
| trained on | {faces:,} faces drawn by `animedraw`{mirrored}, and their tags |
| for | {kimg:,g} kimg (thousands of images shown){began} |
| generator | {generator}, {generator_parameters:,} parameters, channels {channels} |
| discriminator | {discriminator}, {discriminator_parameters:,} parameters |
| file | {bytes:,} bytes: G_ema and D, in half precision |
{learning}
{measured}

An image has a face if `animecrop` finds one in it, enlarged to {side} pixels, and at least a quarter as
wide. Tags are those that `animetag` sees. FID compares the samples to the training images above, by the
tagger's features; so it is higher for fewer images. Everything above is measured and written by
[tests/benchmarks/faces.py](../tests/benchmarks/faces.py). How well tags are obeyed, and why it was trained as it
was, is in [next-network.md](next-network.md).

Its tags:

{names}.

[examples/train-next.sh](../examples/train-next.sh) trained it, on a CPU, with these settings:

{settings}.

It can be trained on images without labels, too, as of a single character: what tags varied is varied by
numbers of z then, so its new samples differ from the beginning.

    sgtrain --transfer default --batch 8 --gamma 1 --g-lr 0.004 --d-lr 0.004 --pl-weight 0 \\
        --mixing 0 --mirror --ema-kimg 1 --kimg 4 character.zip
"""


def samples(network: str, psi: str, count: int) -> list[Pixels]:
    """What sggen draws of the first seeds."""
    with tempfile.TemporaryDirectory() as folder:
        what = ["--network", network, "--seeds", f"0-{count - 1}", "--psi", psi]
        line = [str(ROOT / "bin/sggen"), "-q", "-o", folder, *what]
        done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
        return [read_rgb(path) for path in done.stdout.splitlines()]


def history(run: Path, side: int, last: float) -> list[tuple[str, list[tuple[str, Pixels]]]]:
    """The same latents after ever twice the kimg, up to the last, from the sheets of a run."""
    found = {float(path.stem.removeprefix("fakes")): path for path in run.glob("fakes*.jpg")}
    sheets = {kimg: path for kimg, path in found.items() if kimg <= last}
    rows: list[tuple[str, list[tuple[str, Pixels]]]] = []
    following = 0.0
    for kimg, path in sorted(sheets.items()):
        if kimg >= following or kimg == max(sheets):
            tiles = np.hsplit(read_rgb(str(path))[:side, : IN_HISTORY * side], IN_HISTORY)
            rows.append((f"{kimg:g} kimg", [("", np.asarray(tile)) for tile in tiles]))
            following = max(1, 2 * kimg)
    return rows


def learning(run: Path, last: float) -> str:
    """How long a run took to some kimg, and its losses on the way, as Markdown, by its log."""
    hours, before, found = 0.0, 0.0, []
    for line in (run / "log.txt").read_text().splitlines():
        if (match := STATUS.search(line)) and float(match[1]) <= last:
            now = int(match[2]) + int(match[3]) / 60 + int(match[4]) / 3600
            hours += now - before if now > before else now  # it begins anew where a run is resumed
            before = now
            found.append([float(match[n]) for n in (1, 5, 6, 7, 8, 9)])
    log = np.array(found)
    lines = [
        f"| hours | {hours:.1f}, of one thread, beside other work; {log[:, 1].min():.0f} seconds a kimg at best |",
        "",
        "The means of the losses, and of the signs of the discriminator's scores, +1 where it takes all for real:",
        "",
        "| kimg | loss of G | loss of D | sign of training images | sign of drawn ones |",
        "|---|---|---|---|---|",
    ]
    for end in last * np.arange(1, IN_CURVES + 1) / IN_CURVES:
        part = log[(log[:, 0] > end - last / IN_CURVES) & (log[:, 0] <= end)].mean(0)
        lines.append(
            f"| to {end:g} | {part[2]:.2f} | {part[3]:.2f} | {part[4]:+.2f} | {part[5]:+.2f} |"
        )
    return "\n".join(lines) + "\n"


def card(path: str, images: Images, learned: str, lines: list[str]) -> str:
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
        names=textwrap.fill(", ".join(f"`{name}`" for name in facts["labels"]), WIDTH),
        bytes=os.path.getsize(path),
        channels=" ".join(map(str, facts["generator_channels"])),
        side=SIDE,
        learning=learned,
        measured="\n".join(lines),
        settings=textwrap.fill(", ".join(settings), WIDTH),
    )


def main() -> None:
    """Count the faces."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("network")
    parser.add_argument("dataset")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--psi", type=lambda text: text.split(","), default=["0.7", "1"])
    parser.add_argument("--shown", type=int, default=24)
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

    images, judge = Images(told.dataset), Judge()
    chosen = random.Random(0).sample(range(len(images)), min(told.count, len(images)))
    kinds = [("training images", [images.read(index).transpose(1, 2, 0) for index in chosen])]
    kinds += [(f"samples, psi {psi}", samples(told.network, psi, told.count)) for psi in told.psi]
    learned = gauss(judge.features(kinds[0][1]))
    lines = [f"| {told.count:,} of each | a face | {' | '.join(TAGS)} | FID |", "|---" * 8 + "|"]
    print(*lines, sep="\n")
    for name, pictures in kinds:
        with ThreadPoolExecutor() as pool:
            faces = sum(pool.map(has_face, pictures)) / len(pictures)
        found = judge.found(pictures)
        shares = [
            f"{share:.1%}" for share in (faces, *(judge.right(found, [tag]).mean() for tag in TAGS))
        ]
        distance = ""
        if lines[2:]:  # the first are those that it compares to
            distance = f"{fid(gauss(judge.features(pictures)), learned):.0f}"
        lines.append(f"| {name} | {' | '.join(shares)} | {distance} |")
        print(lines[-1], flush=True)
    tails = [(name, [("", rgb) for rgb in pictures[: told.shown]]) for name, pictures in kinds]
    if told.sheet:
        told.sheet.write_bytes(encode_jpeg(contact_sheet(tails), 90))
    curves = ""
    if told.history:
        run, sheet = told.history
        learned_for = checkpoints.read(locate(told.network)).facts["kimg"]
        sheet.write_bytes(encode_jpeg(contact_sheet(history(run, images.height, learned_for)), 90))
        curves = learning(run, learned_for)
    if told.card:
        told.card.write_text(card(locate(told.network), images, curves, lines))


if __name__ == "__main__":
    main()
