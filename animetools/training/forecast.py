"""What a run will need, told before it starts."""

import os
import sys
from dataclasses import dataclass

import torch
from torch import nn

from animetools.networks.config import StyleGAN2Discriminator, StyleGAN2Generator
from animetools.networks.stylegan2 import Discriminator, Generator

FLOAT = 4  # bytes
HELD = 25  # numbers for each channel of a pixel: measured on a CPU, 24 to 25 with any shape


@dataclass(frozen=True)
class Forecast:
    """How many parameters there are, and bytes: of a snapshot, and of memory at the most."""

    parameters: int
    snapshot: int
    memory: int


def forecast(
    generator: StyleGAN2Generator, discriminator: StyleGAN2Discriminator, images: int
) -> Forecast:
    """What networks need that learn from so many images at once, in float32.

    That is the weights, their average, gradients and Adam's moments, and what the largest of the
    losses holds for its gradient.
    """
    with torch.device("meta"):
        g, d = _count(Generator(generator)), _count(Discriminator(discriminator))
    saved = FLOAT * (4 * g + 3 * d)  # G_ema too, and two moments of each weight that learns
    height, width = generator.base
    pixels = sum(
        channels * (height << i) * (width << i) for i, channels in enumerate(generator.channels)
    )
    return Forecast(g + d, saved, saved + FLOAT * (g + d + HELD * pixels * images))


def free_memory(device: torch.device) -> int | None:
    """Bytes that nobody uses; None where that cannot be known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if sys.platform != "linux":
        return None
    with open("/proc/meminfo", encoding="ascii") as file:
        facts = dict(line.split(":") for line in file)
    return int(facts["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in facts else None


def free_disk(folder: str) -> int:
    """Bytes that there is room for in a folder, which need not be there yet."""
    folder = os.path.abspath(folder)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def size(count: float) -> str:
    """Bytes as a person says them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
