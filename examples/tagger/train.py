"""Trains the tagger on a folder of pictures.py: train.py TRAIN VALID RUN IMAGES.

IMAGES is how many augmented pictures it sees. RUN gets checkpoint.pt, from which the same line continues
if interrupted, and at the end default.safetensors. In it the threshold of a tag is where its F1 score is best on the
pictures in VALID.
"""

import copy
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from animetools import atomic
from animetools.images.fit import fit
from animetools.tagging.default import write
from animetools.tagging.network import Network, NetworkConfig
from animetools.tags import GENERAL, Tag
from examples.tagger.augment import augmented
from examples.tagger.figures import Counts, best_thresholds
from examples.tagger.pictures import Pictures
from examples.tagger.truth import known_of, labels_of, truth
from examples.tagger.vocabulary import GROUPS, NAMES

BATCH = 64
SEED = 1
RATE, WARMUP, DECAY = 3e-3, 0.02, 0.02  # learning rate, share of the run, weight decay
EMA = 0.999
SMALL, SMALL_SHARE = 96, 0.3  # side of the first batches, which take half the time, and their share
# How much a group counts in the loss, if not 1: colors of eyes are the last that it learns.
WEIGHTS = {"eye color": 4.0, "hair color": 2.0, "glasses": 2.0, "shape of glasses": 2.0}
SAVE_SECONDS = 60
WORKERS = 1

Labels = NDArray[np.float32]
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Views:
    """Endlessly many views of pictures: number n is always the same one."""

    pictures: Pictures
    side: int
    small_until: int  # earlier numbers are SMALL

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch, place = divmod(number, len(self.pictures))
        which = int(_order(epoch, len(self.pictures))[place])
        rng = Generator(PCG64(SeedSequence([SEED, number])))
        loose = self.pictures.kinds[which] != "whole"
        side = SMALL if number < self.small_until else self.side
        view = augmented(np.asarray(self.pictures.pixels[which]), side, loose, rng)
        labels = labels_of(self.pictures.tags[which], view.ink)
        known = known_of(self.pictures.counted[which])
        pixels = torch.from_numpy(view.pixels.transpose(2, 0, 1))
        return pixels, torch.from_numpy(labels), torch.from_numpy(known)


@lru_cache(2)
def _order(epoch: int, count: int) -> NDArray[np.int64]:
    return Generator(PCG64(SeedSequence([SEED, epoch, count]))).permutation(count)


def normalized(network: Net) -> Net:
    """The network with a batch normalization after each convolution."""
    for block in [*network.modules()]:
        for name, layer in [*block.named_children()]:
            if isinstance(layer, nn.Conv2d):
                setattr(block, name, nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels)))
    return network


def plain(network: Net) -> Net:
    """The network with its batch normalizations inside its convolutions."""
    network = copy.deepcopy(network).float().eval()
    for block in [*network.modules()]:
        for name, layer in [*block.named_children()]:
            match [*layer.children()]:
                case [nn.Conv2d() as convolution, nn.BatchNorm2d() as normalization]:
                    setattr(block, name, fuse_conv_bn_eval(convolution, normalization))
    return network


class Training:
    """Two networks, the trained one and its moving average, and how far they are."""

    def __init__(self, run: str, total: int) -> None:
        torch.manual_seed(SEED)
        self.path, self.total, self.step = os.path.join(run, "checkpoint.pt"), total, 0
        each = [WEIGHTS.get(group, 1.0) for group, names in GROUPS.items() for _ in names]
        self.weights = torch.tensor(each)
        self.network = normalized(Network(NetworkConfig(tags=len(NAMES))))
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

    def learn(self, pixels: Tensor, labels: Tensor, known: Tensor) -> float:
        """One step; returns the loss."""
        done = self.step / self.total
        rate = RATE * min(1.0, done / WARMUP) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, done)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        images = (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(images)
        each = functional.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none")
        loss = (each * known * self.weights).sum() / len(pixels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        share = 1 - min(EMA, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            average = self.average.state_dict()
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    average[name].lerp_(value, share)
        return float(loss.detach())


def batches(pictures: Pictures, side: int, first: int, total: int) -> Iterator[list[Tensor]]:
    """The `total` batches from `first` on: pixels, labels and what is known of them."""
    torch.set_num_threads(1)
    small_until = int(SMALL_SHARE * total) * BATCH
    yield from torch.utils.data.DataLoader(
        Views(pictures, side, small_until),  # type: ignore[arg-type]
        BATCH,
        sampler=range(first * BATCH, total * BATCH),
        num_workers=WORKERS,
        worker_init_fn=_alone,
        prefetch_factor=4,
    )


def _alone(worker: int) -> None:
    cv2.setNumThreads(0)


@torch.inference_mode()
def probabilities(network: Network, pictures: Pictures) -> Labels:
    """The probabilities [n, tags] of whole pictures."""
    side, found = network.config.side, []
    for pixels in pictures.pixels:
        small = fit(pixels, side)[0].transpose(2, 0, 1)
        images = torch.from_numpy(small[None]).float() / 127.5 - 1
        found.append(network(images).sigmoid().numpy())
    return np.concatenate(found)


def main() -> None:
    """Train, and write the file."""
    pictures, valid = Pictures(sys.argv[1]), Pictures(sys.argv[2])
    run, images = sys.argv[3], int(sys.argv[4])
    os.makedirs(run, exist_ok=True)
    training = Training(run, max(1, images // BATCH))
    labels, known = truth(valid)
    began, losses = time.monotonic(), list[float]()
    saved, first = began, training.step
    if first:
        print(f"continuing after {first} of {training.total}", flush=True)
    for batch in batches(pictures, training.network.config.side, training.step, training.total):
        losses.append(training.learn(*batch))
        now = time.monotonic()
        if training.step % 50 == 0:
            speed = (training.step - first) * BATCH / (now - began)
            print(
                f"{training.step} of {training.total}: loss {np.mean(losses):.3f}, {speed:.0f} images/s",
                flush=True,
            )
            losses.clear()
        if now - saved > SAVE_SECONDS:
            training.save()
            saved = now
        if training.step % 500 == 0:
            found = probabilities(plain(training.average), valid)
            counts = Counts(found >= best_thresholds(found, labels, known), labels, known)
            shown = (f"{group} {counts.of(names)[2]:.3f}" for group, names in GROUPS.items())
            print("F1:", ", ".join(shown), flush=True)
    training.save()
    network = plain(training.average).half().float()  # as the file has it
    thresholds = best_thresholds(probabilities(network, valid), labels, known)
    limits = zip(NAMES, thresholds.tolist(), strict=True)
    tags = [Tag(name, GENERAL, limit) for name, limit in limits]
    with atomic.writing(os.path.join(run, "default.safetensors")) as file:
        write(network, tags, file)


if __name__ == "__main__":
    main()
