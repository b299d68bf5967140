"""What a picture is drawn from: latents, labels and noise, the same numbers for a seed everywhere."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.errors import ItemError
from animetools.networks.generator import Generator, Noise
from animetools.sampling.options import SamplingOptions

Floats = NDArray[np.float32]

USUAL = SamplingOptions()
RANDOM, CLASS = 1, 2  # further streams of a seed: for noise, for the class


@dataclass(frozen=True)
class Latent:
    """Where a picture comes from: a seed, or values from a file or from arithmetic.

    `values` are z [z_dim], or w [w_dim] or [rows, w_dim]. `classes` are its own, if it has any, and
    so are maps of `noise` [H, W], one a layer. To the z of a file belong the tags that are asked for,
    and no others.
    """

    seed: int | None = None
    kind: Literal["z", "w"] = "z"
    values: Floats | None = None
    classes: tuple[str, ...] = ()
    noise: tuple[Floats, ...] = ()
    in_file: bool = False

    @property
    def entropy(self) -> int:
        """The seed of its further streams."""
        if self.seed is not None:
            return self.seed
        assert self.values is not None
        return zlib.crc32(self.values.tobytes())

    def random_class(self, count: int) -> int:
        """Which of so many possible classes, or lists of tags, it gets."""
        return int(np.random.default_rng([self.entropy, CLASS]).integers(count))


@dataclass(frozen=True)
class Picture:
    """A latent at a psi: how far its w is from the average, or its z from 0 at the most."""

    latent: Latent
    psi: float

    @property
    def digest(self) -> int:
        """A number that changes with the picture."""
        latent = self.latent
        noise = [zlib.crc32(layer.tobytes()) for layer in latent.noise]
        what = (latent.seed, latent.entropy, self.psi, *latent.classes, *noise)
        return zlib.crc32(repr(what).encode())


@dataclass(frozen=True)
class SynthesisInput:
    """What the synthesis takes for one picture: ws [1, num_ws, w_dim] float32, truncated, and noise.

    `labels` [1, c_dim] are those that the mapping took, if any; `transform` [1, 3, 3] is of a network
    that moves its images, None being its own.
    """

    ws: Tensor
    noise: Noise = "const"
    labels: Tensor | None = None
    transform: Tensor | None = None


@torch.inference_mode()
def synthesis_input(
    generator: Generator,
    latent: Latent,
    psi: float,
    options: SamplingOptions = USUAL,
    labels: Floats | None = None,
) -> SynthesisInput:
    """What the synthesis takes for a latent at a psi, by the mapping of a generator on the CPU.

    With `options.truncate` "z" psi is the bound of |z|, and w is not truncated. A network with
    classes needs `labels` [c_dim] for a z.

    Raises ItemError for latents that are not finite, or without a seed for noise "seed".
    """
    bound = psi if options.truncate == "z" else None
    c = torch.from_numpy(labels)[None] if labels is not None and latent.kind == "z" else None
    ws = w_of(generator, latent, c, bound)
    if bound is None:
        ws = generator.truncate(ws, psi, options.cutoff)
    return SynthesisInput(ws.contiguous(), noise_of(generator, latent, options.noise, bound), c)


def z_of(latent: Latent, z_dim: int, bound: float | None = None) -> Floats:
    """The z [z_dim] of a latent: RandomState(seed).randn(1, z_dim), or its values.

    What lies outside of +-`bound` is drawn again. Source: Brock et al. 2018 (BigGAN), section 3.1.
    """
    if latent.seed is not None:
        return _draw_z(latent.seed, z_dim, bound)[0]
    assert latent.values is not None
    return latent.values


@torch.inference_mode()
def w_of(
    generator: Generator, latent: Latent, labels: Tensor | None = None, bound: float | None = None
) -> Tensor:
    """The w [1, num_ws, w_dim] of a latent, not truncated; `bound` is that of its z.

    Raises ItemError for values that are not finite.
    """
    if latent.values is not None and not np.isfinite(latent.values).all():
        raise ItemError("these latents are not finite numbers")
    if latent.kind == "w":
        assert latent.values is not None
        return torch.from_numpy(latent.values).expand(1, generator.num_ws, -1)
    z = z_of(latent, generator.config.mapping.z_dim, bound)
    ws: Tensor = generator.mapping(torch.from_numpy(z)[None], labels)
    return ws


def noise_of(
    generator: Generator,
    latent: Latent,
    kind: Literal["const", "random", "none", "seed"],
    bound: float | None = None,
) -> Noise:
    """The noise that a picture is drawn with: a word for the synthesis, or [1, 1, H, W] per layer.

    "const" is the latent's own, if it has any. "seed" continues the stream that gave z, within its
    `bound`, in stored order; "random" has a stream of its own, so it never changes z.

    Raises ItemError for noise "seed" without a seed, and for noise that is not finite.
    """
    drawn: Sequence[Floats]
    if kind == "random":
        own = np.random.default_rng([latent.entropy, RANDOM])
        drawn = [own.standard_normal(shape, np.float32) for shape in generator.noise_shapes]
    elif kind == "seed":
        if latent.seed is None:
            raise ItemError("latents from a file have no seed to draw the noise from")
        _, stream = _draw_z(latent.seed, generator.config.mapping.z_dim, bound)
        drawn = [np.asarray(stream.randn(*shape), np.float32) for shape in generator.noise_shapes]
    elif kind == "const" and latent.noise:
        drawn = latent.noise
        if not all(np.isfinite(layer).all() for layer in drawn):
            raise ItemError("its noise maps are not finite numbers")
    else:
        return kind
    return [torch.from_numpy(layer)[None, None] for layer in drawn]


def _draw_z(seed: int, z_dim: int, bound: float | None) -> tuple[Floats, np.random.RandomState]:
    """z [z_dim], and the stream that it came from."""
    stream = np.random.RandomState(seed)
    z = stream.randn(1, z_dim)
    while bound is not None and (outside := np.abs(z) > bound).any():
        z[outside] = stream.randn(int(outside.sum()))
    return z[0].astype(np.float32), stream


def slerp(one: Floats, other: Floats, step: float) -> Floats:
    """The point between two vectors, along a great circle where they are equally long.

    Source: Shoemake 1985; White 2016 (Sampling Generative Networks) for latents.
    """
    a, b = one.astype(np.float64), other.astype(np.float64)
    angle = np.arccos((a @ b / (np.linalg.norm(a) * np.linalg.norm(b) or 1)).clip(-1, 1))
    if np.sin(angle) < 1e-6:  # the same direction, or opposite ones, between which all are equal
        return np.asarray((1 - step) * a + step * b, np.float32)
    made = (np.sin((1 - step) * angle) * a + np.sin(step * angle) * b) / np.sin(angle)
    return np.asarray(made, np.float32)
