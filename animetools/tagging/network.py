"""A small convolutional network from a picture to the probabilities of its tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

Channels = Annotated[int, 1, 2048]  # with the range that files are held to


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of a network: `side` of its input in pixels, channels of each halving, outputs."""

    side: Annotated[int, 32, 1024] = 128
    channels: tuple[Channels, ...] = (24, 48, 96, 144, 192)
    features: Channels = 384
    tags: Annotated[int, 1, 4096] = 1


class Block(nn.Module):
    """Two convolutions beside the identity. Source: He et al. 2015 (arXiv:1512.03385), figure 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x [n, C, H, W] to the same shape."""
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class Network(nn.Module):
    """Each stage halves the picture; all but the first have a residual block.

    The mean and the maximum over what is left become the features: how much of something a picture
    has, and whether it is anywhere.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        inputs: Sequence[int] = (3, *config.channels)
        stages = []
        for number, (before, after) in enumerate(zip(inputs, config.channels, strict=False)):
            halving = [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
            stages.append(nn.Sequential(*halving, *[Block(after)] * (number > 0)))
        self.stages = nn.Sequential(*stages)
        self.features = nn.Linear(2 * config.channels[-1], config.features)
        self.tags = nn.Linear(config.features, config.tags)

    def embed(self, images: Tensor) -> Tensor:
        """The features [n, features], not negative, of images [n, 3, side, side] from -1 to 1."""
        x = self.stages(images)
        return functional.relu(self.features(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)))

    def forward(self, images: Tensor) -> Tensor:
        """The logits [n, tags] of images [n, 3, side, side] from -1 to 1."""
        logits: Tensor = self.tags(self.embed(images))
        return logits
