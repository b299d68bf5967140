"""The networks of a new run, and the layers of a discriminator that can be frozen."""

import torch
from torch import nn

from animetools.networks.config import DiscriminatorConfig, GeneratorConfig
from animetools.networks.discriminator import Discriminator
from animetools.networks.families import kind_of
from animetools.networks.generator import Generator


def layers_from_image(discriminator: Discriminator) -> list[nn.Module]:
    """The layers that can be frozen, from the image side down to the 4 x 4 part, without it.

    Source: Mo et al. 2020 (Freeze the Discriminator).
    """
    names = ("fromrgb", "conv0", "conv1", "skip")
    blocks = discriminator.blocks[:-1]
    return [getattr(block, name) for block in blocks for name in names if hasattr(block, name)]


def learning(discriminator: Discriminator, frozen: int) -> list[nn.Parameter]:
    """The parameters of a discriminator whose first so many `layers_from_image` are frozen."""
    layers = layers_from_image(discriminator)[:frozen]
    fixed = {parameter for layer in layers for parameter in layer.parameters()}
    return [parameter for parameter in discriminator.parameters() if parameter not in fixed]


def new_networks(
    generator: GeneratorConfig, discriminator: DiscriminatorConfig, seed: int
) -> tuple[Generator, Discriminator]:
    """Networks of random weights, which depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        made = [kind_of(config).module(config) for config in (generator, discriminator)]
    assert isinstance(made[0], Generator)
    assert isinstance(made[1], Discriminator)
    return made[0], made[1]
