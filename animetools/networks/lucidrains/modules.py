"""lucidrains' StyleGAN 2: the package stylegan2_pytorch, whose layers differ from the paper's.

Weights are not equalized, one w serves all layers of a resolution, all of them see one noise image,
sizes change by bilinear interpolation, and blocks may have attention. Its images are from 0 to 1.

Karras et al. 2019, "Analyzing and Improving the Image Quality of StyleGAN" (arXiv:1912.04958).
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from animetools.networks import discriminator, generator, ops
from animetools.networks.activation import SLOPES, scaled
from animetools.networks.convolution import Steps, convolve
from animetools.networks.generator import Noise, check_rows, noises_of
from animetools.networks.layers import Conv, Dense, Mapping, normal
from animetools.networks.lucidrains.attention import BENT, LINEAR, Attention
from animetools.networks.lucidrains.config import (
    LucidrainsDiscriminatorConfig,
    LucidrainsGeneratorConfig,
)

HALVES = math.sqrt(0.5)  # a sum of two branches keeps its variance


class Generator(generator.Generator):
    """From z to images."""

    config: LucidrainsGeneratorConfig
    synthesis: "Synthesis"

    def __init__(self, config: LucidrainsGeneratorConfig) -> None:
        rows = len(config.channels)
        mapping = StyleNetwork(config.mapping, rows, BENT)
        super().__init__(config, mapping, Synthesis(config), truncated=rows)

    @property
    def row_sizes(self) -> list[int]:
        """As of all families; one row is for a whole resolution."""
        return [4 << row for row in range(self.num_ws)]


class StyleNetwork(Mapping):
    """A mapping of the unit vector in the direction of z."""

    def forward(
        self, z: Tensor | None, c: Tensor | None = None, blur: Tensor | None = None
    ) -> Tensor:
        """As of `Mapping`, whose own normalization is to a mean square of 1."""
        return super().forward(None if z is None else functional.normalize(z), c, blur)


class Synthesis(nn.Module):
    """From rows of w, one a resolution, to images."""

    def __init__(self, config: LucidrainsGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        for i in range(len(config.channels)):
            self.add_module(f"b{4 << i}", SynthesisBlock(config, i))

    @property
    def blocks(self) -> list["SynthesisBlock"]:
        """From the lowest resolution upwards."""
        return [getattr(self, f"b{4 << i}") for i in range(len(self.config.channels))]

    @property
    def noise_consts(self) -> list[Tensor]:
        """The stored noise [H, W] of each resolution, from the lowest upwards."""
        return [block.noise_const for block in self.blocks]

    def forward(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """ws [n, num_ws, w_dim] to images [n, C, H, W], float32 at least, not clipped.

        noise is "const", "random" (torch's generator draws), "none", or a tensor [n or 1, 1, H, W]
        for each of `noise_shapes`, of normal numbers as for every family.
        Raises ValueError if a shape is wrong.
        """
        blocks = self.blocks
        check_rows(ws, len(blocks), self.config.mapping.w_dim)
        noises = noises_of(noise, self.noise_consts, ws.shape[0])
        x = blocks[0].start(ws)
        image: Tensor | None = None
        for block in blocks:
            x = block(x, ws, noises)
            rgb = block.rgb(x, ws)
            image = rgb if image is None else self.upsampled(image) + rgb
        assert image is not None
        return image

    def upsampled(self, image: Tensor) -> Tensor:
        """Twice as high and wide, as each resolution adds its colors to those below."""
        image = enlarged(image)
        return blurred(image) if self.config.blur else image


class SynthesisBlock(nn.Module):
    """The layers of one resolution, and its way to colors."""

    def __init__(self, config: LucidrainsGeneratorConfig, i: int) -> None:
        super().__init__()
        self.place, side = i, 4 << i
        below, channels = config.channels[max(i - 1, 0)], config.channels[i]
        w_dim = config.mapping.w_dim
        if i == 0 and config.constant:
            self.const = nn.Parameter(normal(channels, side, side))
        elif i == 0:
            self.dense = nn.Parameter(normal(w_dim, channels, side, side, deviation=w_dim**-0.5))
        if i == 0:
            self.first = Conv(channels, channels, 3, LINEAR)
        self.attention = Attention(below) if i in config.attention else None
        self.conv0 = Layer(w_dim, below, channels)
        self.conv1 = Layer(w_dim, channels, channels)
        self.torgb = ToRGB(w_dim, channels, config.image_channels)
        self.noise_const: Tensor
        self.register_buffer("noise_const", normal(side, side))

    def start(self, ws: Tensor) -> Tensor:
        """What the lowest block begins with, [n, C, 4, 4]."""
        if hasattr(self, "const"):
            x: Tensor = self.const.expand(ws.shape[0], -1, -1, -1)
        else:
            x = (ws.mean(1) @ self.dense.flatten(1)).view(-1, *self.dense.shape[1:])
        x = self.first(x)
        return x

    def forward(self, x: Tensor, ws: Tensor, noises: Sequence[Tensor | None]) -> Tensor:
        w, noise = ws[:, self.place], noises[self.place]
        if self.attention is not None:
            x = self.attention(x)
        if self.place > 0:
            x = enlarged(x)
        x = self.conv1(self.conv0(x, w, noise), w, noise)
        return x

    def rgb(self, x: Tensor, ws: Tensor) -> Tensor:
        """The block's colors, float32 at least; all blocks together are from -1 to 1."""
        colors = 2 * ops.in_float32(self.torgb(x, ws[:, self.place]))
        return colors - 1 if self.place == 0 else colors


class Layer(nn.Module):
    """A modulated 3x3 convolution, noise with a strength and a bias for each channel, activation."""

    def __init__(self, w_dim: int, inputs: int, outputs: int) -> None:
        super().__init__()
        deviation = math.sqrt(2 / (9 * inputs))
        self.weight = nn.Parameter(normal(outputs, inputs, 3, 3, deviation=deviation))
        self.affine = Dense(w_dim, inputs, LINEAR)
        self.noise_strength = nn.Parameter(torch.zeros(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        style: Tensor = self.affine(w) + 1
        x = ops.conv(scaled(x, style), self.weight)
        power = ops.in_float32(style).square() @ self.weight.float().square().sum((2, 3)).T
        x = scaled(x, (power + 1e-8).rsqrt())
        shift = uniform(noise) * self.noise_strength.view(-1, 1, 1) + self.bias.view(-1, 1, 1)
        return functional.leaky_relu(x + shift.to(x.dtype), SLOPES["lrelu"])


class ToRGB(nn.Module):
    """A modulated 1x1 convolution, not demodulated."""

    def __init__(self, w_dim: int, inputs: int, colors: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(colors, inputs, 1, 1, deviation=math.sqrt(2 / inputs)))
        self.affine = Dense(w_dim, inputs, LINEAR)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return ops.conv(scaled(x, self.affine(w) + 1), self.weight)


class Discriminator(discriminator.AnyDiscriminator):
    """From images to scores."""

    config: LucidrainsDiscriminatorConfig

    def __init__(self, config: LucidrainsDiscriminatorConfig) -> None:
        super().__init__(config)
        for i in range(len(config.channels)):
            self.add_module(f"b{2 << i}", DiscriminatorBlock(config, i))
        channels = config.channels[0]
        self.conv = Conv(channels, channels, 3, LINEAR)
        self.out = Dense(4 * channels, 1, LINEAR)

    def block_outputs(self, images: Tensor) -> Iterator[Tensor]:
        """The outputs of the blocks, from the highest resolution downwards."""
        x = (images + 1) / 2
        for i in reversed(range(len(self.config.channels))):
            x = getattr(self, f"b{2 << i}")(x)
            yield x

    def score(self, features: Tensor, c: Tensor | None = None) -> Tensor:
        """The scores [n] of features [n, C, 2, 2]: higher is more real, as for all families.

        The network itself learns with the hinge loss that real images get low numbers.
        """
        outputs: Tensor = self.out(self.conv(features).flatten(1))
        return -outputs[:, 0]


class DiscriminatorBlock(nn.Module):
    """The layers of one resolution, and the step to the one below; the lowest keeps its size."""

    def __init__(self, config: LucidrainsDiscriminatorConfig, i: int) -> None:
        super().__init__()
        is_first = i == len(config.channels) - 1
        inputs = config.image_channels if is_first else config.channels[i + 1]
        channels, self.blur = config.channels[i], config.blur
        self.conv0 = Conv(inputs, channels, 3, BENT)
        self.conv1 = Conv(channels, channels, 3, BENT)
        self.skip = Conv(inputs, channels, 1, LINEAR)
        self.down = Conv(channels, channels, 3, LINEAR) if i > 0 else None
        self.attention = Attention(channels) if i in config.attention else None
        self.codebook = Codebook(channels, config.codes) if i in config.quantized else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv1(self.conv0(x))
        if self.down is not None:
            y = blurred(y) if self.blur else y
            y = convolve(y, self.down.weight.to(y.dtype), Steps(stride=2, padding=1))
            y = self.down.scheme.activate(y, self.down.bias)
            x = x[:, :, ::2, ::2]
        x = (y + self.skip(x)) * HALVES
        if self.attention is not None:
            x = self.attention(x)
        if self.codebook is not None:
            x = self.codebook(x)
        return x


class Codebook(nn.Module):
    """The nearest of some vectors in place of each pixel's.

    Source: van den Oord et al. 2017 (VQ-VAE), section 3.1; gradients pass straight through.
    """

    def __init__(self, channels: int, codes: int) -> None:
        super().__init__()
        self.vectors: Tensor
        self.register_buffer("vectors", normal(channels, codes))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)
        vectors = self.vectors.to(x.dtype)
        distances = vectors.square().sum(0) - 2 * pixels @ vectors
        found = vectors.T[distances.argmin(3)].permute(0, 3, 1, 2)
        return x + (found - x).detach()


def uniform(noise: Tensor | None) -> Tensor | float:
    """Normal numbers as the network takes noise, uniform in 0..1; the mean in place of none."""
    return 0.5 if noise is None else 0.5 + 0.5 * torch.erf(noise / math.sqrt(2))


def enlarged(x: Tensor) -> Tensor:
    """[n, C, H, W] to [n, C, 2H, 2W] by bilinear interpolation."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def blurred(x: Tensor) -> Tensor:
    """Each channel of x [n, C, H, W] through a filter of 1, 2, 1, mirrored at its borders."""
    taps = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    return ops.blur(functional.pad(x, (1, 1, 1, 1), mode="reflect"), torch.outer(taps, taps), 0)
