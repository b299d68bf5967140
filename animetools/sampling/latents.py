"""What one image is made of: latents, labels and noise, the same numbers for a seed everywhere."""

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.errors import ItemError
from animetools.networks.generator import Generator, Noise

Floats = NDArray[np.float32]

RANDOM, CLASS = 1, 2  # what a seed's further streams are for


@dataclass(frozen=True)
class Latent:
    """Where an image comes from: a seed, or values that somebody kept.

    `values` are z [z_dim], or w [w_dim] or [rows, w_dim]. `classes` are those that it is drawn as,
    where it has its own.
    """

    seed: int | None = None
    kind: Literal["z", "w"] = "z"
    values: Floats | None = None
    classes: tuple[str, ...] = ()

    @property
    def entropy(self) -> int:
        """A number of its own, for what else is drawn."""
        if self.seed is not None:
            return self.seed
        assert self.values is not None
        return zlib.crc32(self.values.tobytes())

    def chance_class(self, c_dim: int) -> int:
        """The class that it draws where nobody chose one."""
        return int(np.random.default_rng([self.entropy, CLASS]).integers(c_dim))


@dataclass(frozen=True)
class Manner:
    """What all images of a run have in common.

    In the manner "z" psi is the bound of |z|, and w is left alone. `labels` [c_dim] are None where
    each image draws a class of its own; `latents` is what files of them hold, where a person says.
    """

    truncate: Literal["w", "z"] = "w"
    cutoff: int | None = None
    noise: Literal["const", "random", "none", "seed"] = "const"
    labels: Floats | None = None
    latents: Literal["z", "w", "w+"] | None = None


@dataclass(frozen=True)
class Drawn:
    """What the synthesis takes for one image: ws [1, num_ws, w_dim] float32, truncated, and noise.

    `labels` [1, c_dim] are those that the mapping was given, if any.
    """

    ws: Tensor
    noise: Noise
    labels: Tensor | None = None


@torch.inference_mode()
def draw(generator: Generator, manner: Manner, latent: Latent, psi: float) -> Drawn:
    """Draw what one image is made of, with the mapping of a generator on the CPU.

    A seed gives z = RandomState(seed).randn(1, z_dim), as ever; with the noise "seed" the same
    stream then gives each noise input, in stored order. "random" noise and a class that nobody
    chose come from streams of their own, so they never change z.

    Raises ItemError for latents that are not finite, or have no seed for the noise "seed".
    Source of the truncation of z: Brock et al. 2018 (BigGAN), section 3.1.
    """
    mapping = generator.mapping.config
    stream = None if latent.seed is None else np.random.RandomState(latent.seed)
    c = None
    if latent.values is not None and not np.isfinite(latent.values).all():
        raise ItemError("these latents are not finite numbers")
    if latent.kind == "w":
        assert latent.values is not None
        ws = torch.from_numpy(latent.values).expand(1, generator.num_ws, -1)
    else:
        if stream is None:
            assert latent.values is not None
            z = latent.values[None].astype(np.float64)
        else:
            z = stream.randn(1, mapping.z_dim)
            if manner.truncate == "z":
                _redraw(z, psi, stream)
        if mapping.c_dim:
            labels = manner.labels
            if labels is None:
                labels = np.eye(mapping.c_dim, dtype=np.float32)[latent.chance_class(mapping.c_dim)]
            c = torch.from_numpy(labels)[None]
        ws = generator.mapping(torch.from_numpy(z.astype(np.float32)), c)
    if manner.truncate == "w":
        ws = generator.truncate(ws, psi, manner.cutoff)
    return Drawn(ws.contiguous(), _noise(generator, manner, latent, stream), c)


def _redraw(z: NDArray[np.float64], bound: float, stream: np.random.RandomState) -> None:
    """Draw again what lies outside of +-bound, until nothing does."""
    while (outside := np.abs(z) > bound).any():
        z[outside] = stream.randn(int(outside.sum()))


def _noise(
    generator: Generator, manner: Manner, latent: Latent, stream: np.random.RandomState | None
) -> Noise:
    if manner.noise == "random":
        own = np.random.default_rng([latent.entropy, RANDOM])
        drawn = [own.standard_normal(shape, np.float32) for shape in generator.noise_shapes]
    elif manner.noise == "seed":
        if stream is None:
            raise ItemError("latents have no seed that --noise seed could go on from")
        drawn = [np.asarray(stream.randn(*shape), np.float32) for shape in generator.noise_shapes]
    else:
        return manner.noise
    return [torch.from_numpy(layer)[None, None] for layer in drawn]
