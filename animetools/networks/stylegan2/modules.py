"""StyleGAN 2: configs B to F, StyleGAN2-ADA and StyleGAN2-ext.

Karras et al. 2019, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958);
Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data" (arXiv:2006.06676).
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from animetools.networks import discriminator, generator, ops
from animetools.networks.discriminator import Block
from animetools.networks.generator import Noise, check_rows, noises_of
from animetools.networks.layers import (
    Conv,
    Dense,
    Mapping,
    Scheme,
    normal,
)
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

GAIN = math.sqrt(2)  # of every activation
HALVES = math.sqrt(0.5)  # a sum of two branches keeps its variance


class Generator(generator.Generator):
    """From z and labels to images."""

    config: StyleGAN2GeneratorConfig
    synthesis: "Synthesis"

    def __init__(self, config: StyleGAN2GeneratorConfig) -> None:
        scheme = Scheme(config.mapping.activation, output_gain=GAIN)
        mapping = Mapping(config.mapping, 2 * len(config.channels), scheme)
        super().__init__(config, mapping, Synthesis(config), truncated=2 * len(config.channels))


class Synthesis(nn.Module):
    """From rows of w to images."""

    def __init__(self, config: StyleGAN2GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.precision: torch.dtype | None = None  # of the upper blocks, while it is trained
        for i in range(len(config.channels)):
            self.add_module(f"b{4 << i}", SynthesisBlock(config, i))
        self.up: Tensor
        self.register_buffer("up", ops.resampling(config.kernel), persistent=False)
        if config.architecture == "progressive":
            self.lod: Tensor
            self.register_buffer("lod", torch.zeros(()))

    @property
    def blocks(self) -> list["SynthesisBlock"]:
        """From the lowest resolution upwards."""
        return [getattr(self, f"b{4 << i}") for i in range(len(self.config.channels))]

    @property
    def noise_consts(self) -> list[Tensor]:
        """The stored noise [H, W] of each layer, from the lowest upwards."""
        return [layer.noise_const for block in self.blocks for layer in block.layers]

    def forward(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """ws [n, num_ws, w_dim] to images [n, C, H, W], float32 at least, not clipped.

        noise is "const", "random" (torch's generator draws), "none", or a tensor [n or 1, 1, H, W]
        for each of `noise_shapes`.
        Raises ValueError if a shape is wrong.
        """
        blocks = self.blocks
        check_rows(ws, 2 * len(blocks), self.config.mapping.w_dim)
        noises = noises_of(noise, self.noise_consts, ws.shape[0])
        lod = float(self.lod) if self.config.architecture == "progressive" else 0.0
        x = self.blocks[0].const.expand(ws.shape[0], -1, -1, -1)
        image: Tensor | None = None
        for i, block in enumerate(blocks):
            left = len(blocks) - 1 - i  # how often the image will be doubled still
            x = block(ops.in_precision(x, self.precision, i > 0 and left < ops.HALVED), ws, noises)
            if self.config.architecture == "skip":
                rgb = block.rgb(x, ws)
                image = rgb if image is None else self.upsampled(image) + rgb
            elif lod - left > -1:
                image = ops.fade(image, block.rgb(x, ws), lod - left)
            if left <= lod:
                break
        assert image is not None
        return ops.enlarge(image, 2**left)

    def upsampled(self, image: Tensor) -> Tensor:
        """Twice as high and wide, as each block of a network of skips adds its colors to those below."""
        return ops.upsample(image, self.up.to(image))


class SynthesisBlock(nn.Module):
    """The layers of one resolution, and its way to colors."""

    def __init__(self, config: StyleGAN2GeneratorConfig, i: int) -> None:
        super().__init__()
        channels, size = config.channels[i], (config.base[0] << i, config.base[1] << i)
        self.first = max(2 * i - 1, 0)  # its first layer: row of w, and noise input
        self.resnet = config.architecture == "resnet" and i > 0
        if i == 0:
            self.const = nn.Parameter(normal(channels, *size))
        else:
            self.conv0 = Layer(config, config.channels[i - 1], channels, size, up=True)
        self.conv1 = Layer(config, channels, channels, size)
        if self.resnet:
            self.skip = Conv(config.channels[i - 1], channels, 1, bias=False)
        if config.architecture in ("skip", "progressive") or i == len(config.channels) - 1:
            self.torgb = ToRGB(config, channels)

    @property
    def layers(self) -> list["Layer"]:
        """In the order in which they run."""
        return [self.conv1] if self.first == 0 else [self.conv0, self.conv1]

    def forward(self, x: Tensor, ws: Tensor, noises: Sequence[Tensor | None]) -> Tensor:
        before = x
        for i, layer in enumerate(self.layers, self.first):
            x = layer(x, ws[:, i], noises[i])
        if self.resnet:
            x = (x + ops.upsample(self.skip(before), self.conv0.up)) * HALVES
        return x

    def rgb(self, x: Tensor, ws: Tensor) -> Tensor:
        """The block's colors, float32 at least."""
        return ops.in_float32(self.torgb(x, ws[:, self.first + len(self.layers)]))


class Layer(nn.Module):
    """A modulated 3x3 convolution, noise, bias and activation."""

    def __init__(
        self,
        config: StyleGAN2GeneratorConfig,
        inputs: int,
        outputs: int,
        size: tuple[int, int],
        *,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.scheme = Scheme(config.activation, output_gain=GAIN, clamp=config.clamp)
        self.weight = nn.Parameter(normal(outputs, inputs, 3, 3))
        self.affine = Dense(config.mapping.w_dim, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.noise_const: Tensor
        self.register_buffer("noise_const", normal(*size))
        self.up: Tensor
        self.register_buffer("up", ops.resampling(config.kernel) if up else None, persistent=False)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x, scale = ops.modulated_conv(x, self.weight, self.affine(w), up=self.up)
        shift = None if noise is None else noise * self.noise_strength
        return self.scheme.activate(x, self.bias, scale, shift)


class ToRGB(nn.Module):
    """A modulated 1x1 convolution, not demodulated, and bias."""

    def __init__(self, config: StyleGAN2GeneratorConfig, inputs: int) -> None:
        super().__init__()
        self.scheme = Scheme(clamp=config.clamp)
        self.weight = nn.Parameter(normal(config.image_channels, inputs, 1, 1))
        self.affine = Dense(config.mapping.w_dim, inputs, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(config.image_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x, _ = ops.modulated_conv(x, self.weight, self.affine(w), demodulate=False)
        return self.scheme.activate(x, self.bias)


class Discriminator(discriminator.Discriminator):
    """From images, and labels, to scores."""

    config: StyleGAN2DiscriminatorConfig

    def __init__(self, config: StyleGAN2DiscriminatorConfig) -> None:
        scheme = Scheme(config.activation, output_gain=GAIN, clamp=config.clamp)
        upper = [
            DiscriminatorBlock(config, i, scheme) for i in range(len(config.channels) - 1, 0, -1)
        ]
        mapping = None
        if config.labels == "projection" and config.c_dim:
            assert config.mapping is not None
            bent = Scheme(config.mapping.activation, output_gain=GAIN)
            mapping = Mapping(config.mapping, None, bent)
        classes = config.c_dim if config.labels == "output" else 0
        super().__init__(config, upper, scheme, config.architecture, classes, mapping)
        self.down: Tensor
        self.register_buffer("down", ops.resampling(config.kernel), persistent=False)

    def block_outputs(self, images: Tensor) -> Iterator[Tensor]:
        """The outputs of the blocks; in a network of skips each takes in the images at its own size."""
        if self.config.architecture != "skip":
            yield from super().block_outputs(images)
            return
        x: Tensor = self.blocks[0].fromrgb(self.in_precision(images, 0))
        yield x
        for i, (block, below) in enumerate(pairwise(self.blocks)):
            images = ops.downsample(images, self.down)
            x = block(self.in_precision(x, i)) + below.fromrgb(self.in_precision(images, i))
            yield x


class DiscriminatorBlock(Block):
    """The layers of one resolution, and the step to the one below."""

    def __init__(self, config: StyleGAN2DiscriminatorConfig, i: int, scheme: Scheme) -> None:
        super().__init__()
        self.channels, below = config.channels[i], config.channels[i - 1]
        self.resnet = config.architecture == "resnet"
        self.conv0 = Conv(self.channels, self.channels, 3, scheme)
        self.conv1 = Conv(self.channels, below, 3, scheme, down=config.kernel)
        if self.resnet:
            self.skip = Conv(self.channels, below, 1, bias=False, down=config.kernel)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv1(self.conv0(x))
        return (y + self.skip(x)) * HALVES if self.resnet else y
