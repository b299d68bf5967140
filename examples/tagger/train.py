"""Trains the tagger on a folder of pictures.py: train.py TRAIN VALID RUN IMAGES.

IMAGES is how many augmented pictures it sees. RUN gets checkpoint.pt, from which the same line continues
if interrupted, and at the end default.safetensors. In it the threshold of a tag is where its F1 score is best on the
pictures in VALID.
"""

import os
import sys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from animetools import atomic
from animetools.images.fit import fit
from animetools.networks.normalization import normalized, plain
from animetools.tagging.default import write
from animetools.tagging.network import Network, NetworkConfig
from animetools.tags import GENERAL, Tag
from examples.tagger.augment import augmented
from examples.tagger.figures import Counts, best_thresholds
from examples.tagger.pictures import Pictures
from examples.tagger.truth import known_of, labels_of, truth
from examples.tagger.vocabulary import GROUPS, NAMES
from examples.training import Pace, Training, batches

BATCH = 64
SEED = 1
PACE = Pace(rate=3e-3, warmup=0.02, decay=0.02, ema=0.999, clip=5.0)
SMALL, SMALL_SHARE = 96, 0.3  # side of the first batches, which take half the time, and their share
# How much a group counts in the loss, if not 1: colors of eyes are the last that it learns.
WEIGHTS = {"eye color": 4.0, "hair color": 2.0, "glasses": 2.0, "shape of glasses": 2.0}

Labels = NDArray[np.float32]


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
    run, total = sys.argv[3], max(1, int(sys.argv[4]) // BATCH)
    torch.manual_seed(SEED)
    training = Training(normalized(Network(NetworkConfig(tags=len(NAMES)))), PACE, run, total)
    each = [WEIGHTS.get(group, 1.0) for group, names in GROUPS.items() for _ in names]
    weights, losses = torch.tensor(each), list[float]()
    labels, known = truth(valid)
    views = Views(pictures, training.network.config.side, int(SMALL_SHARE * total) * BATCH)
    if training.step:
        print(f"continuing after {training.step} of {total}", flush=True)
    for pixels, wanted, counted in batches(views, BATCH, training.step, total):
        logits = training.seen(pixels.float() / 127.5 - 1).float()
        each_loss = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        loss = (each_loss * counted * weights).sum() / len(pixels)
        training.learn(loss)
        losses.append(float(loss.detach()))
        if training.step % 50 == 0:
            print(
                f"{training.step} of {total}: loss {np.mean(losses):.3f},"
                f" {training.speed * BATCH:.0f} images/s",
                flush=True,
            )
            losses.clear()
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
