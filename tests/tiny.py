"""Networks small enough for tests: of random weights, which is enough to tell whether things hold."""

import sys
from typing import Any

import torch

from animetools.networks import checkpoints, stylegan2
from animetools.networks.config import (
    MappingConfig,
    StyleGAN2Discriminator,
    StyleGAN2Generator,
)
from animetools.networks.snapshot import Network, Snapshot


def snapshot(*, seed: int = 0, c_dim: int = 0, **facts: Any) -> Snapshot:
    """A StyleGAN 2 of 16 x 16 pixels, G_ema and D."""
    torch.manual_seed(seed)
    mapping = MappingConfig(z_dim=8, w_dim=8, width=8, layers=2, c_dim=c_dim)
    judging = MappingConfig(z_dim=0, w_dim=8, width=8, layers=2, c_dim=c_dim)
    ours = StyleGAN2Generator(mapping, (8, 8, 8))
    theirs = StyleGAN2Discriminator(
        (8, 8, 8), dense=8, c_dim=c_dim, mapping=judging if c_dim else None
    )
    generator, discriminator = stylegan2.Generator(ours), stylegan2.Discriminator(theirs)
    return Snapshot(
        "animetools",
        {
            "G_ema": Network(ours, generator.state_dict()),
            "D": Network(theirs, discriminator.state_dict()),
        },
        {"kimg": 1, **facts},
    )


if __name__ == "__main__":
    for path in sys.argv[1:]:
        checkpoints.write(path, snapshot())
