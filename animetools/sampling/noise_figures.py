"""Figures of the noise inputs: what they change, and which layers need them."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.errors import FatalError
from animetools.images.files import Pixels
from animetools.networks.families import kind_of
from animetools.networks.generator import Generator
from animetools.sampling.figure import Draw, Figure, sized
from animetools.sampling.latents import RANDOM, SynthesisInput
from animetools.sampling.layers import fine_from
from animetools.sampling.subject import Subject

DETAIL = 4  # the side of a detail is this part of a picture's
GAIN = 4  # of the standard deviation, of levels of 0 to 255, as it is shown
KINDS = ("all noise", "no noise", "fine noise", "coarse noise")


def noise(subject: Subject) -> Figure:
    """A picture of each latent, a detail with four noises, and the deviation over many.

    Source: Karras et al. 2018 (StyleGAN), figure 4. The detail is where the noise changes most.
    """
    _check(subject.sampler.generator)
    across = ("picture", "detail", f"deviation x {GAIN}")
    return Figure(
        partial(_details, subject),
        count=3 * len(subject.latents),
        columns=3,
        size=subject.tile(),
        draws=subject.count * len(subject.latents),
        sources=subject.sources,
        across=across,
        down=subject.names,
        facts=(("count", subject.count),),
    )


def _details(subject: Subject, draw: Draw) -> Iterator[Pixels]:
    generator = subject.sampler.generator
    for each in subject.latents:
        ws = subject.input(each.latent).ws
        drawn = (
            SynthesisInput(ws, fresh(generator, each.latent.entropy, number))
            for number in range(subject.count)
        )
        pictures = draw(drawn)
        first = [next(pictures) for _ in range(min(4, subject.count))]
        spread = deviation(chain(first, pictures))
        yield first[0]
        yield _four(first, busiest(spread))
        grey = (spread * GAIN + 0.5).clip(0, 255).astype(np.uint8)
        yield like(grey, first[0])


def fresh(generator: Generator, entropy: int, number: int) -> list[Tensor]:
    """The noise [1, 1, H, W] of each layer, the same for a number."""
    chance = np.random.default_rng([entropy, RANDOM, number])
    shapes = generator.noise_shapes
    return [torch.from_numpy(chance.standard_normal(s, np.float32))[None, None] for s in shapes]


def deviation(pictures: Iterator[Pixels]) -> NDArray[np.float64]:
    """The standard deviation of each pixel's lightness, the mean of its colors, [H, W], 0 to 127.5."""
    first = _lightness(next(pictures))  # differences from it are exact where nothing differs
    sums, squares, count = np.zeros_like(first), np.zeros_like(first), 1
    for count, pixels in enumerate(pictures, 2):  # noqa: B007  it is used below
        difference = _lightness(pixels) - first
        sums += difference
        squares += difference**2
    variance: NDArray[np.float64] = squares / count - (sums / count) ** 2
    return np.asarray(np.sqrt(variance.clip(0)))


def _lightness(pixels: Pixels) -> NDArray[np.float64]:
    return np.asarray(np.atleast_3d(pixels)[..., :3].mean(2), np.float64)


def busiest(spread: NDArray[np.float64]) -> tuple[int, int]:
    """Left and top of the detail where [H, W] is largest in the mean."""
    height, width = (max(1, side // DETAIL) for side in spread.shape)
    sums = np.pad(spread.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    boxes = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
    top, left = np.unravel_index((boxes + sums[:-height, :-width]).argmax(), boxes.shape)
    return int(left), int(top)


def _four(pictures: Sequence[Pixels], place: tuple[int, int]) -> Pixels:
    """The detail at a place in four pictures, or as many as there are, two by two."""
    height, width = pictures[0].shape[:2]
    high, wide = max(1, height // DETAIL), max(1, width // DETAIL)
    left, top = place
    made = np.full_like(pictures[0], 255)
    for number, pixels in enumerate(pictures):
        y, x = number // 2 * (height // 2), number % 2 * (width // 2)
        detail = sized(pixels[top : top + high, left : left + wide], width // 2, height // 2)
        made[y : y + height // 2, x : x + width // 2] = detail
    return made


def like(grey: Pixels, picture: Pixels) -> Pixels:
    """Grey [H, W] with the channels of a picture."""
    if picture.ndim == 2:
        return grey
    made = np.full_like(picture, 255)
    made[..., :3] = grey[..., None]
    return made


def noise_layers(subject: Subject) -> Figure:
    """Each latent with noise in all layers, in none, in the fine ones and in the coarse ones.

    Source: Karras et al. 2018 (StyleGAN), figure 5.
    """
    _check(subject.sampler.generator)
    count = len(KINDS) * len(subject.latents)

    def pictures(draw: Draw) -> Iterator[Pixels]:
        return draw(
            SynthesisInput(subject.input(each.latent).ws, noises)
            for each in subject.latents
            for noises in by_layers(subject.sampler.generator)
        )

    return Figure(
        pictures,
        count=count,
        columns=len(KINDS),
        size=subject.tile(),
        draws=count,
        sources=subject.sources,
        across=KINDS,
        down=subject.names,
    )


def by_layers(generator: Generator) -> list[list[Tensor]]:
    """The stored noise [1, 1, H, W] of the layers, or zeros, in the order of KINDS."""
    consts = generator.synthesis.noise_consts
    assert isinstance(consts, list)
    stored = [const[None, None] for const in consts]
    fine = fine_from([height for height, _ in generator.noise_shapes])
    none = [torch.zeros_like(layer) for layer in stored]
    return [stored, none, none[:fine] + stored[fine:], stored[:fine] + none[fine:]]


def _check(generator: Generator) -> None:
    if not generator.noise_shapes:
        family = kind_of(generator.config).family
        raise FatalError(f"this {family} has no noise inputs: there is no figure of them")
