"""A figure of what each resolution of a network paints."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from animetools.errors import FatalError
from animetools.images.files import Pixels
from animetools.networks.families import kind_of
from animetools.networks.generator import Generator
from animetools.sampling.figure import Draw, Figure, sized
from animetools.sampling.latents import SynthesisInput
from animetools.sampling.render import picture_of, to_pixels
from animetools.sampling.subject import Subject


def pyramid(subject: Subject) -> Figure:
    """The colors of each resolution, and in a network that adds them up, the sums so far.

    Zero is grey. In a network that grew, each resolution paints a whole picture, as it last did when
    it was the highest one.
    Raises FatalError if only the last layer paints colors.
    """
    generator = subject.sampler.generator
    sizes = painted(generator)
    if len(sizes) < 2:
        family = kind_of(generator.config).family
        raise FatalError(
            f"only the last layer of this {family} paints colors: a pyramid is for networks of"
            " StyleGAN 2 with skip connections, or for those that grew"
        )
    rows = ("layer", "sum") if has_sums(generator) else ("picture",)
    count = len(rows) * len(sizes) * len(subject.latents)
    return Figure(
        partial(_pictures, subject),
        count=count,
        columns=len(sizes),
        size=subject.tile(),
        draws=0,
        sources=subject.sources,
        across=tuple(f"{width} x {height}" for height, width in sizes),
        down=tuple(f"{name}\n{row}" for name in subject.names for row in rows),
    )


def _pictures(subject: Subject, _: Draw) -> Iterator[Pixels]:
    generator = subject.sampler.generator
    for each in subject.latents:
        colors = layer_colors(generator, subject.input(each.latent))
        for row in (colors, sums(generator, colors)) if has_sums(generator) else (colors,):
            for levels in row:
                yield sized(picture_of(to_pixels(levels)[0].numpy()), *subject.size)


def has_sums(generator: Generator) -> bool:
    """Whether an image is the sum of what all resolutions paint."""
    return getattr(generator.config, "architecture", "") == "skip"


def painted(generator: Generator) -> list[tuple[int, int]]:
    """Height and width of each resolution that paints colors, from the lowest upwards."""
    if not hasattr(generator.synthesis, "blocks"):
        return []
    high, wide = generator.config.base
    blocks = enumerate(_blocks(generator))
    return [(high << i, wide << i) for i, block in blocks if hasattr(block, "torgb")]


def _blocks(generator: Generator) -> list[Any]:
    """From the lowest resolution upwards, as far as the network has grown."""
    synthesis: Any = generator.synthesis
    blocks = list(synthesis.blocks)
    return blocks[: len(blocks) - int(getattr(synthesis, "lod", 0))]


@torch.inference_mode()
def layer_colors(generator: Generator, given: SynthesisInput) -> list[Tensor]:
    """What each resolution paints, [1, C, H, W] of its own size, from the lowest upwards."""
    features: list[Tensor] = []
    blocks = _blocks(generator)
    hooks = [
        block.register_forward_hook(lambda block, given, made: features.append(made))
        for block in blocks
    ]
    try:
        generator.synthesis(given.ws, given.noise)
    finally:
        for hook in hooks:
            hook.remove()
    # A StyleGAN 1 takes colors without a style, StyleGAN 2 with one.
    return [
        block.rgb(x, given.ws) if hasattr(block, "rgb") else block.torgb(x)
        for block, x in zip(blocks, features, strict=True)
        if hasattr(block, "torgb")
    ]


@torch.inference_mode()
def sums(generator: Generator, colors: list[Tensor]) -> list[Tensor]:
    """The colors added up, so far as each resolution; the last is the image, not clipped.

    Source: Karras et al. 2019 (StyleGAN2), figure 7 b.
    """
    synthesis: Any = generator.synthesis
    made = colors[:1]
    for rgb in colors[1:]:
        made.append(synthesis.upsampled(made[-1]) + rgb)
    return made
