"""What training a StyleGAN needs: memory, disk and time."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from animetools.estimate import duration
from animetools.networks.config import GeneratorConfig
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from animetools.runs.forecast import Needs, forecast
from animetools.runs.pace import Pace
from animetools.training.architecture import Configs, parts
from animetools.training.config import TrainConfig
from animetools.training.gan import GAN
from animetools.training.growth import Stage, stages
from animetools.training.networks import new_networks
from animetools.training.ranks import Ranks, refuse_odd_batch
from animetools.training.schedules import value_at
from animetools.training.start import Start

FLOAT = 4  # bytes
HELD = 25  # numbers for each channel of a pixel: measured on a CPU, 24 to 25 with any shape
FILTERED = 3  # and a StyleGAN 3's generator, of a pixel at its higher rate: measured, 2.3 to 2.7
COPIES = 3  # of what a snapshot has, while it is written: measured
LONG = 3.0  # seconds
REGULARIZED = 1.2  # how much longer an iteration takes on a CPU, on average
MONTH = 30 * 86400.0  # seconds


@dataclass(frozen=True)
class Leg:
    """The kimg of a run at one size, which is in pixels, and seconds per kimg."""

    size: int
    kimg: float
    seconds: float


def needs(config: TrainConfig, configs: Configs, ranks: int = 1) -> Needs:
    """What each of the ranks of a run needs of networks of these configs, in float32.

    A classifier counts too. Memory is for the weights, their average, gradients and Adam's moments,
    what the largest of the losses holds for its gradient, and a snapshot that is being written.
    """
    generator, discriminator = configs
    with torch.device("meta"):
        g, d = map(_count, new_networks(*configs, 0))
    if config.classify:
        d += (discriminator.dense + 1) * generator.mapping.c_dim
    saved = FLOAT * (4 * g + 3 * d)  # G_ema too, and two moments of each weight
    held = max(_held(config, configs, stage) for stage in _stages(config, generator, 0))
    least = saved + FLOAT * (g + d)
    memory = COPIES * saved + FLOAT * (g + d + held // ranks)
    return Needs(g + d, saved, memory, least)


def legs(gan: GAN, ranks: int = 1) -> Iterator[Leg]:
    """How long a kimg takes so many ranks at each size that a GAN will be at, measured on one.

    The GAN has learned from black images then. A person waits for it.
    """
    config, begins = gan.config, gan.seen / 1000
    for stage in _stages(config, gan.generator.config, begins):
        kimg = min(stage.ends, config.kimg) - max(stage.begins, begins)
        gan.seen = math.ceil(1000 * max(stage.grown, begins))
        batch = int(gan.now(config.batch)) // ranks
        yield Leg(stage.size, kimg, seconds_per_kimg(gan, batch) / ranks)


def seconds_per_kimg(gan: GAN, batch: int) -> float:
    """How long a kimg takes where the GAN is, measured.

    Where a batch takes long, a part of it tells.
    """
    config, network, seen = gan.config, gan.generator.config, gan.seen
    shape, repeats = (network.image_channels, *network.image_size), config.d_repeats

    def seconds(turn: int, count: int) -> float:
        """Of one step of the generator and those of the discriminator that belong to it."""
        reals = torch.zeros(count, *shape).to(gan.device, gan.dtype)
        labels = None if gan.labels is None else gan.labels[torch.zeros(count, dtype=torch.long)]
        gan.iteration, gan.seen = turn * repeats, seen
        start = time.perf_counter()
        for _ in range(repeats):
            terms = gan.step(reals, labels)
        float(terms["loss_fake"])  # a GPU is waited for
        return time.perf_counter() - start

    gan.config = replace(config, accumulate=1)
    seconds(1, 1)  # and what is done once
    few, spent = 1, seconds(1, 1)  # without regularization, if that is lazy
    while spent < LONG and few < batch:
        few = min(max(2 * few, gan.networks.group(batch)), batch)
        spent = seconds(1, few)
    gan.config = config
    if gan.device.type == "cpu" and few < batch:
        return 1000 * spent / (few * repeats) * (REGULARIZED if config.lazy else 1)
    for _ in range(2):
        main, whole = seconds(1, batch), seconds(0, batch)  # without and with both
    of_g, of_d = gan.phases.intervals
    share = (1 / of_g + repeats / of_d) / 2  # as if they took the same time
    return 1000 * (main + share * max(0.0, whole - main)) / (batch * repeats)


def outlook(
    begin: Start, pace: Pace, folder: str, process: int, cure: str, ranks: Ranks
) -> Iterator[str]:
    """Say what a run needs, and how long it takes if it is new; arguments as those of `forecast`.

    Raises FatalError where it cannot fit, or its batches do not divide among the ranks.
    """
    config, (generator, discriminator) = begin.config, begin.configs
    side, group = min(generator.image_size), discriminator.mbstd_group or 1
    refuse_odd_batch(config, side, group, ranks.count)
    if group != min(config.mbstd, *parts(config, side)):
        yield f"the discriminator compares {group} images at a time, which divide a batch"
    needed = needs(config, begin.configs, ranks.count)
    yield from forecast(needed, pace, config.kimg, folder, begin.device, process, cure, ranks.here)
    if not begin.saved:
        gan, _ = begin.gan()
        yield from length(config, list(legs(gan, ranks.count)))


def length(config: TrainConfig, legs: Sequence[Leg]) -> Iterator[str]:
    """Say how long a run of these legs takes."""
    kimg, seconds = sum(leg.kimg for leg in legs), sum(leg.kimg * leg.seconds for leg in legs)
    paces = [f"{leg.seconds:.1f} s/kimg" for leg in legs]
    if config.grows:
        paces = [f"{pace} at {leg.size} px" for pace, leg in zip(paces, legs, strict=True)]
    yield f"{kimg:g} kimg take {duration(seconds)}: {', '.join(paces)}"
    if seconds > MONTH:
        other = config.grows or config.alias_free  # families of which no network ships
        faster = "--preset tiny"
        if config.preset == "tiny" or other:
            faster = "a smaller --channel-base"
        yield (
            f"that is long: {faster} is faster; with --transfer {'FILE' if other else 'default'},"
            " which starts from a trained network, a smaller --kimg may do"
        )


def _stages(config: TrainConfig, generator: GeneratorConfig, kimg: float) -> Iterator[Stage]:
    """The stages that a run reaches which begins after so many kimg."""
    for stage in stages(config, min(generator.image_size)):
        if stage.ends > kimg and stage.begins < config.kimg:
            yield stage


def _held(config: TrainConfig, configs: Configs, stage: Stage) -> int:
    """The numbers that are held for the gradients of a part of a batch in a stage."""
    generator, discriminator = configs
    batch = max(value_at(config.batch, kimg, stage.size) for kimg in (stage.begins, stage.ends))
    images = int(batch) // config.accumulate
    if not isinstance(generator, StyleGAN3GeneratorConfig):
        return HELD * _pixels(generator.base, generator.channels, stage.lod) * images
    sides = [generator.inner_size(i) for i in range(len(generator.layers))]
    raised = sum(n * side**2 for n, side in zip(generator.channels, sides, strict=True))
    judged = _pixels(discriminator.base, discriminator.channels, 0)
    return (FILTERED * raised + HELD * judged) * images


def _pixels(base: tuple[int, int], channels: Sequence[int], lod: int) -> int:
    """The channels of all pixels of an image in blocks of which `lod` are still to grow."""
    height, width = base
    running = channels[: len(channels) - lod]
    return sum(count * (height << i) * (width << i) for i, count in enumerate(running))


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
