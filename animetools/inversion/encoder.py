"""The network that guesses the latents of a picture."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from animetools.networks.config import Count, GeneratorConfig, Side, Size

LARGEST = 64  # pixels a side that an encoder sees of a picture
CHANNELS = 32, 64, 96, 112  # after each halving
SMALLEST = 4  # pixels a side after the last


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder without its numbers: what it sees (`height` x `width`), and what it gives.

    `channels` are those after each halving. The rows of w differ from each other in so many
    `directions` only.
    """

    image_channels: Size
    height: Side
    width: Side
    rows: Size
    w_dim: Size
    channels: tuple[Size, ...]
    hidden: Size = 384
    directions: Count = 64


def config_for(generator: GeneratorConfig, rows: int) -> EncoderConfig:
    """The encoder for pictures of a generator that takes so many rows of w."""
    height, width = generator.image_size
    while max(height, width) > LARGEST:
        height, width = height // 2, width // 2
    halvings = max(1, (min(height, width) // SMALLEST).bit_length() - 1)
    return EncoderConfig(
        generator.image_channels,
        height,
        width,
        rows,
        generator.mapping.w_dim,
        CHANNELS[:halvings],
    )


class Block(nn.Module):
    """Halves the sides of a picture, then adds to it what two convolutions find."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.halve = nn.Conv2d(before, after, 3, stride=2, padding=1)
        self.first = nn.Conv2d(after, after, 3, padding=1)
        self.second = nn.Conv2d(after, after, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x [n, before, H, W] to [n, after, H / 2, W / 2]."""
        x = functional.relu(self.halve(x))
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class Encoder(nn.Module):
    """Pictures to rows of w: one w for all rows, and what each row has of its own.

    Both are counted from `mean` [w_dim], in units of `deviation` [].
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.image_channels, *config.channels
        self.blocks = nn.Sequential(*map(Block, channels, channels[1:]))
        narrow = max(channels[-1] // 2, 1)
        self.narrow = nn.Conv2d(channels[-1], narrow, 1)
        height, width = config.height, config.width
        for _ in config.channels:
            height, width = (height + 1) // 2, (width + 1) // 2
        self.hidden = nn.Linear(narrow * height * width, config.hidden)
        self.w = nn.Linear(config.hidden, config.w_dim)
        self.shares = nn.Linear(config.hidden, config.rows * config.directions)
        self.basis = nn.Linear(config.directions, config.w_dim, bias=False)
        self.register_buffer("mean", torch.zeros(config.w_dim))
        self.register_buffer("deviation", torch.ones(()))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [n, C, H, W], -1..1, to the w [n, w_dim] and each row's own [n, rows, w_dim].

        The sides of images are those that the encoder sees, or twice, four times ... as long.
        """
        config = self.config
        times = images.shape[2] // config.height
        x = functional.avg_pool2d(images, times) if times > 1 else images
        x = functional.relu(self.narrow(self.blocks(x))).flatten(1)
        x = functional.relu(self.hidden(x))
        own: Tensor = self.basis(self.shares(x).reshape(len(x), config.rows, config.directions))
        return self.w(x), own

    def ws(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [n, C, H, W] to the w [n, w_dim], and all rows of w [n, rows, w_dim]."""
        w, own = self(images)
        w = self.mean + w * self.deviation
        return w, w[:, None] + own * self.deviation
