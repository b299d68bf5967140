"""The networks of a new run, by its settings and the size of its images. No torch."""

import math
from dataclasses import replace

from animetools.errors import FatalError
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from animetools.networks.stylegan3.design import config_of
from animetools.training.config import TrainConfig
from animetools.training.schedules import values

GConfig = StyleGAN1GeneratorConfig | StyleGAN2GeneratorConfig | StyleGAN3GeneratorConfig
DConfig = StyleGAN1DiscriminatorConfig | StyleGAN2DiscriminatorConfig
Configs = tuple[GConfig, DConfig]

CLAMP = 256.0  # of activations that may be half precision


def networks(
    config: TrainConfig, height: int, width: int, image_channels: int, c_dim: int
) -> Configs:
    """The configs of networks trained from scratch.

    Raises FatalError if doubling cannot make images of that size, or a batch cannot be split.
    """
    base, count = doublings(height, width)
    channels, judging = (
        tuple(
            int(share * min(config.channel_base // (4 << i), config.channel_max))
            for i in range(count)
        )
        for share in (1.0, config.d_channels)
    )
    if not all(channels + judging):
        raise FatalError(
            f"--channel-base {config.channel_base} leaves no channels at {height} px: raise it"
        )
    clamp = CLAMP if config.dtype == "fp16" else None
    latent = config.latent
    mapping = MappingConfig(
        latent,
        c_dim,
        latent,
        config.map_layers,
        latent,
        normalize=config.normalize,
        bag=config.tag_width if c_dim and config.tag_embedding != "none" else 0,
        bag_learns=config.tag_embedding != "doc2vec",
    )
    group = minibatch_group(config, min(height, width))
    if config.grows:
        old = StyleGAN1GeneratorConfig(
            replace(mapping, labels="concat"), channels, base, image_channels
        )
        return old, StyleGAN1DiscriminatorConfig(
            judging,
            base,
            image_channels,
            dense=judging[0],
            c_dim=c_dim,
            mbstd_group=group,
            mbstd_features=config.mbstd_features,
        )
    discriminator = StyleGAN2DiscriminatorConfig(
        judging,
        base,
        image_channels,
        clamp=clamp,
        dense=judging[0],
        c_dim=c_dim,
        mapping=replace(mapping, z_dim=0, layers=config.d_map_layers) if c_dim else None,
        mbstd_group=group,
        mbstd_features=config.mbstd_features,
    )
    if not config.alias_free:
        generator = StyleGAN2GeneratorConfig(mapping, channels, base, image_channels, clamp=clamp)
        return generator, discriminator
    if base != (4, 4):
        raise FatalError(
            f"--preset {config.preset} draws squares of 16, 32, 64... pixels, not {width} x"
            f" {height}: animepack --size makes them fit"
        )
    alias_free = config_of(
        height,
        mapping,
        radial=config.radial,
        image_channels=image_channels,
        channel_base=config.channel_base,
        channel_max=config.channel_max,
    )
    return replace(alias_free, clamp=clamp), discriminator


def minibatch_group(config: TrainConfig, resolution: int) -> int:
    """How many images the discriminator compares: the most, up to `mbstd`, that divide all parts.

    Raises FatalError if a batch cannot be split into `accumulate` parts.
    """
    together = math.gcd(*parts(config, resolution))
    most = min(config.mbstd, together)
    return max(count for count in range(1, most + 1) if together % count == 0)


def parts(config: TrainConfig, resolution: int) -> list[int]:
    """The sizes that a part of a batch may have.

    Raises FatalError if a batch cannot be split into `accumulate` parts.
    """
    batches = [int(batch) for batch in values(config.batch, resolution)]
    if odd := next((batch for batch in batches if batch % config.accumulate), None):
        raise FatalError(
            f"--batch {odd} cannot be split into {config.accumulate} equal parts: "
            "choose another --accumulate"
        )
    return [batch // config.accumulate for batch in batches]


def doublings(height: int, width: int) -> tuple[tuple[int, int], int]:
    """The size of the lowest block, whose sides are 4 or a little more, and the number of blocks.

    Raises FatalError if doubling cannot give height and width.
    """
    count = max(1, min(height, width).bit_length() - 2)
    base = (height >> count - 1, width >> count - 1)
    if (base[0] << count - 1, base[1] << count - 1) != (height, width) or count < 2:
        side = 1 << max(3, (min(height, width) - 1).bit_length())
        raise FatalError(
            f"images of {width} x {height} pixels cannot be doubled from 4 x 4 or so: "
            f"animepack --size {side} makes them fit"
        )
    return base, count
