"""Networks small enough for tests: of random weights, which is enough to tell whether things hold."""

import sys
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import MappingConfig, Truncation
from animetools.networks.generator import Generator
from animetools.networks.stylegan1 import modules as stylegan1
from animetools.networks.stylegan1.config import StyleGAN1GeneratorConfig
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

SIZE = 16
CHANNELS = (8, 8, 8)
MAPPING = MappingConfig(z_dim=12, w_dim=8, width=8, layers=2)


def snapshot(
    *,
    seed: int = 0,
    c_dim: int = 0,
    image_channels: int = 3,
    truncation: Truncation | None = None,
    **facts: Any,
) -> NetworkFile:
    """A StyleGAN 2 of 16 x 16 pixels, G_ema and D."""
    truncation = truncation or Truncation()
    mapping = replace(MAPPING, c_dim=c_dim)
    ours = StyleGAN2GeneratorConfig(
        mapping, CHANNELS, image_channels=image_channels, truncation=truncation
    )
    theirs = StyleGAN2DiscriminatorConfig(
        CHANNELS,
        image_channels=image_channels,
        dense=8,
        c_dim=c_dim,
        mapping=replace(mapping, z_dim=0) if c_dim else None,
    )
    networks = {
        "G_ema": SavedNetwork(ours, state(stylegan2.Generator(ours), seed)),
        "D": SavedNetwork(theirs, state(stylegan2.Discriminator(theirs), seed + 1)),
    }
    return NetworkFile("animetools", networks, {"kimg": 1, **facts})


def old_snapshot() -> NetworkFile:
    """A StyleGAN 1 of 16 x 16 pixels, whose cutoff spares the upper rows."""
    config = StyleGAN1GeneratorConfig(MAPPING, CHANNELS, truncation=Truncation(0.7, 2))
    return NetworkFile(
        "animetools", {"G_ema": SavedNetwork(config, state(stylegan1.Generator(config), 0))}, {}
    )


def generator(**wishes: Any) -> Generator:
    """The generator of such a snapshot."""
    built = snapshot(**wishes).generator.build()
    assert isinstance(built, Generator)
    return built


def state(module: torch.nn.Module, seed: int) -> dict[str, Tensor]:
    """Numbers for a network: no strength, bias or average is 0 as in a new one, so that all show."""
    stream = torch.Generator().manual_seed(seed)
    made = {}
    for name, value in module.state_dict().items():
        drawn = torch.randn(value.shape, generator=stream)
        if name.endswith(("affine.bias", "lod")):
            drawn = value
        elif "mapping.fc" in name:
            drawn *= 100  # the inverse of its learning rate
        elif name.endswith(("bias", "noise_strength", "w_avg")):
            drawn *= 0.3
        made[name] = drawn
    return made


if __name__ == "__main__":
    for path in sys.argv[1:]:
        checkpoints.write(path, snapshot())
