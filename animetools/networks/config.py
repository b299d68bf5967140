"""What a network is, without its numbers: enough to build it and to say it in one line."""

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["skip", "resnet", "orig", "progressive"]
Activation = Literal["lrelu", "relu"]


@dataclass(frozen=True)
class MappingConfig:
    """The network from z, and from labels, to w.

    Labels are embedded and normalised on their own (`embed`: StyleGAN2-ADA), or multiplied by a
    matrix and normalised together with z (`concat`: StyleGAN 1 and 2).
    """

    z_dim: int = 512
    c_dim: int = 0
    w_dim: int = 512
    layers: int = 8
    width: int = 512  # of all layers but the last
    lrmul: float = 0.01
    normalize: bool = True
    labels: Literal["embed", "concat"] = "embed"
    activation: Activation = "lrelu"


@dataclass(frozen=True)
class Truncation:
    """How the file wants its w drawn to the average when nobody says otherwise."""

    psi: float = 1.0
    cutoff: int | None = None  # the first rows that it applies to; None is all of them


@dataclass(frozen=True)
class StyleGAN2GeneratorConfig:
    """A generator of StyleGAN 2, its configs B to F, ADA and ext.

    `channels` are the blocks', from the constant upwards; block i is `base` times 2 ** i high and
    wide. `kernel` is the low-pass filter of every change of size.
    """

    mapping: MappingConfig
    channels: tuple[int, ...]
    base: tuple[int, int] = (4, 4)  # height, width
    image_channels: int = 3
    architecture: Architecture = "skip"
    kernel: tuple[float, ...] = (1, 3, 3, 1)
    activation: Activation = "lrelu"
    clamp: float | None = None
    truncation: Truncation = Truncation()


@dataclass(frozen=True)
class StyleGAN2DiscriminatorConfig:
    """A discriminator of StyleGAN 2, its configs B to F, ADA and ext.

    With labels the score is the output of their class (`output`: StyleGAN 2), or the product with
    a mapping of them (`projection`: ADA); `ignored` is ext's.
    """

    channels: tuple[int, ...]  # of the blocks, from the lowest resolution upwards
    base: tuple[int, int] = (4, 4)
    image_channels: int = 3
    architecture: Architecture = "resnet"
    kernel: tuple[float, ...] = (1, 3, 3, 1)
    activation: Activation = "lrelu"
    clamp: float | None = None
    dense: int = 512  # width of the last hidden layer
    c_dim: int = 0
    labels: Literal["output", "projection", "ignored"] = "projection"
    mapping: MappingConfig | None = None  # of the labels, for `projection`
    mbstd_group: int | None = 4  # None is the whole batch
    mbstd_features: int = 1  # 0: no such layer


@dataclass(frozen=True)
class StyleGAN1GeneratorConfig:
    """A generator of StyleGAN 1, and of StyleGAN 2's config A."""

    mapping: MappingConfig
    channels: tuple[int, ...]
    base: tuple[int, int] = (4, 4)
    image_channels: int = 3
    progressive: bool = True  # False: only the last block has a ToRGB
    fused_from: int = 128  # resolution from which up-convolutions are fused; 0 is all of them
    kernel: tuple[float, ...] = (1, 2, 1)  # of the blur; () is none
    activation: Activation = "lrelu"
    wscale: bool = True
    constant: bool = True  # False: a dense layer of w makes the 4 x 4
    noise: bool = True
    styles: bool = True
    pixel_norm: bool = False
    instance_norm: bool = True
    truncation: Truncation = Truncation(0.7, 8)


@dataclass(frozen=True)
class StyleGAN1DiscriminatorConfig:
    """A discriminator of StyleGAN 1, and of StyleGAN 2's config A."""

    channels: tuple[int, ...]
    base: tuple[int, int] = (4, 4)
    image_channels: int = 3
    progressive: bool = True
    kernel: tuple[float, ...] = (1, 2, 1)
    activation: Activation = "lrelu"
    wscale: bool = True
    dense: int = 512
    c_dim: int = 0
    mbstd_group: int = 4
    mbstd_features: int = 1


GeneratorConfig = StyleGAN2GeneratorConfig | StyleGAN1GeneratorConfig
DiscriminatorConfig = StyleGAN2DiscriminatorConfig | StyleGAN1DiscriminatorConfig
Config = GeneratorConfig | DiscriminatorConfig


def image_size(config: Config) -> tuple[int, int]:
    """Height and width of a network's images, in pixels."""
    doublings = len(config.channels) - 1
    return config.base[0] << doublings, config.base[1] << doublings
