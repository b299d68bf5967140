"""What the detectors reach on labelled real images.

    .venv/bin/python tests/benchmarks/detectors.py [BOXES.json IMAGES/] [--cascade FILE] [--sheet DIR] \
        [--strips WIDTH]

BOXES.json names for every image the boxes (x, y, width, height) of its faces, and boxes to ignore.
A box found is right where it overlaps a face by 0.4 and more (intersection over union), one to one,
the closest first; what lies on an ignored box counts neither way. Of faces of 128 or 250 px and
more: smaller faces count neither way, and a wrong box only from that size. Times are processor times
of one thread, decoding apart, the better of two rounds. --sheet draws all boxes: found ones green,
missed faces red, wrong ones magenta. --strips joins the images, scaled to one width, to strips of
nine, as webtoons are.
"""

import argparse
import json
import math
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

from animetools.errors import Advice
from animetools.images import nvxs
from animetools.images.face import Face, overlap
from animetools.images.faces import choose_detector
from animetools.images.files import read_rgb
from animetools.images.nvxs import Box, Pixels
from animetools.images.sheet import sheet
from tests.conftest import REAL

ENOUGH = 0.4
TILE = 320
JOINED = 9


Find = Callable[[Pixels], list[Face]]


@dataclass
class Labels:
    """The faces of an image, and what looks like one to nobody's harm."""

    faces: list[Box]
    ignored: list[Box]


@dataclass
class Tally:
    """How boxes found compare with faces."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    overlaps: list[float] = field(default_factory=list)

    def count(self, labels: Labels, found: list[Box], smallest: int) -> None:
        """Add the boxes of one image."""
        pairs = matched(labels.faces, found)
        for face in labels.faces:
            if side(face) >= smallest:
                self.right += face in pairs
                self.missed += face not in pairs
                if face in pairs:
                    self.overlaps.append(overlap(face, pairs[face]))
        self.wrong += sum(side(box) >= smallest for box in wrong_ones(labels, found))

    def __str__(self) -> str:
        """Recall and precision."""
        recall = self.right / max(1, self.right + self.missed)
        precision = self.right / max(1, self.right + self.wrong)
        return f"{recall:.3f}/{precision:.3f} ({self.right} {self.wrong} {self.missed})"


def matched(faces: list[Box], found: list[Box]) -> dict[Box, Box]:
    """Which box is whose, one to one, the closest first."""
    pairs = [(overlap(face, box), face, box) for face in faces for box in found]
    whose: dict[Box, Box] = {}
    for shared, face, box in sorted(pairs, reverse=True):
        if shared >= ENOUGH and face not in whose and box not in whose.values():
            whose[face] = box
    return whose


def wrong_ones(labels: Labels, found: list[Box]) -> list[Box]:
    """The boxes that are no face's and on nothing ignored."""
    right = matched(labels.faces, found).values()
    ignored = matched(labels.ignored, [box for box in found if box not in right]).values()
    return [box for box in found if box not in right and box not in ignored]


def side(box: Box) -> float:
    """How large a face is."""
    return math.sqrt(box[2] * box[3])


def measure(
    name: str, detector: Find, images: dict[str, Pixels], labels: dict[str, Labels]
) -> dict[str, list[Box]]:
    """Print one line for a detector; returns what it found."""
    seconds = math.inf
    for _ in range(2):
        began = time.thread_time()
        found = {file: [face.box for face in detector(rgb)] for file, rgb in images.items()}
        seconds = min(seconds, time.thread_time() - began)
    tallies = {smallest: Tally() for smallest in (0, 128, 250)}
    for smallest, tally in tallies.items():
        for file, boxes in found.items():
            tally.count(labels[file], boxes, smallest)
    print(
        f"{name:22} {tallies[0]!s:22} {np.mean(tallies[0].overlaps):9.3f}  {tallies[128]!s:22} {tallies[250]!s:20}"
        f"{1000 * seconds / len(images):6.0f}",
        flush=True,
    )
    return found


def all_found(
    images: dict[str, Pixels], labels: dict[str, Labels], found: dict[str, list[Box]]
) -> Pixels:
    """All images with what was found in them, side by side."""
    tiles = []
    for file, rgb in images.items():
        scale = TILE / max(rgb.shape[:2])
        tile = np.full((TILE, TILE, 3), 255, np.uint8)
        small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        tile[: small.shape[0], : small.shape[1]] = small[:TILE, :TILE]
        wrong = wrong_ones(labels[file], found[file])
        whose = matched(labels[file].faces, found[file])
        boxes = [(box, (255, 0, 255) if box in wrong else (0, 200, 0)) for box in found[file]]
        boxes += [(face, (255, 0, 0)) for face in labels[file].faces if face not in whose]
        for box, color in boxes:
            x, y, width, height = (round(value * scale) for value in box)
            cv2.rectangle(tile, (x, y), (x + width, y + height), color, 2)
        tiles.append(tile)
    return sheet(tiles, len(tiles), columns=10, paper=255, captions=list(images))


