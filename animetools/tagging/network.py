"""A small convolutional network from a picture to the probabilities of its tags."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

LAST = 3  # stages whose maxima are features
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

    The features come from the mean over what is left, how much of something a picture has, and from
    the maxima of the last stages, whether it is anywhere: small things, such as glasses, are lost
    before the end.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        inputs, last = (3, *config.channels), config.channels[-LAST:]
        stages = []
        for number, (before, after) in enumerate(zip(inputs, config.channels, strict=False)):
            halving = [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
            stages.append(nn.Sequential(*halving, *[Block(after)] * (number > 0)))
        self.stages = nn.ModuleList(stages)
        self.features = nn.Linear(sum(last) + last[-1], config.features)
        self.tags = nn.Linear(config.features, config.tags)

    def embed(self, images: Tensor) -> Tensor:
        """The features [n, features], not negative, of images [n, 3, side, side] from -1 to 1."""
        x, maxima = images, []
        for stage in self.stages:
            x = stage(x)
            maxima.append(x.amax((2, 3)))
        pooled = torch.cat([*maxima[-LAST:], x.mean((2, 3))], 1)
        return functional.relu(self.features(pooled))

    def forward(self, images: Tensor) -> Tensor:
        """The logits [n, tags] of images [n, 3, side, side] from -1 to 1."""
        logits: Tensor = self.tags(self.embed(images))
        return logits
