"""Where a search begins: the latents of a network, as a random sample of them shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from animetools.networks import fast
from animetools.networks.generator import Generator
from animetools.networks.layers import Mapping
from animetools.sampling.labels import PossibleLabels

MEASURED = 1000  # samples whose w are measured
COMPARED = 10_000  # samples among which the nearest is looked for
CHUNK = 50  # samples that are drawn at once
SMALL = 16  # pixels a side of what is compared


@dataclass(frozen=True)
class Space:
    """The latents of a network: mean w [w_dim], its deviation, and the usual z [z_dim].

    `deviation` is the root mean square over all numbers. The usual z is the one of the sample
    whose w is nearest to the mean.
    """

    mean: Tensor
    deviation: float
    usual: Tensor


def measured(generator: Generator, labels: PossibleLabels | None, seed: int) -> Space:
    """The space of w, of these labels.

    Where none were asked for the mean is the network's own average.
    """
    z, w = next(samples(generator, labels, seed, MEASURED))
    mean = w.mean(0) if labels and labels.asked is not None else generator.mapping.w_avg
    away = w - mean
    nearest = int(away.square().sum(1).argmin())
    return Space(mean, float(away.square().mean().sqrt().clamp_min(1e-6)), z[nearest])


class Nearest:
    """The most similar of many samples of a network, by pixels of small pictures."""

    def __init__(
        self,
        generator: Generator,
        device: torch.device,
        labels: PossibleLabels | None,
        seed: int,
        count: int,
    ) -> None:
        synthesis = fast.synthesis(generator, device, torch.float32)
        kept: list[tuple[Tensor, Tensor, Tensor]] = []
        chunks = islice(samples(generator, labels, seed, CHUNK), -(-count // CHUNK))
        for z, w in chunks:
            images = synthesis(w[:, None].expand(-1, generator.num_ws, -1), "const")
            kept.append((z, w, _small(images.cpu().clamp(-1, 1))))
        self.z, self.w, self.small = (torch.cat(parts)[:count] for parts in zip(*kept, strict=True))

    def of(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """The z [z_dim] and w [w_dim] of the sample that looks most like an image [C, H, W], -1..1."""
        best = int((self.small - _small(target[None])).square().sum(1).argmin())
        return self.z[best], self.w[best]


def _small(images: Tensor) -> Tensor:
    """Images [n, C, H, W] as rows of numbers, at most 16 pixels a side."""
    height, width = (min(SMALL, side) for side in images.shape[2:])
    return functional.adaptive_avg_pool2d(images, (height, width)).flatten(1)


@torch.inference_mode()
def samples(
    generator: Generator, labels: PossibleLabels | None, seed: int, chunk: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Chunks of z [chunk, z_dim] and their w [chunk, w_dim], without end, by a CPU's mapping."""
    stream = np.random.default_rng(seed)
    while True:
        yield sampled(generator.mapping, labels, stream, chunk)


def sampled(
    mapping: Mapping, labels: PossibleLabels | None, stream: np.random.Generator, count: int
) -> tuple[Tensor, Tensor]:
    """Random z [count, z_dim] and their w [count, w_dim], of these labels."""
    z = torch.from_numpy(stream.standard_normal((count, mapping.config.z_dim), np.float32))
    c = labels and torch.from_numpy(labels.rows(stream.integers(labels.count, size=count)))
    return z, mapping(z, c)[:, 0]
