"""Drawn people cut out of their pictures, as a folder that grows: sprites.py FOLDER SEED COUNT.

`pixels` has them one after the other, rgb and coverage, [SIDE, SIDE, 4], and `faces.jsonl` a line for
each. If interrupted, the same line continues.
"""

import json
import os
import sys
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from animetools.artist.canvas import Canvas
from animetools.artist.character import pick
from animetools.artist.colors import BLACK, WHITE
from examples.detector.people import (
    box_of,
    draw_person,
    invent_frame,
    invent_hand,
    invent_person,
    invent_style,
    landmarks_of,
)

SIDE = 320
SUPERSAMPLING = 1.5
BYTES = SIDE * SIDE * 4

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Sprite:
    """A person: uint8 [SIDE, SIDE, 4], rgb premultiplied by the coverage.

    `near`: the head fills the square, and hair and body are cut by it. `face` is the middle and the
    side of its box, and `landmarks` [4, 2]; both None where the head is seen from behind.
    """

    pixels: Pixels
    near: bool
    face: tuple[float, float, float] | None
    landmarks: list[list[float]] | None


def sprite_of(seed: int, number: int) -> Sprite:
    """Sprite `number` of a seed."""
    rng = Generator(PCG64(SeedSequence([seed, number])))
    view = pick(rng, {"front": 80, "profile": 12, "from_behind": 8})
    near = bool(rng.random() < 0.25)
    size = float(rng.uniform(88, 112)) if near else float(rng.uniform(38, 54))
    y = SIDE * (0.47 if near else 0.36)
    who = invent_person(rng, view)
    hand, style = invent_hand(rng), invent_style(rng)
    head = invent_frame(rng, who, SIDE * (0.55 if view == "profile" else 0.5), y, size)
    made = []
    for paper in (WHITE, BLACK):
        canvas = Canvas.blank(SIDE, SIDE, SUPERSAMPLING, paper)
        canvas.rough = 0.9 if style.sketch else 0.0
        draw_person(canvas, head, who, style, hand, (SIDE - y) / size + 0.4)
        made.append(canvas.finish(SIDE, SIDE).astype(np.int16))
    cover = 255 - np.clip(made[0] - made[1], 0, 255).min(2, keepdims=True)
    pixels = np.concatenate([np.minimum(made[1], cover), cover], 2).astype(np.uint8)
    if view == "from_behind":
        return Sprite(pixels, near, None, None)
    return Sprite(pixels, near, box_of(head, who), landmarks_of(head, who).tolist())


class Sprites:
    """What is in a folder."""

    def __init__(self, folder: str) -> None:
        with open(os.path.join(folder, "faces.jsonl"), encoding="utf-8") as file:
            self.facts = [json.loads(line) for line in file if line.endswith("\n")]
        path = os.path.join(folder, "pixels")
        shape = len(self.facts), SIDE, SIDE, 4
        self.pixels: Pixels = np.memmap(path, np.uint8, "r", shape=shape)

    def __len__(self) -> int:
        return len(self.facts)

    def __getitem__(self, number: int) -> Sprite:
        facts = self.facts[number]
        face = tuple(facts["face"]) if facts["face"] else None
        return Sprite(np.asarray(self.pixels[number]), facts["near"], face, facts["landmarks"])


def grow(folder: str, seed: int, count: int) -> None:
    """Draw what a folder lacks of the first `count` sprites of a seed."""
    os.makedirs(folder, exist_ok=True)
    cv2.setNumThreads(1)
    with (
        open(os.path.join(folder, "pixels"), "ab") as pixels,
        open(os.path.join(folder, "faces.jsonl"), "ab+") as faces,
    ):
        faces.seek(0)
        whole = [line for line in faces if line.endswith(b"\n")]
        faces.truncate(sum(map(len, whole)))
        pixels.truncate(len(whole) * BYTES)
        for number in range(len(whole), count):
            sprite = sprite_of(seed, number)
            pixels.write(sprite.pixels.tobytes())
            pixels.flush()  # before the line that says it is there
            facts = {"near": sprite.near, "face": sprite.face, "landmarks": sprite.landmarks}
            faces.write(json.dumps(facts).encode() + b"\n")
            faces.flush()


if __name__ == "__main__":
    grow(sys.argv[1], *map(int, sys.argv[2:]))
