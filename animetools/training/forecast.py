"""What a run will need, told before it starts."""

import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

from animetools.errors import FatalError
from animetools.estimate import duration, free_disk, size
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from animetools.networks.stylegan2.modules import Discriminator, Generator
from animetools.training.config import TrainConfig
from animetools.training.snapshots import Pace
from animetools.training.step import Trainer
from animetools.training.transfer import Pair

FLOAT = 4  # bytes
HELD = 25  # numbers for each channel of a pixel: measured on a CPU, 24 to 25 with any shape
COPIES = 3  # of what a snapshot has, while it is written: measured
LONG = 3.0  # seconds
REGULARISED = 1.2  # how much longer an iteration takes on a CPU, on average
MONTH = 30 * 86400.0  # seconds
LOADED_LATER = 130_000_000  # bytes: torch's optimisers and TensorBoard; measured on Linux


@dataclass(frozen=True)
class Forecast:
    """How many parameters there are, and bytes: of a snapshot, and of memory at the most."""

    parameters: int
    snapshot: int
    memory: int


def forecast(
    generator: StyleGAN2GeneratorConfig, discriminator: StyleGAN2DiscriminatorConfig, images: int
) -> Forecast:
    """What networks need that learn from so many images at once, in float32.

    That is the weights, their average, gradients and Adam's moments, what the largest of the losses
    holds for its gradient, and a snapshot on its way to the disk.
    """
    with torch.device("meta"):
        g, d = _count(Generator(generator)), _count(Discriminator(discriminator))
    saved = FLOAT * (4 * g + 3 * d)  # G_ema too, and two moments of each weight that learns
    height, width = generator.base
    pixels = sum(
        channels * (height << i) * (width << i) for i, channels in enumerate(generator.channels)
    )
    return Forecast(g + d, saved, COPIES * saved + FLOAT * (g + d + HELD * pixels * images))


def seconds_per_kimg(trainer: Trainer, batch: int) -> float:
    """What a kimg will take, measured; the trainer has then learnt from nothing, and is spoilt.

    A person waits for it: where a batch takes long, a part of it tells.
    """
    rules, config = trainer.rules, trainer.generator.config
    shape = config.image_channels, *config.image_size

    def seconds(iteration: int, count: int) -> float:
        reals = torch.zeros(count, *shape).to(trainer.device, trainer.dtype)
        trainer.iteration = iteration
        start = time.perf_counter()
        float(trainer.step(reals)["loss_g"])  # a card is waited for
        return time.perf_counter() - start

    trainer.rules = replace(rules, accumulate=1)
    seconds(1, 1)  # and what is done once
    few, spent = 1, seconds(1, 1)  # an iteration without regularisation
    while spent < LONG and few < batch:
        few = min(max(2 * few, trainer.pair.group(batch)), batch)
        spent = seconds(1, few)
    if trainer.device.type == "cpu" and few < batch:
        return 1000 * spent / few * REGULARISED
    trainer.rules = rules
    for _ in range(2):
        main, whole = seconds(1, batch), seconds(0, batch)  # without and with both
    share = (1 / rules.g_interval + 1 / rules.d_interval) / 2  # as if they took the same time
    return 1000 * (main + share * max(0.0, whole - main)) / batch


def told(
    config: TrainConfig,
    pair: Pair,
    pace: Pace,
    folder: str,
    device: torch.device,
    *,
    process: int,
    seconds: float,
) -> Iterator[str]:
    """What a person is told of a run before it starts, with its snapshots in this folder.

    The process has so many bytes already; a kimg takes so many `seconds`; 0: that will show.
    Raises FatalError, with the cure, if there is no room for a snapshot.
    """
    size_of_round, group = config.batch // config.accumulate, pair[1].mbstd_group
    if group != min(config.mbstd, size_of_round):
        yield f"the discriminator compares {group} images at a time: so {size_of_round} divide"
    needed, count = forecast(*pair, size_of_round), pace.count(config.kimg)
    memory, disk = free_memory(device), free_disk(folder)
    own = process + LOADED_LATER if device.type == "cpu" else 0  # a card holds nothing of it
    yield (
        f"{needed.parameters / 1e6:.1f} M parameters, about {size(needed.memory + own)} of memory"
        f"{f' ({size(memory)} are free)' if memory is not None else ''}; "
        f"snapshots of {size(needed.snapshot)}, up to {count} of them ({size(disk)} are free)"
    )
    if memory is not None and needed.memory > memory:
        yield "that may not fit into memory: --accumulate, or a smaller --channel-base, needs less"
    if needed.snapshot > disk:
        raise FatalError(
            f"{folder}: there is no room for a snapshot: make room, or choose another -o"
        )
    if needed.snapshot * count > disk:
        yield f"there is room for {disk // needed.snapshot} snapshots only: make room, or lower --keep"
    if seconds:
        yield f"{config.kimg:g} kimg take {duration(config.kimg * seconds)}: {seconds:.1f} s/kimg"
    if config.kimg * seconds > MONTH:
        faster = "a smaller --channel-base" if config.preset == "tiny" else "--preset tiny"
        yield (
            f"that is long: {faster} is faster; with --transfer default, which begins with a trained "
            "network, a smaller --kimg may do"
        )


def free_memory(device: torch.device) -> int | None:
    """Bytes that nobody uses; None where that cannot be known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if sys.platform != "linux":
        return None
    with open("/proc/meminfo", encoding="ascii") as file:
        facts = dict(line.split(":") for line in file)
    return int(facts["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in facts else None


def resident() -> int:
    """Bytes of memory that this process has now; on other systems than Linux, has had at most."""
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
