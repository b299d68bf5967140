"""Directions that need no examples: principal components, factorization, mirrored pictures."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from animetools.editing.moments import axes, moments
from animetools.errors import FatalError, ItemError
from animetools.inversion.encoder import Encoder
from animetools.inversion.network import ProjectingNetwork
from animetools.inversion.project import Projector
from animetools.inversion.start import samples
from animetools.networks.families import kind_of
from animetools.networks.generator import Generator
from animetools.sampling.labels import PossibleLabels
from animetools.sampling.latents import Floats
from animetools.sampling.layers import Rows
from animetools.sampling.render import to_pixels

CHUNK = 250  # samples that are computed at once
DRAWN = 50  # samples that are drawn at once
WIDEST = 8192  # numbers of features: their covariance is half a gigabyte


class _Reached(Exception):  # noqa: N818  not an error
    """The features are there: the rest of the network need not run."""


def components_of_w(
    generator: Generator, labels: PossibleLabels | None, seed: int, count: int, of: int
) -> list[Floats]:
    """The first `count` principal components of w, of so many samples: unit vectors [w_dim].

    Source: Härkönen et al. 2020 (GANSpace), section 3.1.
    """
    found = moments(w_samples(generator, labels, seed, of))
    vectors, _ = axes(found.covariance, count)
    return list(vectors.astype(np.float32))


def components_of_features(
    generator: Generator, labels: PossibleLabels | None, seed: int, count: int, of: int, pixels: int
) -> list[Floats]:
    """The w along which the principal components of features change: unit vectors [w_dim].

    The features are those of the network's block of so many pixels a side; each component's w is
    the linear regression from its coordinate.

    Raises FatalError for pixels of no block, for features that are too many, and for a StyleGAN 3,
    whose layers are wider than its images.
    Source: Härkönen et al. 2020 (GANSpace), section 3.1, the BigGAN variant.
    """
    synthesis: Any = generator.synthesis
    if not hasattr(synthesis, "blocks"):
        family = kind_of(generator.config).family
        raise FatalError(f"--of {pixels}: a {family} has no resolutions to choose features of")
    sizes = [max(generator.config.base) << n for n in range(len(synthesis.blocks))]
    if pixels not in sizes:
        raise FatalError(
            f"--of {pixels}: this network has features of {', '.join(map(str, sizes))} pixels"
        )
    block = synthesis.blocks[sizes.index(pixels)]
    width = generator.config.mapping.w_dim
    size = generator.config.channels[sizes.index(pixels)] * pixels**2
    if size > WIDEST:
        raise FatalError(
            f"--of {pixels}: {size:,} features are more than {WIDEST:,}; try fewer pixels"
        )
    kept: list[Tensor] = []

    def keep(_module: Any, _given: Any, made: Tensor) -> None:
        kept[:] = [made]
        raise _Reached

    @torch.inference_mode()
    def chunks() -> Iterator[Floats]:
        for w in w_samples(generator, labels, seed, of):
            with suppress(_Reached):
                synthesis(torch.from_numpy(w)[:, None].expand(-1, generator.num_ws, -1))
            yield np.concatenate([w, kept[0].flatten(1).numpy()], 1)

    hook = block.register_forward_hook(keep)
    try:
        both = moments(chunks()).covariance
    finally:
        hook.remove()
    vectors, _ = axes(both[width:, width:], count)
    changes = vectors @ both[width:, :width]
    lengths = np.linalg.norm(changes, axis=1, keepdims=True)
    return list((changes / np.maximum(lengths, 1e-12)).astype(np.float32))


def w_samples(
    generator: Generator, labels: PossibleLabels | None, seed: int, count: int
) -> Iterator[Floats]:
    """Chunks [n, w_dim] of `count` random w in all."""
    chunks = samples(generator, labels, seed, min(CHUNK, count))
    for first in range(0, count, CHUNK):
        _, w = next(chunks)
        yield w[: count - first].numpy()


@torch.inference_mode()
def factors(generator: Generator, rows: Rows, count: int) -> list[Floats]:
    """The unit vectors [w_dim] that change the styles of some rows of w the most.

    They are the eigenvectors of A'A, A being the weights of those layers from w to styles.

    Raises FatalError where no layer takes its style from these rows.
    Source: Shen and Zhou 2021 (SeFa), section 3.2, equations 5 to 8.
    """
    weights: list[tuple[int, Tensor]] = []

    def note(affine: Any, given: tuple[Tensor]) -> None:
        weights.append((int(given[0][0, 0]), affine.weight * affine.scale))

    # Which row a layer takes shows where each row is filled with its number.
    numbers = torch.arange(generator.num_ws, dtype=torch.float32)[None, :, None]
    layers = [getattr(module, "affine", None) for module in generator.synthesis.modules()]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers if layer is not None]
    try:
        generator.synthesis(numbers.repeat(1, 1, generator.config.mapping.w_dim))
    finally:
        for hook in hooks:
            hook.remove()
    inside = [weight for row, weight in weights if rows.first <= row <= rows.last]
    if not inside:
        raise FatalError(f"no layer takes its style from the rows {rows} of w")
    a = torch.cat(inside).double().numpy()
    vectors, _ = axes(a.T @ a, count)
    return list(vectors.astype(np.float32))


def mirrored(
    network: ProjectingNetwork,
    device: torch.device,
    count: int,
    of: int,
    tell: Callable[[int], None],
) -> list[Floats]:
    """The axes along which w changes the most where pictures are mirrored: unit vectors [w_dim].

    So many samples are drawn, mirrored and projected; which way each is turned is random, so that
    it is the axes of the differences that count, not their mean. `tell` hears of each sample.

    Raises FatalError for a sample that cannot be projected.
    """
    generator, options = network.network.generator, network.options
    labels = network.labels()
    projector = Projector(network, device)
    differences = []
    with torch.inference_mode():
        _, some = next(samples(generator, labels, options.seed, of))
    for first in range(0, of, projector.group):
        w = some[first : first + projector.group]
        with torch.inference_mode():
            images = generator.synthesis(w[:, None].expand(-1, generator.num_ws, -1))
            pixels = to_pixels(images.flip(3)).numpy().transpose(0, 3, 1, 2)
        for own, found in zip(w, projector([np.ascontiguousarray(p) for p in pixels]), strict=True):
            if isinstance(found, ItemError):
                raise FatalError(f"{network.path}: {found}")
            differences.append(found.values[0] - own.numpy())
            tell(1)
    return _axes_of(differences, count)


@torch.inference_mode()
def mirrored_by_encoder(
    generator: Generator,
    encoder: Encoder,
    labels: PossibleLabels | None,
    seed: int,
    count: int,
    of: int,
    tell: Callable[[int], None],
) -> list[Floats]:
    """As `mirrored`, unit vectors [w_dim], from an encoder's guesses of samples and their mirror images.

    It takes seconds. What the encoder gets wrong in both does not count.
    """
    differences: list[Floats] = []
    chunks = samples(generator, labels, seed, DRAWN)
    for first in range(0, of, DRAWN):
        w = next(chunks)[1][: of - first]
        images = generator.synthesis(w[:, None].expand(-1, generator.num_ws, -1)).clamp(-1, 1)
        differences += list((encoder.ws(images.flip(3))[0] - encoder.ws(images)[0]).numpy())
        tell(len(w))
    return _axes_of(differences, count)


def _axes_of(differences: Sequence[Floats], count: int) -> list[Floats]:
    both = np.array(differences, np.float64)
    vectors, _ = axes(both.T @ both / len(both), count)
    return list(vectors.astype(np.float32))
