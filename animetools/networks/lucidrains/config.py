"""Configs of lucidrains' StyleGAN 2, the package stylegan2_pytorch."""

from dataclasses import dataclass

from animetools.networks.config import (
    Count,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
    Size,
    Truncation,
)


@dataclass(frozen=True)
class LucidrainsGeneratorConfig(GeneratorConfig):
    """A generator. `attention` are the blocks, 0 being the lowest, that begin with attention."""

    base = (4, 4)
    architecture = "skip"

    mapping: MappingConfig
    channels: tuple[Size, ...]
    image_channels: Size = 3
    constant: bool = True  # False: the mean w makes the 4 x 4
    blur: bool = True  # of colors that are enlarged
    attention: tuple[Count, ...] = ()
    truncation: Truncation = Truncation(0.75)  # noqa: RUF009  it is frozen

    def contradiction(self) -> str:
        """As in `GeneratorConfig`, and whether the blocks with attention exist."""
        return super().contradiction() or _unknown(self.attention, self.channels, "attention")


@dataclass(frozen=True)
class LucidrainsDiscriminatorConfig(DiscriminatorConfig):
    """A discriminator. `attention` and `quantized` are the blocks, 0 being the lowest, that end so."""

    base = (2, 2)
    c_dim = 0
    mbstd_group = 1  # it compares no images
    mbstd_features = 0

    channels: tuple[Size, ...]
    image_channels: Size = 3
    blur: bool = True
    attention: tuple[Count, ...] = ()
    quantized: tuple[Count, ...] = ()
    codes: Size = 256  # vectors of which each pixel of a quantized block is one

    def contradiction(self) -> str:
        """As in `DiscriminatorConfig`, and whether the blocks that are named exist."""
        return (
            super().contradiction()
            or _unknown(self.attention, self.channels, "attention")
            or _unknown(self.quantized, self.channels, "quantized")
        )


def _unknown(places: tuple[int, ...], channels: tuple[int, ...], name: str) -> str:
    return name if len(set(places)) < len(places) or max(places, default=0) >= len(channels) else ""
