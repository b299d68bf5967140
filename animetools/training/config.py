"""What a training run is: its presets, and what a person may change of them. No torch."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from animetools.errors import FatalError
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

Aug = Literal["ada", "diffaug", "fixed", "none"]
Dtype = Literal["fp32", "bf16", "fp16"]

CLAMP = 256.0  # of activations, where they may be half precision


@dataclass(frozen=True)
class Rules:
    """How an iteration goes; they may change between any two iterations."""

    g_rate: float = 0.002
    d_rate: float = 0.002
    gamma: float = 10.0  # of R1; 0 is none
    pl_weight: float = 2.0  # of the path lengths; 0 is none
    g_interval: int = 4  # iterations between two regularisations; 1: with every main loss
    d_interval: int = 16
    mixing: float = 0.9  # probability of style mixing
    top_k: float = 1.0  # share of the fakes that teach the generator
    accumulate: int = 1  # rounds that a batch is cut into
    ema_kimg: float = 10.0  # half-life of G_ema
    ema_ramp: float | None = None  # at most this share of the images seen so far
    target: float | None = None  # of the mean sign of the reals' scores; None: p stays
    ada_kimg: float = 500.0  # in which p moves by 1


@dataclass(frozen=True)
class TrainConfig:
    """All that a person decides about a run.

    Learning rates are schedules: a rate, or 0.002,1000:0.001 (from 1000 kimg on another).
    """

    preset: str = "s2"  # what all that was not told comes from
    # The networks.
    channel_base: int = 32768  # channels of a block times its resolution
    channel_max: int = 512
    latent: int = 512  # z_dim and w_dim
    map_layers: int = 8
    mbstd: int = 4  # images that the discriminator compares with each other
    dtype: Dtype = "fp32"
    # The run.
    batch: int = 32
    accumulate: int = 1
    g_lr: str = "0.002"
    d_lr: str = "0.002"
    gamma: float = 10.0
    pl_weight: float = 2.0
    mixing: float = 0.9
    top_k: float = 1.0
    ema_kimg: float = 10.0
    ema_ramp: float | None = None
    aug: Aug = "none"
    p: float = 0.0
    target: float = 0.6
    ada_kimg: float = 500.0
    freeze_d: int = 0
    mirror: bool = False
    kimg: float = 25000.0
    seed: int = 0

    def rules(self, kimg: float) -> Rules:
        """How an iteration goes after so many kimg."""
        return Rules(
            g_rate=rate_at("--g-lr", self.g_lr, kimg),
            d_rate=rate_at("--d-lr", self.d_lr, kimg),
            gamma=self.gamma,
            pl_weight=self.pl_weight,
            mixing=self.mixing,
            top_k=self.top_k,
            accumulate=self.accumulate,
            ema_kimg=self.ema_kimg,
            ema_ramp=self.ema_ramp,
            target=self.target if self.aug == "ada" else None,
            ada_kimg=self.ada_kimg,
        )


# Source of all but tiny: Karras et al. 2019 (StyleGAN2), appendix B; Karras et al. 2020
# (StyleGAN2-ADA), appendix C and table 5.
PRESETS: dict[str, TrainConfig] = {
    "s2": TrainConfig(),
    "ada": TrainConfig(map_layers=2, ema_ramp=0.05, aug="ada"),  # and what `preset` computes
    "paper256": TrainConfig(
        channel_base=16384,
        mbstd=8,
        batch=64,
        g_lr="0.0025",
        d_lr="0.0025",
        gamma=1.0,
        ema_kimg=20.0,
        aug="ada",
    ),
    "tiny": TrainConfig(
        channel_base=1024,
        channel_max=48,
        latent=64,
        map_layers=2,
        batch=16,
        # A few thousand iterations must do: faster than the paper's, and R1 that bears it.
        g_lr="0.008",
        d_lr="0.008",
        gamma=1.0,
        pl_weight=0.0,
        mixing=0.0,
        ema_kimg=5.0,
        ema_ramp=0.05,
        aug="ada",
        ada_kimg=100.0,
        kimg=500.0,
    ),
}
PRESETS["auto"] = PRESETS["ada"]


def preset(name: str, resolution: int) -> TrainConfig:
    """A preset for images of this resolution; `ada` depends on it.

    Raises FatalError, with the names there are, for another name.
    """
    if name not in PRESETS:
        raise FatalError(f"--preset is one of {', '.join(PRESETS)}, not '{name}'")
    config = replace(PRESETS[name], preset=name)
    if name not in ("ada", "auto"):
        return config
    batch = max(min(min(4096 // resolution, 32), 64), 1)
    rate = "0.002" if resolution >= 1024 else "0.0025"
    return replace(
        config,
        channel_base=32768 if resolution >= 512 else 16384,
        mbstd=min(batch, 4),
        batch=batch,
        g_lr=rate,
        d_lr=rate,
        gamma=0.0002 * resolution**2 / batch,
        ema_kimg=batch * 10 / 32,
    )


def rate_at(name: str, schedule: str, kimg: float) -> float:
    """The learning rate that a schedule has after so many kimg.

    Raises ValueError, with the option's name, if it is none.
    """
    rate, *steps = schedule.split(",")
    try:
        found, before = float(rate), 0.0
        rates = [found]
        for step in steps:
            start, colon, rate = step.partition(":")
            if not colon or not float(start) > before:
                raise ValueError
            before = float(start)
            rates.append(float(rate))
            if kimg >= before:
                found = rates[-1]
        if not all(0 <= each < 1 for each in rates) or not math.isfinite(before):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{name} is a rate, or rates from given kimg on, as 0.002,1000:0.001; not '{schedule}'"
        ) from None
    return found


def networks(
    config: TrainConfig, height: int, width: int, image_channels: int, c_dim: int
) -> tuple[StyleGAN2GeneratorConfig, StyleGAN2DiscriminatorConfig]:
    """The networks of a run from nothing.

    Raises FatalError if images of that size cannot be made by doubling, or the batch cannot be cut.
    """
    base, count = doublings(height, width)
    channels = tuple(min(config.channel_base // (4 << i), config.channel_max) for i in range(count))
    if not all(channels):
        raise FatalError(f"--channel-base {config.channel_base} leaves no channels at {height} px")
    clamp = CLAMP if config.dtype == "fp16" else None
    latent = config.latent
    mapping = MappingConfig(latent, c_dim, latent, config.map_layers, latent)
    generator = StyleGAN2GeneratorConfig(mapping, channels, base, image_channels, clamp=clamp)
    discriminator = StyleGAN2DiscriminatorConfig(
        channels,
        base,
        image_channels,
        clamp=clamp,
        dense=channels[0],
        c_dim=c_dim,
        mapping=replace(mapping, z_dim=0, layers=8) if c_dim else None,
        mbstd_group=minibatch_group(config),
    )
    return generator, discriminator


def minibatch_group(config: TrainConfig) -> int:
    """How many images the discriminator compares: the most, up to `mbstd`, that divide a round.

    Raises FatalError if the batch does not divide into rounds.
    """
    size, rest = divmod(config.batch, config.accumulate)
    if rest:
        raise FatalError(
            f"--batch {config.batch} cannot be cut into {config.accumulate} equal parts: "
            "choose another --accumulate"
        )
    return max(count for count in range(1, min(config.mbstd, size) + 1) if size % count == 0)


def doublings(height: int, width: int) -> tuple[tuple[int, int], int]:
    """The size of the lowest block, whose sides are 4 or a little more, and the number of blocks.

    Raises FatalError if there is no such size.
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
