"""Configs of StyleGAN 1, and of StyleGAN 2's config A."""

from dataclasses import dataclass

from animetools.networks.config import (
    Activation,
    Count,
    DiscriminatorConfig,
    GeneratorConfig,
    Group,
    Labels,
    MappingConfig,
    Side,
    Size,
    Truncation,
)


@dataclass(frozen=True)
class StyleGAN1GeneratorConfig(GeneratorConfig):
    """A generator."""

    mapping: MappingConfig
    channels: tuple[Size, ...]
    base: tuple[Side, Side] = (4, 4)
    image_channels: Size = 3
    progressive: bool = True  # False: only the last block has a ToRGB
    fused_from: int = 128  # resolution from which up-convolutions are fused; 0 is all of them
    kernel: tuple[float, ...] = (1, 2, 1)  # of the blur; () is no blur
    activation: Activation = "lrelu"
    wscale: bool = True
    constant: bool = True  # False: a dense layer of w makes the 4 x 4
    noise: bool = True
    styles: bool = True
    pixel_norm: bool = False
    instance_norm: bool = True
    truncation: Truncation = Truncation(0.7, 8)  # noqa: RUF009  it is frozen


@dataclass(frozen=True)
class StyleGAN1DiscriminatorConfig(DiscriminatorConfig):
    """A discriminator."""

    channels: tuple[Size, ...]
    base: tuple[Side, Side] = (4, 4)
    image_channels: Size = 3
    progressive: bool = True
    kernel: tuple[float, ...] = (1, 2, 1)  # of the blur; () is no blur
    activation: Activation = "lrelu"
    wscale: bool = True
    dense: Size = 512
    c_dim: Labels = 0
    mbstd_group: Group | None = 4
    mbstd_features: Count = 1
