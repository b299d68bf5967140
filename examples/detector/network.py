"""The face detector: a convolutional network that marks the middles of faces.

Source: Zhou, Wang and Krähenbühl 2019, "Objects as Points" (arXiv:1904.07850): every cell of a grid says
whether it is the middle of a face, and if so how large the face is, and where its parts are. The grid is
one; it sees all scales through a pyramid (Lin et al. 2016, arXiv:1612.03144).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from animetools.tagging.network import Block
from examples.detector.people import LANDMARKS

STRIDE = 8  # pixels of a cell
COARSEST = 64  # pictures are a multiple of this wide and high
CHANNELS = (16, 32, 64, 80, 96, 96)  # of each halving
BLOCKS = (0, 0, 1, 2, 1, 1)  # residual ones after it
PYRAMID = 64
OUTPUTS = 4 + 2 * len(LANDMARKS)  # a logit; middle; size; landmarks
UNIT = 32.0  # pixels: the side of a face whose size is 0, the logarithm of its ratio to this


class Network(nn.Module):
    """Pictures [n, 3, H, W] from 0 to 255 to [n, OUTPUTS, H / STRIDE, W / STRIDE]."""

    def __init__(self) -> None:
        super().__init__()
        stages, inputs = [], (3, *CHANNELS)
        for before, after, blocks in zip(inputs, CHANNELS, BLOCKS, strict=False):
            halving = [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
            stages.append(nn.Sequential(*halving, *(Block(after) for _ in range(blocks))))
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(nn.Conv2d(c, PYRAMID, 1) for c in CHANNELS[2:])
        self.last = nn.Conv2d(PYRAMID, PYRAMID, 3, padding=1)
        self.out = nn.Conv2d(PYRAMID, OUTPUTS, 1)

    def forward(self, images: Tensor) -> Tensor:
        """images [n, 3, H, W], multiples of COARSEST, from 0 to 255."""
        x, levels = images / 127.5 - 1, []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        across = [layer(level) for layer, level in zip(self.lateral, levels[2:], strict=True)]
        top = across.pop()
        while across:
            top = across.pop() + functional.interpolate(top, scale_factor=2.0, mode="nearest")
        found: Tensor = self.out(functional.relu(self.last(functional.relu(top))))
        return found

    def init_rare(self) -> None:
        """Start with few faces: without this the first steps only learn that they are rare."""
        assert self.out.bias is not None
        with torch.no_grad():
            self.out.bias[0] = -4.0