def strips(
    images: dict[str, Pixels], labels: dict[str, Labels], width: int
) -> tuple[dict[str, Pixels], dict[str, Labels]]:
    """The images below each other at one width, so many at a time."""
    joined, known = {}, {}
    names = list(images)
    for first in range(0, len(names), JOINED):
        parts: list[Pixels] = []
        faces = Labels([], [])
        for name in names[first : first + JOINED]:
            scale = width / images[name].shape[1]
            down = sum(len(part) for part in parts)
            size = width, round(scale * images[name].shape[0])
            parts.append(np.asarray(cv2.resize(images[name], size, interpolation=cv2.INTER_AREA)))
            for old, new in (
                (labels[name].faces, faces.faces),
                (labels[name].ignored, faces.ignored),
            ):
                for x, y, w, h in (tuple(round(scale * n) for n in box) for box in old):
                    new.append((x, y + down, w, h))
        joined[f"strip {first}"], known[f"strip {first}"] = np.vstack(parts), faces
    return joined, known


def usual(cascade: str) -> Find:
    """The cascade as it is usually called: the whole picture, equalised; its boxes adjusted."""
    classifier = cv2.CascadeClassifier(cascade)

    def detect(rgb: Pixels) -> list[Face]:
        grey = cv2.equalizeHist(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
        return [
            Face(
                (round(x + 0.025 * w), round(y - 0.025 * w), round(0.95 * w), round(0.95 * w)),
                1,
                "",
            )
            for x, y, w, _ in classifier.detectMultiScale(grey, 1.1, 5, minSize=(24, 24))
        ]

    return detect


def without_nvxs(cascade: str) -> Find:
    """What auto is where there is no wheel of animeface."""
    with mock.patch.object(nvxs, "is_installed", lambda: False), warnings.catch_warnings():
        warnings.simplefilter("ignore", Advice)
        return choose_detector("auto", cascade=cascade)


def main() -> None:
    """Measure them all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("boxes", nargs="?", type=Path, default=REAL.parent / "real-boxes.json")
    parser.add_argument("images", nargs="?", type=Path, default=REAL)
    parser.add_argument("--cascade", default=str(REAL.parent / "lbpcascade_animeface.xml"))
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--strips", type=int, metavar="WIDTH")
    told = parser.parse_args()
    labels = {
        file: Labels(
            [tuple(box) for box in known["boxes"]], [tuple(box) for box in known["ignore"]]
        )
        for file, known in json.loads(told.boxes.read_text()).items()
    }
    images = {file: read_rgb(os.fspath(told.images / file)) for file in labels}
    if told.strips:
        images, labels = strips(images, labels, told.strips)
    count = sum(len(known.faces) for known in labels.values())
    print(f"{len(images)} images, {count} faces; recall/precision (right wrong missed)")
    print(
        f"{'':22} {'all faces':22} mean IoU   {'of 128 px and more':22} {'of 250 px':18} ms/image"
    )

    chosen: dict[str, Callable[[], Find]] = {
        "lbp as usual": lambda: usual(told.cascade),
        "lbp": lambda: choose_detector("lbp", cascade=told.cascade),
        "lbp --equalize": lambda: choose_detector("lbp", cascade=told.cascade, equalize=True),
        "lbp, 128 px and more": lambda: choose_detector("lbp", cascade=told.cascade, smallest=128),
        "nvxs": lambda: choose_detector("nvxs"),
        "points": lambda: choose_detector("points"),
        "auto without nvxs": lambda: without_nvxs(told.cascade),
        "auto": lambda: choose_detector("auto", cascade=told.cascade),
        "auto, 128 px and more": lambda: choose_detector(
            "auto", cascade=told.cascade, smallest=128
        ),
    }
    for name, choose in chosen.items():
        found = measure(name, choose(), images, labels)
        if told.sheet:
            told.sheet.mkdir(exist_ok=True)
            drawn = cv2.cvtColor(all_found(images, labels, found), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(told.sheet / f"{name}.png"), drawn)


if __name__ == "__main__":
    main()
