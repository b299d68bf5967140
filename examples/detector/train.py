"""Trains the face detector on sprites: train.py SPRITES RUN SCENES.

SCENES is how many pictures it sees. RUN gets checkpoint.pt, from which the same line continues if
interrupted.
"""

import copy
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from animetools import atomic
from examples.detector.looks import looked
from examples.detector.network import OUTPUTS, STRIDE, UNIT, Network
from examples.detector.scenes import Label, scene_of
from examples.detector.sprites import Sprites
from examples.tagger.train import normalized

SIDE = 192
BATCH = 16
SEED = 1
RATE, WARMUP, DECAY = 2e-3, 0.03, 0.02  # learning rate, share of the run, weight decay
EMA = 0.998
BOX, MARKS = 4.0, 1.5  # how much they count in the loss
SMOOTH = 0.05  # of a face's side: errors below this count less
SAVE_SECONDS = 60
WORKERS = 1

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Views:
    """Endlessly many scenes: number n is always the same one."""

    sprites: Sprites

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        rng = Generator(PCG64(SeedSequence([SEED, number])))
        scene = scene_of(self.sprites, SIDE, rng)
        pixels = looked(scene.rgb, rng)
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy()), torch.from_numpy(
            targets_of(scene.labels, SIDE)
        )


def targets_of(labels: list[Label], side: int) -> Values:
    """What the network should say, [OUTPUTS + 1, cells, cells].

    The first is a bell around the middle of each face, 1 in its own cell, and -1 where nothing is to
    be learned; then OUTPUTS - 1 values in units of a face's side; the last is their weight.
    """
    cells = side // STRIDE
    target = np.zeros((OUTPUTS + 1, cells, cells), np.float32)
    at = (np.arange(cells, dtype=np.float32) + 0.5) * STRIDE
    ignored = np.zeros((cells, cells), bool)
    for label in sorted(labels, key=lambda label: -label.side):
        across, down = (at - label.x)[None, :], (at - label.y)[:, None]
        if not label.counts:
            ignored |= (abs(across) < label.side / 2) & (abs(down) < label.side / 2)
            continue
        sigma = max(0.55 * STRIDE, 0.1 * label.side)
        bell = np.exp(-(across**2 + down**2) / (2 * sigma**2))
        row, column = (min(max(int(value / STRIDE), 0), cells - 1) for value in (label.y, label.x))
        bell[row, column] = 1.0
        better = bell > np.maximum(target[0], 0.25)
        target[0] = np.maximum(target[0], bell)
        values = [-across / label.side + 0 * down, -down / label.side + 0 * across]
        values.append(np.full((cells, cells), np.log(label.side / UNIT)))
        for x, y in label.landmarks:
            values += [(x - at)[None, :] / label.side + 0 * down]
            values += [(y - at)[:, None] / label.side + 0 * across]
        target[1:OUTPUTS, better] = np.stack(values)[:, better]
        target[OUTPUTS, better] = bell[better]
    target[0, ignored & (target[0] < 0.25)] = -1
    return target


def loss_of(found: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The losses of the middles, the boxes and the landmarks, a mean over faces.

    Source: the focal loss of arXiv:1904.07850, equation 1.
    """
    bell, logit = target[:, 0], found[:, 0].float()
    is_face = bell == 1
    count = is_face.sum().clamp(min=1)
    share = logit.sigmoid()
    right = (1 - share) ** 2 * functional.logsigmoid(logit)
    wrong = (1 - bell.clamp(min=0)) ** 4 * share**2 * functional.logsigmoid(-logit)
    middles = -(torch.where(is_face, right, wrong) * (bell >= 0)).sum() / count
    weight = target[:, OUTPUTS]
    off = functional.smooth_l1_loss(
        found[:, 1:].float(), target[:, 1:OUTPUTS], reduction="none", beta=SMOOTH
    )
    each = (off * weight[:, None]).sum((0, 2, 3)) / weight.sum().clamp(min=1)
    return middles, each[:3].sum(), each[3:].sum()


class Training:
    """Two networks, the trained one and its moving average, and how far they are."""

    def __init__(self, run: str, total: int) -> None:
        torch.manual_seed(SEED)
        self.path, self.total, self.step = os.path.join(run, "checkpoint.pt"), total, 0
        self.network = normalized(Network())
        # The output has no normalization.
        self.network.out = self.network.out[0]  # type: ignore[index]
        self.network.init_rare()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), RATE, weight_decay=DECAY)
        if os.path.exists(self.path):
            saved = torch.load(self.path, weights_only=True)
            self.step = int(saved["step"])
            for name, part in self._parts().items():
                part.load_state_dict(saved[name])

    def _parts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("network", "average", "optimizer")}

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        states = {name: part.state_dict() for name, part in self._parts().items()}
        with atomic.writing(self.path) as file:
            torch.save({"step": self.step, **states}, file)

    def learn(self, pixels: Tensor, target: Tensor) -> list[float]:
        """One step; returns the losses."""
        done = self.step / self.total
        rate = RATE * min(1.0, done / WARMUP) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, done)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        images = pixels.float().contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            found = self.network(images)
        middles, boxes, marks = loss_of(found, target)
        self.optimizer.zero_grad(set_to_none=True)
        (middles + BOX * boxes + MARKS * marks).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        self.step += 1
        share = 1 - min(EMA, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            average = self.average.state_dict()
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    average[name].lerp_(value, share)
        return [float(part.detach()) for part in (middles, boxes, marks)]


def batches(sprites: Sprites, first: int, total: int) -> Iterator[list[Tensor]]:
    """The `total` batches from `first` on: pixels, and what is to be said of them."""
    torch.set_num_threads(1)
    yield from torch.utils.data.DataLoader(
        Views(sprites),  # type: ignore[arg-type]
        BATCH,
        sampler=range(first * BATCH, total * BATCH),
        num_workers=WORKERS,
        worker_init_fn=_alone,
        prefetch_factor=4,
    )


def _alone(worker: int) -> None:
    cv2.setNumThreads(0)


def main() -> None:
    """Train."""
    sprites, run, scenes = Sprites(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    os.makedirs(run, exist_ok=True)
    training = Training(run, max(1, scenes // BATCH))
    began, losses = time.monotonic(), list[list[float]]()
    saved, first = began, training.step
    if first:
        print(f"continuing after {first} of {training.total}", flush=True)
    for batch in batches(sprites, training.step, training.total):
        losses.append(training.learn(*batch))
        now = time.monotonic()
        if training.step % 50 == 0:
            speed = (training.step - first) * BATCH / (now - began)
            shown = " ".join(f"{value:.3f}" for value in np.mean(losses, 0))
            print(
                f"{training.step} of {training.total}: losses {shown}, {speed:.0f} scenes/s",
                flush=True,
            )
            losses.clear()
        if now - saved > SAVE_SECONDS:
            training.save()
            saved = now
    training.save()


if __name__ == "__main__":
    main()
