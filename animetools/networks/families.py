"""The networks of all families. A new family is a folder beside this file, and rows here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from animetools.networks.config import Config
from animetools.networks.lucidrains import config as lucidrains_configs
from animetools.networks.lucidrains import modules as lucidrains
from animetools.networks.stylegan1 import config as stylegan1_configs
from animetools.networks.stylegan1 import modules as stylegan1
from animetools.networks.stylegan2 import config as stylegan2_configs
from animetools.networks.stylegan2 import cpu_synthesis, cpu_trunk
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan3 import config as stylegan3_configs
from animetools.networks.stylegan3 import cpu_synthesis as stylegan3_cpu
from animetools.networks.stylegan3 import modules as stylegan3


@dataclass(frozen=True)
class Kind:
    """A kind of network: a family's generator, or its discriminator."""

    name: str  # in network files, so it never changes
    family: str  # as people call it
    config: type[Config]
    module: Callable[[Any], nn.Module]  # of a config
    # Its faster form on a CPU, of (config, state, dtype, pool): a generator's synthesis or a
    # discriminator's features, as in fast.py; None for a config that the form does not cover.
    on_cpu: Callable[..., Any] = lambda *_: None


# fmt: off
KINDS = (
    Kind("StyleGAN1Generator", "StyleGAN 1",
         stylegan1_configs.StyleGAN1GeneratorConfig, stylegan1.Generator),
    Kind("StyleGAN1Discriminator", "StyleGAN 1",
         stylegan1_configs.StyleGAN1DiscriminatorConfig, stylegan1.Discriminator),
    Kind("StyleGAN2Generator", "StyleGAN 2",
         stylegan2_configs.StyleGAN2GeneratorConfig, stylegan2.Generator, cpu_synthesis.of),
    Kind("StyleGAN2Discriminator", "StyleGAN 2",
         stylegan2_configs.StyleGAN2DiscriminatorConfig, stylegan2.Discriminator, cpu_trunk.of),
    Kind("StyleGAN3Generator", "StyleGAN 3",
         stylegan3_configs.StyleGAN3GeneratorConfig, stylegan3.Generator, stylegan3_cpu.Synthesis),
    Kind("LucidrainsGenerator", "StyleGAN 2 of lucidrains",
         lucidrains_configs.LucidrainsGeneratorConfig, lucidrains.Generator),
    Kind("LucidrainsDiscriminator", "StyleGAN 2 of lucidrains",
         lucidrains_configs.LucidrainsDiscriminatorConfig, lucidrains.Discriminator),
)
# fmt: on


def kind_of(config: Config) -> Kind:
    """The kind of network that a config describes."""
    return next(kind for kind in KINDS if kind.config is type(config))


def kind_named(name: str) -> Kind | None:
    """The kind of network of this name in files."""
    return next((kind for kind in KINDS if kind.name == name), None)
