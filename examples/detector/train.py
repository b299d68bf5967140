"""Trains the face detector on sprites: train.py SPRITES RUN SCENES.

SCENES is how many pictures it sees. RUN gets checkpoint.pt, from which the same line continues if
interrupted.
"""

import sys
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from animetools.networks.normalization import normalized
from examples.detector.looks import looked
from examples.detector.network import OUTPUTS, STRIDE, UNIT, Network
from examples.detector.scenes import Label, scene_of
from examples.detector.sprites import Sprites
from examples.training import Pace, Training, batches

SIDE = 192
BATCH = 16
SEED = 1
PACE = Pace(rate=2e-3, warmup=0.03, decay=0.02, ema=0.998, clip=10.0)
BOX, MARKS = 4.0, 1.5  # how much they count in the loss
SMOOTH = 0.05  # of a face's side: errors below this count less

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


def training_of(run: str, total: int) -> Training[Network]:
    """The training in a folder, which goes on or begins, for so many steps in all."""
    torch.manual_seed(SEED)
    network = normalized(Network())
    network.out = network.out[0]  # type: ignore[index]  # which has no normalization
    network.init_rare()
    return Training(network, PACE, run, total)


def learn(training: Training[Network], pixels: Tensor, target: Tensor) -> list[float]:
    """One step; returns the losses."""
    middles, boxes, marks = loss_of(training.seen(pixels.float()), target)
    training.learn(middles + BOX * boxes + MARKS * marks)
    return [float(part.detach()) for part in (middles, boxes, marks)]


def main() -> None:
    """Train."""
    sprites, run, total = Sprites(sys.argv[1]), sys.argv[2], max(1, int(sys.argv[3]) // BATCH)
    training, losses = training_of(run, total), list[list[float]]()
    if training.step:
        print(f"continuing after {training.step} of {total}", flush=True)
    for pixels, target in batches(Views(sprites), BATCH, training.step, total):
        losses.append(learn(training, pixels, target))
        if training.step % 50 == 0:
            shown = " ".join(f"{value:.3f}" for value in np.mean(losses, 0))
            print(
                f"{training.step} of {total}: losses {shown}, {training.speed * BATCH:.0f} scenes/s",
                flush=True,
            )
            losses.clear()
    training.save()


if __name__ == "__main__":
    main()
