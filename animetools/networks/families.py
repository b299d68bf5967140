"""Every kind of network that is known. A new family is a folder beside this file, and rows here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from animetools.networks.config import Config
from animetools.networks.stylegan1 import modules as stylegan1
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)
from animetools.networks.stylegan2 import cpu_synthesis, cpu_trunk
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)


@dataclass(frozen=True)
class Kind:
    """A kind of network: a family's generator, or its discriminator."""

    name: str  # in network files, so it never changes
    family: str  # as people call it
    config: type[Config]
    module: Callable[[Any], nn.Module]  # made from a config
    # A faster form on a CPU, of (config, state, dtype, pool): a generator's synthesis or a
    # discriminator's features, or None for configs that it does not cover. See fast.py.
    on_cpu: Callable[..., Any] = lambda *_: None


KINDS = (
    Kind(
        "StyleGAN1Generator",
        "StyleGAN 1",
        StyleGAN1GeneratorConfig,
        stylegan1.Generator,
    ),
    Kind(
        "StyleGAN1Discriminator",
        "StyleGAN 1",
        StyleGAN1DiscriminatorConfig,
        stylegan1.Discriminator,
    ),
    Kind(
        "StyleGAN2Generator",
        "StyleGAN 2",
        StyleGAN2GeneratorConfig,
        stylegan2.Generator,
        cpu_synthesis.of,
    ),
    Kind(
        "StyleGAN2Discriminator",
        "StyleGAN 2",
        StyleGAN2DiscriminatorConfig,
        stylegan2.Discriminator,
        cpu_trunk.of,
    ),
)


def kind_of(config: Config) -> Kind:
    """The kind of network that a config describes."""
    return next(kind for kind in KINDS if kind.config is type(config))
