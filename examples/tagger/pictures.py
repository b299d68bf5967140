"""Drawn pictures with their true tags, as a folder that grows: pictures.py FOLDER SEED PORTRAITS WHOLE.

Portraits are animedraw's with --portraits; whole pictures are its others, and each face of those is one
more picture, cropped as animecrop --portrait does. `pixels` has them all at one size, one after the
other, and `tags.jsonl` a line for each. If interrupted, the same line continues.
"""

import json
import os
import sys
from functools import partial
from multiprocessing import Pool
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.artist.artist import draw
from animetools.images.crop import crop_of, portrait
from animetools.images.fit import fit

SIDE = 160
PORTRAIT = 256
SMALLEST_FACE = 40  # pixels a side; smaller ones show too little

Pixels = NDArray[np.uint8]


class Picture(NamedTuple):
    """A picture, uint8 [SIDE, SIDE, 3], and what is known of it."""

    pixels: Pixels
    kind: str  # portrait, whole or face
    tags: list[str]
    counted: bool  # whether the number of people is known


def portrait_of(seed: int, number: int) -> list[Picture]:
    """Portrait `number` of animedraw's booru `seed`."""
    drawing = draw(seed, number, PORTRAIT)
    return [Picture(_small(drawing.rgb), "portrait", [tag.name for tag in drawing.tags], True)]


def whole_of(seed: int, number: int) -> list[Picture]:
    """Picture `number` of animedraw's booru `seed`, and its faces."""
    drawing = draw(seed, number)
    height, width = drawing.rgb.shape[:2]
    names = [tag.name for tag in drawing.tags]
    made = [Picture(_small(drawing.rgb), "whole", names, True)]
    alone = "solo" in names
    whole_picture = {"1girl", "1boy", "solo"} if alone else set[str]()
    for face in drawing.faces:
        if face.box[2] < SMALLEST_FACE:
            continue
        crop = crop_of(face.box, portrait(), (width, height)).pixels(drawing.rgb)
        shared = whole_picture | {"monochrome", "greyscale"}
        tags = [name for name in names if name in face.tags or name in shared]
        made.append(Picture(_small(crop), "face", tags, alone))
    return made


def _small(rgb: Pixels) -> Pixels:
    return fit(rgb, SIDE)[0]


class Pictures:
    """What is in a folder: `pixels` [n, SIDE, SIDE, 3], `kinds`, `tags` and `counted` of each."""

    def __init__(self, folder: str) -> None:
        with open(os.path.join(folder, "tags.jsonl"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        size = len(lines) * SIDE * SIDE * 3
        path = os.path.join(folder, "pixels")
        self.pixels: Pixels = np.memmap(path, np.uint8, "r")[:size].reshape(-1, SIDE, SIDE, 3)
        self.kinds = [str(line["kind"]) for line in lines]
        self.tags = [list(map(str, line["tags"])) for line in lines]
        self.counted = [bool(line["counted"]) for line in lines]

    def __len__(self) -> int:
        return len(self.kinds)


def missing(folder: str, numbers: int) -> range:
    """The numbers up to `numbers` that a folder lacks; what was half written is removed from it."""
    lines: list[bytes] = []
    path = os.path.join(folder, "tags.jsonl")
    if os.path.exists(path):
        with open(path, "rb") as file:
            lines = [line for line in file if line.endswith(b"\n")]
        last = json.loads(lines[-1])["number"] if lines else 0
        # The last one may have faces yet to come.
        lines = [line for line in lines if json.loads(line)["number"] != last]
        os.truncate(path, sum(map(len, lines)))
        os.truncate(os.path.join(folder, "pixels"), len(lines) * SIDE * SIDE * 3)
    return range(json.loads(lines[-1])["number"] + 1 if lines else 1, numbers + 1)


def grow(folder: str, seed: int, portraits: int, whole: int) -> None:
    """Draw what a folder lacks of its portraits and whole pictures, evenly mixed."""
    os.makedirs(folder, exist_ok=True)
    cv2.setNumThreads(1)
    numbers = missing(folder, portraits + whole)
    with (
        Pool() as pool,
        open(os.path.join(folder, "pixels"), "ab") as pixels,
        open(os.path.join(folder, "tags.jsonl"), "ab") as tags,
    ):
        work = partial(drawn, seed, portraits, whole)
        for number, pictures in pool.imap(work, numbers):
            for picture in pictures:
                pixels.write(picture.pixels.tobytes())
                pixels.flush()  # before the line that says it is there
                facts = {"number": number, **picture._asdict()}
                del facts["pixels"]
                tags.write(json.dumps(facts).encode() + b"\n")
                tags.flush()


def drawn(seed: int, portraits: int, whole: int, number: int) -> tuple[int, list[Picture]]:
    """The pictures of a number from 1 to `portraits` + `whole`."""
    before = number * whole // (portraits + whole)
    if (number - 1) * whole // (portraits + whole) < before:
        return number, whole_of(seed, before)
    return number, portrait_of(seed, number - before)


if __name__ == "__main__":
    grow(sys.argv[1], *map(int, sys.argv[2:]))
