"""Configs of StyleGAN 2: its configs B to F, StyleGAN2-ADA and StyleGAN2-ext."""

from dataclasses import dataclass
from typing import Literal

from animetools.networks.config import (
    Activation,
    Architecture,
    Count,
    DiscriminatorConfig,
    GeneratorConfig,
    Group,
    Labels,
    MappingConfig,
    Positive,
    Side,
    Size,
    Truncation,
)


@dataclass(frozen=True)
class StyleGAN2GeneratorConfig(GeneratorConfig):
    """A generator. `kernel` is the low-pass filter of every change of size."""

    needs_kernel = True

    mapping: MappingConfig
    channels: tuple[Size, ...]
    base: tuple[Side, Side] = (4, 4)
    image_channels: Size = 3
    architecture: Architecture = "skip"
    kernel: tuple[float, ...] = (1, 3, 3, 1)
    activation: Activation = "lrelu"
    clamp: Positive | None = None
    truncation: Truncation = Truncation()  # noqa: RUF009  it is frozen


@dataclass(frozen=True)
class StyleGAN2DiscriminatorConfig(DiscriminatorConfig):
    """A discriminator.

    With labels the score is the output of their class (`output`: StyleGAN 2), or the product with
    a mapping of them (`projection`: ADA); `ignored` is ext's.
    """

    needs_kernel = True

    channels: tuple[Size, ...]
    base: tuple[Side, Side] = (4, 4)
    image_channels: Size = 3
    architecture: Architecture = "resnet"
    kernel: tuple[float, ...] = (1, 3, 3, 1)
    activation: Activation = "lrelu"
    clamp: Positive | None = None
    dense: Size = 512
    c_dim: Labels = 0
    labels: Literal["output", "projection", "ignored"] = "projection"
    mapping: MappingConfig | None = None  # of the labels, for `projection`
    mbstd_group: Group | None = 4
    mbstd_features: Count = 1

    def contradiction(self) -> str:
        """As in `DiscriminatorConfig`, and the mapping's of the labels."""
        if own := super().contradiction():
            return own
        mapping = self.mapping
        if (mapping is not None) != (self.labels == "projection" and self.c_dim > 0):
            return "mapping"
        if mapping is None:
            return ""
        fits = (mapping.z_dim, mapping.c_dim, mapping.labels) == (0, self.c_dim, "embed")
        return mapping.contradiction() if fits else "mapping"
