"""The networks of a new run, and the layers of a discriminator that can be frozen."""

import torch
from torch import nn

from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from animetools.networks.stylegan2.modules import Discriminator, Generator


def layers_from_image(discriminator: Discriminator) -> list[nn.Module]:
    """The layers that can be frozen, from the image side down to the 4 x 4 part, without it.

    Source: Mo et al. 2020 (Freeze the Discriminator).
    """
    names = ("fromrgb", "conv0", "conv1", "skip")
    blocks = discriminator.blocks[:-1]
    return [getattr(block, name) for block in blocks for name in names if hasattr(block, name)]


def new_networks(
    generator: StyleGAN2GeneratorConfig, discriminator: StyleGAN2DiscriminatorConfig, seed: int
) -> tuple[Generator, Discriminator]:
    """Networks of random weights, which depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Generator(generator), Discriminator(discriminator)
