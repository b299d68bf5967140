"""What training a StyleGAN needs: memory, disk and time."""

import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from animetools.estimate import duration
from animetools.networks.stylegan2.modules import Discriminator, Generator
from animetools.runs.forecast import Needs
from animetools.training.config import TrainConfig
from animetools.training.gan import GAN
from animetools.training.transfer import Configs

FLOAT = 4  # bytes
HELD = 25  # numbers for each channel of a pixel: measured on a CPU, 24 to 25 with any shape
COPIES = 3  # of what a snapshot has, while it is written: measured
LONG = 3.0  # seconds
REGULARIZED = 1.2  # how much longer an iteration takes on a CPU, on average
MONTH = 30 * 86400.0  # seconds


def needs(configs: Configs, images: int) -> Needs:
    """What networks need that learn from so many images at once, in float32.

    Memory is for the weights, their average, gradients and Adam's moments, what the largest of the
    losses holds for its gradient, and a snapshot that is being written.
    """
    generator, discriminator = configs
    with torch.device("meta"):
        g, d = _count(Generator(generator)), _count(Discriminator(discriminator))
    saved = FLOAT * (4 * g + 3 * d)  # G_ema too, and two moments of each weight
    height, width = generator.base
    pixels = sum(
        channels * (height << i) * (width << i) for i, channels in enumerate(generator.channels)
    )
    least = saved + FLOAT * (g + d)
    memory = COPIES * saved + FLOAT * (g + d + HELD * pixels * images)
    return Needs(g + d, saved, memory, least)


def seconds_per_kimg(gan: GAN, batch: int) -> float:
    """How long a kimg takes, measured; the GAN has learned from black images then.

    A person waits for it: where a batch takes long, a part of it tells.
    """
    config, network = gan.config, gan.generator.config
    shape = network.image_channels, *network.image_size

    def seconds(iteration: int, count: int) -> float:
        reals = torch.zeros(count, *shape).to(gan.device, gan.dtype)
        labels = gan.draw(count).c
        gan.iteration = iteration
        start = time.perf_counter()
        float(gan.step(reals, labels)["loss_g"])  # a GPU is waited for
        return time.perf_counter() - start

    gan.config = replace(config, accumulate=1)
    seconds(1, 1)  # and what is done once
    few, spent = 1, seconds(1, 1)  # an iteration without regularization
    while spent < LONG and few < batch:
        few = min(max(2 * few, gan.networks.group(batch)), batch)
        spent = seconds(1, few)
    if gan.device.type == "cpu" and few < batch:
        return 1000 * spent / few * REGULARIZED
    gan.config = config
    for _ in range(2):
        main, whole = seconds(1, batch), seconds(0, batch)  # without and with both
    share = sum(1 / interval for interval in gan.intervals) / 2  # as if they took the same time
    return 1000 * (main + share * max(0.0, whole - main)) / batch


def length(config: TrainConfig, seconds: float) -> Iterator[str]:
    """Say how long a run takes where a kimg takes so many seconds."""
    yield f"{config.kimg:g} kimg take {duration(config.kimg * seconds)}: {seconds:.1f} s/kimg"
    if config.kimg * seconds > MONTH:
        faster = "a smaller --channel-base" if config.preset == "tiny" else "--preset tiny"
        yield (
            f"that is long: {faster} is faster; with --transfer default, which starts from a "
            "trained network, a smaller --kimg may do"
        )


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
