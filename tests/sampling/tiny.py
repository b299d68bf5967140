"""Networks of a few thousand numbers, for tests of what is done with networks."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from animetools.networks import fast, stylegan1, stylegan2
from animetools.networks.config import (
    MappingConfig,
    StyleGAN1Generator,
    StyleGAN2Discriminator,
    StyleGAN2Generator,
    Truncation,
)
from animetools.networks.snapshot import Network, Snapshot

SIZE = 16
MAPPING = MappingConfig(z_dim=12, w_dim=8, layers=2, width=8)
CHANNELS = (8, 8, 6)


def state(module: torch.nn.Module, seed: int) -> dict[str, Tensor]:
    """Numbers for a network, no noise strength or average zero, so that everything shows."""
    stream = torch.Generator().manual_seed(seed)
    values = {
        name: torch.randn(t.shape, generator=stream) for name, t in module.state_dict().items()
    }
    for name in values:
        if name.endswith(("affine.bias", "lod")):
            values[name] = module.state_dict()[name]
        elif name.startswith("mapping.fc"):
            values[name] *= 100  # the inverse of its learning rate
        elif name.endswith(("bias", "noise_strength", "w_avg")):
            values[name] *= 0.3
    return values


def snapshot(
    *,
    seed: int = 0,
    c_dim: int = 0,
    image_channels: int = 3,
    truncation: Truncation | None = None,
    facts: dict[str, Any] | None = None,
    discriminator: bool = True,
) -> Snapshot:
    """A StyleGAN 2 of SIZE pixels."""
    mapping = replace(MAPPING, c_dim=c_dim)
    config = StyleGAN2Generator(
        mapping,
        CHANNELS,
        image_channels=image_channels,
        truncation=truncation or Truncation(0.7),
    )
    judge = StyleGAN2Discriminator(
        CHANNELS, image_channels=image_channels, dense=8, c_dim=c_dim, labels="output"
    )
    networks = {"G_ema": Network(config, state(stylegan2.Generator(config), seed))}
    if discriminator:
        networks["D"] = Network(judge, state(stylegan2.Discriminator(judge), seed + 1))
    return Snapshot("animetools", networks, facts or {})


def old_snapshot() -> Snapshot:
    """A StyleGAN 1 of SIZE pixels, whose cutoff spares the upper rows."""
    config = StyleGAN1Generator(MAPPING, CHANNELS, truncation=Truncation(0.7, 2))
    return Snapshot(
        "animetools", {"G_ema": Network(config, state(stylegan1.Generator(config), 0))}, {}
    )


def generator(**wishes: Any) -> fast.Generator:
    """The generator of such a snapshot."""
    built = snapshot(**wishes).generator.build()
    assert isinstance(built, fast.Generator)
    return built
