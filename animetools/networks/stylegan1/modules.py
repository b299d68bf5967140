"""StyleGAN 1, and StyleGAN 2's config A.

Karras et al. 2018, "A Style-Based Generator Architecture for Generative Adversarial Networks"
(arXiv:1812.04948).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from animetools.networks import discriminator, generator, ops
from animetools.networks.config import Architecture
from animetools.networks.discriminator import Block
from animetools.networks.generator import Noise, check_rows, noises_of
from animetools.networks.layers import (
    Conv,
    Dense,
    Mapping,
    Scheme,
    normal,
)
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)

GAIN = math.sqrt(2)  # of every weight before an activation
MEAN = (1.0, 1.0)  # every change of size is by pixels repeated or averaged


class Generator(generator.Generator):
    """From z and labels to images."""

    config: StyleGAN1GeneratorConfig
    synthesis: "Synthesis"

    def __init__(self, config: StyleGAN1GeneratorConfig) -> None:
        rows = 2 * len(config.channels) if config.styles else 1
        scheme = Scheme(config.mapping.activation, GAIN, equalized=config.wscale)
        super().__init__(
            config, Mapping(config.mapping, rows, scheme), Synthesis(config), truncated=0
        )


class Synthesis(nn.Module):
    """From rows of w to images."""

    def __init__(self, config: StyleGAN1GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        for i in range(len(config.channels)):
            self.add_module(f"b{4 << i}", SynthesisBlock(config, i))
        if config.progressive:
            self.lod: Tensor
            self.register_buffer("lod", torch.zeros(()))

    @property
    def blocks(self) -> list["SynthesisBlock"]:
        """From the lowest resolution upwards."""
        return [getattr(self, f"b{4 << i}") for i in range(len(self.config.channels))]

    @property
    def noise_consts(self) -> list[Tensor]:
        """The stored noise [H, W] of each layer, from the lowest upwards."""
        if not self.config.noise:
            return []
        return [layer.noise_const for block in self.blocks for layer in (block.conv0, block.conv1)]

    def forward(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """ws [n, num_ws, w_dim] to images [n, C, H, W], float32 at least, not clipped.

        noise is "const", "random" (torch's generator draws), "none", or a tensor [n or 1, 1, H, W]
        for each of `noise_shapes`.
        Raises ValueError if a shape is wrong.
        """
        images = self.grown(ws, noise)
        return ops.enlarge(images, self.blocks[-1].size[0] // images.shape[2])

    def grown(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """The images as large as they have grown: of half the size at a `lod` of 1 to 2, and so on."""
        config, blocks = self.config, self.blocks
        check_rows(ws, 2 * len(blocks) if config.styles else 1, config.mapping.w_dim)
        noises = noises_of(noise, self.noise_consts, ws.shape[0]) or [None] * 2 * len(blocks)
        lod = float(self.lod) if config.progressive else 0.0
        x = blocks[0].start(ws[:, 0])
        image: Tensor | None = None
        for i, block in enumerate(blocks):
            left = len(blocks) - 1 - i  # how often the image will be doubled still
            styles = ws[:, 2 * i : 2 * i + 2] if config.styles else ws
            x = block(x, styles, noises[2 * i : 2 * i + 2])
            if lod - left > -1:
                image = ops.fade(image, ops.in_float32(block.torgb(x)), lod - left)
            if left <= lod:
                break
        assert image is not None
        return image


class SynthesisBlock(nn.Module):
    """The two layers of one resolution, and its way to colors."""

    def __init__(self, config: StyleGAN1GeneratorConfig, i: int) -> None:
        super().__init__()
        channels, below = config.channels[i], config.channels[max(i - 1, 0)]
        self.size = (config.base[0] << i, config.base[1] << i)
        if i == 0 and config.constant:
            self.const = nn.Parameter(torch.ones(channels, *self.size))
        elif i == 0:
            scheme = Scheme(weight_gain=GAIN / 4, equalized=config.wscale)
            pixels = self.size[0] * self.size[1]
            self.dense = Dense(config.mapping.w_dim, channels * pixels, scheme, bias=None)
        self.conv0 = Layer(config, below if i else None, channels, self.size, up=True)
        self.conv1 = Layer(config, channels, channels, self.size)
        if config.progressive or i == len(config.channels) - 1:
            linear = Scheme(equalized=config.wscale)
            self.torgb = Conv(channels, config.image_channels, 1, linear)

    def start(self, w: Tensor) -> Tensor:
        """What the lowest block begins with, [n, C, *base]."""
        if hasattr(self, "const"):
            return self.const.expand(w.shape[0], -1, -1, -1)
        x: Tensor = self.dense(w)
        return x.view(w.shape[0], -1, *self.size)

    def forward(self, x: Tensor, ws: Tensor, noises: Sequence[Tensor | None]) -> Tensor:
        x = self.conv0(x, ws[:, 0], noises[0])
        x = self.conv1(x, ws[:, -1], noises[1])
        return x


class Layer(nn.Module):
    """A 3x3 convolution (none where there are no inputs), noise, bias, activation and style."""

    def __init__(
        self,
        config: StyleGAN1GeneratorConfig,
        inputs: int | None,
        outputs: int,
        size: tuple[int, int],
        *,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.config = config
        self.scheme = Scheme(config.activation, GAIN, equalized=config.wscale)
        self.fused = max(size) >= config.fused_from
        self.weight: Tensor | None = None
        if inputs is not None:
            deviation, self.scale = self.scheme.scales(inputs * 9)
            self.weight = nn.Parameter(normal(outputs, inputs, 3, 3, deviation=deviation))
        self.bias = nn.Parameter(torch.zeros(outputs))
        if config.noise:
            self.noise_strength = nn.Parameter(torch.zeros(outputs))
            self.noise_const: Tensor
            self.register_buffer("noise_const", normal(*size))
        if config.styles:
            linear = Scheme(equalized=config.wscale)
            self.affine = Dense(config.mapping.w_dim, 2 * outputs, linear)
        self.up: Tensor | None
        self.register_buffer("up", ops.resampling(MEAN) if up else None, persistent=False)
        blur = up and config.kernel
        self.blur: Tensor | None
        self.register_buffer(
            "blur", ops.low_pass(config.kernel) if blur else None, persistent=False
        )

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        if self.weight is not None:
            x = self._conv(x, self.weight * self.scale)
        if noise is not None:
            x = x + noise * self.noise_strength.view(-1, 1, 1)
        x = self.scheme.activate(x, self.bias)
        if self.config.pixel_norm:
            x = ops.normalize(x)
        if self.config.instance_norm:
            x = ops.normalize_instances(x)
        if not self.config.styles:
            return x
        style: Tensor = self.affine(w)
        scale, shift = style[:, :, None, None].chunk(2, 1)
        return x * (scale + 1) + shift

    def _conv(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.up is None:
            return ops.conv(x, weight)
        # What was trained fused had its kernels turned by 180 degrees with respect to the rest.
        x = ops.conv_up(x, weight if self.fused else weight.flip(2, 3), self.up)
        return x if self.blur is None else ops.blur(x, self.blur, "same")


class Discriminator(discriminator.Discriminator):
    """From images, and labels, to scores."""

    config: StyleGAN1DiscriminatorConfig

    def __init__(self, config: StyleGAN1DiscriminatorConfig) -> None:
        scheme = Scheme(config.activation, GAIN, equalized=config.wscale)
        upper = [
            DiscriminatorBlock(config, i, scheme) for i in range(len(config.channels) - 1, 0, -1)
        ]
        architecture: Architecture = "progressive" if config.progressive else "orig"
        super().__init__(config, upper, scheme, architecture, config.c_dim)


class DiscriminatorBlock(Block):
    """The layers of one resolution, and the step to the one below."""

    def __init__(self, config: StyleGAN1DiscriminatorConfig, i: int, scheme: Scheme) -> None:
        super().__init__()
        self.channels = config.channels[i]
        self.conv0 = Conv(self.channels, self.channels, 3, scheme)
        self.conv1 = Conv(self.channels, config.channels[i - 1], 3, scheme, down=MEAN)
        self.blur: Tensor | None
        blur = ops.low_pass(config.kernel) if config.kernel else None
        self.register_buffer("blur", blur, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv0(x)
        if self.blur is not None:
            x = ops.blur(x, self.blur, "same")
        x = self.conv1(x)
        return x
