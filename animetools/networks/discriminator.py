"""What the discriminators of all families have in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from animetools.networks import ops
from animetools.networks.config import Architecture, DiscriminatorConfig
from animetools.networks.layers import Conv, Dense, Mapping, Scheme, check_width


class Block(nn.Module):
    """The layers of one resolution. A block that takes images has a `fromrgb`."""

    channels: int
    fromrgb: Conv


class Head(Block):
    """A discriminator's last part, from [n, channels, *base] to [n, outputs].

    Source: Karras et al. 2018 (Progressive GAN), section 3 and table 2.
    """

    def __init__(self, config: DiscriminatorConfig, outputs: int, scheme: Scheme) -> None:
        super().__init__()
        self.channels, self.features = config.channels[0], config.mbstd_features
        pixels = config.base[0] * config.base[1]
        self.conv = Conv(self.channels + self.features, self.channels, 3, scheme)
        self.fc = Dense(self.channels * pixels, config.dense, replace(scheme, clamp=None))
        self.out = Dense(config.dense, outputs, Scheme(equalized=scheme.equalized))

    def forward(self, x: Tensor, group: int | None) -> Tensor:
        x = self.out(self.hidden(x, group))
        return x

    def hidden(self, x: Tensor, group: int | None) -> Tensor:
        """What the outputs are computed from, [n, dense]."""
        if self.features:
            x = ops.minibatch_deviation(x, group, self.features)
        x = self.fc(self.conv(x).flatten(1))
        return x


class AnyDiscriminator(nn.Module, ABC):
    """Any discriminator: from images, and labels, to scores.

    `mbstd_group` is how many images the minibatch deviation compares (None: all of them); 1 scores
    every image as if it were alone.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.mbstd_group: int | None = config.mbstd_group

    @property
    def c_dim(self) -> int:
        """How wide the labels are that a score depends on; 0 if it depends on none."""
        return 0

    @property
    def skipped(self) -> int:
        """Blocks that are still to grow, from the image side."""
        return 0

    def forward(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        """images [n, C, H, W] in -1..1, labels [n, c_dim] (None: zeros) to scores [n].

        Raises ValueError if a shape is wrong, or the batch not a multiple of the minibatch group.
        """
        return self.score(self.features(images), c)

    def features(self, images: Tensor) -> Tensor:
        """images [n, C, H, W] to the head's input [n, C, *base]; each image independent of the others.

        Where it grows they may also be as large as it has grown.
        Raises ValueError for images of another shape.
        """
        channels, (height, width) = self.config.image_channels, self.config.image_size
        sizes = [[channels, height >> halved, width >> halved] for halved in (0, self.skipped)]
        if images.dim() != 4 or list(images.shape[1:]) not in sizes:
            raise ValueError(
                f"images of shape {list(images.shape)}: the network takes [n, *{sizes[0]}]"
            )
        for x in self.block_outputs(images):
            last = x
        return last

    @abstractmethod
    def block_outputs(self, images: Tensor) -> Iterator[Tensor]:
        """Features [n, C, H, W] at every size, from the highest downwards; the head takes the last."""

    @abstractmethod
    def score(self, features: Tensor, c: Tensor | None = None) -> Tensor:
        """The scores [n] of features [n, C, *base], which the minibatch deviation compares."""


class Discriminator(AnyDiscriminator):
    """A discriminator of NVIDIA's StyleGANs.

    `upper` are the blocks above the head, from the highest resolution downwards. Labels select one of
    the outputs, of which there are `classes`, or their `mapping` is multiplied with the outputs.
    `precision` is that of the upper blocks in training; None is that of the weights.
    """

    def __init__(
        self,
        config: DiscriminatorConfig,
        upper: Sequence[Block],
        scheme: Scheme,
        architecture: Architecture,
        classes: int,
        mapping: Mapping | None = None,
    ) -> None:
        super().__init__(config)
        self.precision: torch.dtype | None = None
        for i, block in enumerate(upper):
            self.add_module(f"b{4 << len(upper) - i}", block)
        self.classes, self.mapping = classes, mapping
        outputs = mapping.config.w_dim if mapping else max(classes, 1)
        self.b4 = Head(config, outputs, scheme)
        for block in self.blocks if architecture in ("skip", "progressive") else self.blocks[:1]:
            block.fromrgb = Conv(config.image_channels, block.channels, 1, scheme)
        self.grows = architecture == "progressive"
        if self.grows:
            self.lod: Tensor
            self.register_buffer("lod", torch.zeros(()))

    @property
    def blocks(self) -> list[Block]:
        """From the highest resolution downwards; the last is the head."""
        return [getattr(self, f"b{4 << i}") for i in reversed(range(len(self.config.channels)))]

    @property
    def c_dim(self) -> int:
        """How wide the labels are that a score depends on; 0 if it depends on none."""
        return self.mapping.config.c_dim if self.mapping else self.classes

    @property
    def skipped(self) -> int:
        """Blocks that are still to grow, from the image side."""
        return max(0, min(int(self.lod), len(self.config.channels) - 1)) if self.grows else 0

    def features(self, images: Tensor) -> Tensor:
        """As of all discriminators, in float32 for the head where the blocks have a precision."""
        return ops.in_precision(super().features(images), self.precision, False)

    def in_precision(self, x: Tensor, i: int) -> Tensor:
        """x in the precision of block i, from the image side."""
        return ops.in_precision(
            x, self.precision, i < min(ops.HALVED, len(self.config.channels) - 1)
        )

    def block_outputs(self, images: Tensor) -> Iterator[Tensor]:
        """The colors' features [n, C, H, W], then each block's, which halves the size.

        Only the first has a fromRGB, or all have one, the head included (which is the last of the
        blocks and does not run here). Of those `lod` chooses: at 1.5 the first is skipped, and the
        second fades into the third.

        Source: Karras et al. 2018 (Progressive GAN), figure 2.
        """
        blocks, first = self.blocks, self.skipped
        lod = float(self.lod) if self.grows else 0.0
        larger = images.shape[2] // (self.config.image_size[0] >> first)
        if larger > 1:
            images = functional.avg_pool2d(images, larger)
        x: Tensor = blocks[first].fromrgb(self.in_precision(images, first))
        yield x
        for i, block in enumerate(blocks[first:-1], first):
            x = block(self.in_precision(x, i))
            if i < lod:
                x = x.lerp(blocks[i + 1].fromrgb(functional.avg_pool2d(images, 2)), lod - i)
            yield x

    def score(self, features: Tensor, c: Tensor | None = None) -> Tensor:
        """The scores [n] of features [n, C, *base], which the minibatch deviation compares."""
        return self.judge(self.b4(features, self.mbstd_group), c)

    def judge(self, outputs: Tensor, c: Tensor | None = None) -> Tensor:
        """The scores [n] of the head's outputs [n, outputs], each with its label."""
        if self.mapping is not None:
            mapped: Tensor = self.mapping(None, c)
            return (outputs * mapped).sum(1) / math.sqrt(outputs.shape[1])
        if self.classes == 0:
            return outputs[:, 0]
        if c is None:
            return torch.zeros_like(outputs[:, 0])
        return (outputs * check_width(c, self.classes, "labels")).sum(1)
