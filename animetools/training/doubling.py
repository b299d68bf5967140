"""Networks that take over those for smaller images, and begin as these are, with images enlarged.

Blocks of a higher resolution add nothing at first, so that no trained layer gets input that it has
not learned from. They fade in as they learn. Only StyleGAN 2 needs this: StyleGAN 1 grows.
Source: Zhang et al. 2019 (Fixup, arXiv:1901.09321), section 3: the last layer of a branch begins at 0.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from animetools.networks.activation import SLOPES
from animetools.networks.discriminator import Discriminator
from animetools.networks.generator import Generator
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from animetools.networks.stylegan2.modules import GAIN, HALVES

LEVELS = 9  # of each channel, of the colors that are compared
LEAST = 1e-4  # singular values below this share of the largest count as zero


@torch.no_grad()
def draw_enlarged(generator: Generator, known: int) -> None:
    """Have a generator draw what its lowest `known` blocks draw, enlarged.

    One whose blocks do not add up their colors stays as it is.
    """
    config = generator.config
    if isinstance(config, StyleGAN2GeneratorConfig) and config.architecture == "skip":
        synthesis: Any = generator.synthesis
        for block in synthesis.blocks[known:]:
            block.torgb.weight.zero_()


@torch.no_grad()
def score_reduced(discriminator: Discriminator, known: int, theirs: dict[str, Tensor]) -> None:
    """Have a discriminator score images much as its last `known` blocks would, at half the size.

    `theirs` is the state of the smaller discriminator, whose fromRGB now is at the higher resolution.
    The skip connections carry its channels past the new convolutions. Where there is no room for
    all of them, the last connection makes those that are missing of the others, as well as it can.
    One that has no way past its convolutions stays as it is.
    """
    config: Any = discriminator.config
    blocks: list[Any] = [*discriminator.blocks]
    new = blocks[: max(0, len(blocks) - known)]
    if not isinstance(config, StyleGAN2DiscriminatorConfig) or config.architecture == "orig":
        return
    weight, bias = (theirs.get(f"b{2 << known}.fromrgb.{name}") for name in ("weight", "bias"))
    if weight is None or bias is None or weight.shape[1] != config.image_channels:
        return
    for block in new:
        block.conv1.weight.zero_()
    if not new or config.architecture == "skip":  # and has kept the lower fromRGB
        return
    fromrgb, room = new[0].fromrgb, new[0].channels
    fromrgb.weight.copy_(weight[:room])
    fromrgb.bias.copy_(bias[:room])

    levels = torch.linspace(-1, 1, LEVELS, dtype=torch.float64)
    colors = torch.cartesian_prod(*[levels] * weight.shape[1]).view(-1, weight.shape[1])
    linear = colors @ (fromrgb.scale * weight.double().flatten(1)).T + bias
    features = GAIN * leaky_relu(linear, SLOPES[config.activation])
    kept = features[:, :room]
    made = torch.linalg.lstsq(kept, features, rcond=LEAST, driver="gelsd").solution.T
    for block in new:
        goes = torch.eye(len(block.skip.weight), block.channels)
        if block is new[-1]:
            goes[:, :room] = made
        block.skip.weight.copy_(goes[:, :, None, None] / (block.skip.scale * HALVES))
