"""StyleGAN 3, configs T and R.

Karras et al. 2021, "Alias-Free Generative Adversarial Networks" (arXiv:2106.12423). An image is a
plane of waves that every layer treats alike wherever they are: what moves or turns the waves of
the input moves or turns the image.
"""

import math
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from animetools.networks import generator, ops
from animetools.networks.activation import SLOPES, activate, scaled
from animetools.networks.generator import Noise, check_rows, noises_of
from animetools.networks.layers import Dense, Mapping, Scheme, normal
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from animetools.networks.stylegan3.filters import low_pass

GAIN = math.sqrt(2)  # of every activation
SLOPE = SLOPES["lrelu"]


class Generator(generator.Generator):
    """From z and labels to images."""

    moves = True
    config: StyleGAN3GeneratorConfig
    synthesis: "Synthesis"

    def __init__(self, config: StyleGAN3GeneratorConfig) -> None:
        rows = len(config.layers) + 1
        scheme = Scheme(config.mapping.activation, output_gain=GAIN)
        mapping = Mapping(config.mapping, rows, scheme)
        super().__init__(config, mapping, Synthesis(config), truncated=rows)


class Synthesis(nn.Module):
    """From rows of w to images: the first row is the input's, and each layer has one."""

    noise_consts = ()

    def __init__(self, config: StyleGAN3GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.input = Input(config)
        for i, name in enumerate(layer_names(config)):
            self.add_module(name, Layer(config, i))

    @property
    def layers(self) -> list["Layer"]:
        """In the order in which they run; the last is the ToRGB."""
        return list(islice(self.children(), 1, None))  # type: ignore[arg-type]

    @property
    def exact(self) -> "Input":
        """What is in single precision even where the rest is not: half would move the image."""
        return self.input

    def forward(
        self, ws: Tensor, noise: Noise = "const", transform: Tensor | None = None
    ) -> Tensor:
        """ws [n, num_ws, w_dim] to images [n, C, H, W], float32 at least, not clipped.

        There is no noise: its word is accepted and changes nothing. `transform` [n or 1, 3, 3] is
        the inverse of what happens to the image (see `transform_of`); None is the stored one.
        Raises ValueError if a shape is wrong.
        """
        check_rows(ws, len(self.config.layers) + 1, self.config.mapping.w_dim)
        noises_of(noise, self.noise_consts, ws.shape[0])
        x = self.input(ws[:, 0], transform).to(ws)
        for layer, w in zip(self.layers, ws.unbind(1)[1:], strict=True):
            x = layer(x, w)
        return ops.in_float32(x) * self.config.output_scale


def layer_names(config: StyleGAN3GeneratorConfig) -> list[str]:
    """What the layers are called in files: number, side and channels of the output."""
    pairs = zip(config.layers, config.channels, strict=True)
    return [f"L{i}_{layer.size}_{count}" for i, (layer, count) in enumerate(pairs)]


class Input(nn.Module):
    """From w to the waves that the image is made of.

    Source: section 3.2 (Fourier features), appendix F.1 of the paper (transformed by w).
    """

    def __init__(self, config: StyleGAN3GeneratorConfig) -> None:
        super().__init__()
        self.size, self.rate, self.bandwidth = (
            config.input_size,
            config.input_rate,
            config.bandwidth,
        )
        channels = config.channels[0]
        self.weight = nn.Parameter(normal(channels, channels))
        self.affine = Dense(config.mapping.w_dim, 4)  # a turn and a translation
        with torch.no_grad():
            self.affine.weight.zero_()
            assert self.affine.bias is not None
            self.affine.bias[0] = 1.0
        self.transform: Tensor
        self.register_buffer("transform", torch.eye(3))
        self.freqs: Tensor
        drawn = normal(channels, 2)
        radius = drawn.norm(dim=1, keepdim=True)
        self.register_buffer(  # uniform in a disc
            "freqs", drawn / radius * (radius.square() / -4).exp() * self.bandwidth
        )
        self.phases: Tensor
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def forward(self, w: Tensor, transform: Tensor | None = None) -> Tensor:
        """w [n, w_dim] to features [n, C, size, size]."""
        user = self.transform if transform is None else transform.to(self.transform)
        freqs, phases, amplitudes = waves(self, self.affine(w.to(self.weight)), user)
        half = (self.size - 1) / 2
        places = (torch.arange(self.size, device=w.device, dtype=freqs.dtype) - half) / self.rate
        across = freqs[..., 0, None] * places + phases[..., None]
        down = freqs[..., 1, None] * places
        turns = across[..., None, :] + down[..., None]
        x = (turns * (2 * math.pi)).sin() * amplitudes[..., None, None]
        weight = self.weight / math.sqrt(len(self.weight))
        return functional.conv2d(x.to(weight), weight[..., None, None])


def waves(layer: Input, t: Tensor, transform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The input's waves for t [n, 4] and transform [n or 1, 3, 3] or [3, 3].

    Frequencies [n, C, 2] in cycles per width of the image, phases [n, C] in turns, amplitudes [n, C].
    """
    cos, sin, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    turn = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).view(-1, 3, 3)
    move = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], 1).view(-1, 3, 3)
    whole = turn @ move @ transform
    freqs = layer.freqs.to(t) @ whole[:, :2, :2]
    phases = layer.phases.to(t) + (layer.freqs.to(t) @ whole[:, :2, 2:])[..., 0]
    above = freqs.norm(dim=2) - layer.bandwidth
    return freqs, phases, (1 - above / (layer.rate / 2 - layer.bandwidth)).clamp(0, 1)


class Layer(nn.Module):
    """A modulated convolution, bias, and an activation at a higher sampling rate.

    Source: sections 3.1 and 3.2, appendix C of the paper.
    """

    def __init__(self, config: StyleGAN3GeneratorConfig, i: int) -> None:
        super().__init__()
        self.layer, self.clamp = config.layers[i], config.clamp
        self.is_to_rgb = i == len(config.layers) - 1
        self.padding, self.inner_size = config.padding(i), config.inner_size(i)
        self.kernel_size = config.kernel_size(i)
        inputs, _ = config.inputs(i)
        outputs = config.channels[i]
        self.weight = nn.Parameter(normal(outputs, inputs, self.kernel_size, self.kernel_size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.magnitude_ema: Tensor
        self.register_buffer("magnitude_ema", torch.ones(()))
        self.affine = Dense(config.mapping.w_dim, inputs, bias=1.0)
        before, rate = config.layers[max(i - 1, 0)], self.layer.rate * self.layer.down
        self.up_filter: Tensor | None
        self.register_buffer("up_filter", None)
        self.down_filter: Tensor | None
        self.register_buffer("down_filter", None)
        if (taps := self.layer.up_taps) > 1:
            made = low_pass(taps, before.cutoff, before.half_width, rate)
            self.up_filter = torch.tensor(made)
        if (taps := self.layer.down_taps) > 1:
            cutoff, half = self.layer.cutoff, self.layer.half_width
            self.down_filter = torch.tensor(
                low_pass(taps, cutoff, half, rate, radial=self.layer.radial)
            )

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [n, I, size, size], w [n, w_dim] to [n, O, size, size]."""
        style: Tensor = self.affine(w)
        gain = self.magnitude_ema.rsqrt()
        if self.is_to_rgb:
            style = style / math.sqrt(style.shape[1])
            x = functional.conv2d(scaled(x, style), self.weight.to(x.dtype))
            scale = gain.expand(x.shape[0], len(self.bias))
            return activate(x, self.bias, "linear", clamp=self.clamp, scale=scale)
        # Demodulation undoes these scales, which keep numbers in half precision finite.
        weight = self.weight * self.weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
        style = style * style.square().mean(1, keepdim=True).rsqrt()
        x = functional.conv2d(scaled(x, style), weight.to(x.dtype), padding=self.kernel_size - 1)
        power = style.square() @ weight.square().sum((2, 3)).T
        x = activate(x, self.bias, "linear", scale=(power + 1e-8).rsqrt() * gain)
        x = functional.leaky_relu(self._raised(x), SLOPE) * GAIN
        return self._lowered(x if self.clamp is None else x.clamp(-self.clamp, self.clamp))

    def _raised(self, x: Tensor) -> Tensor:
        """At the higher rate: samples spread among zeros, padded or cropped, and filtered."""
        before, after = self.padding
        if self.up_filter is not None:
            up, taps, channels = self.layer.up, len(self.up_filter), x.shape[1]
            kernel = (self.up_filter * up).to(x.dtype).expand(channels, 1, 1, taps)
            for side, stride in ((kernel, (1, up)), (kernel.transpose(2, 3), (up, 1))):
                x = functional.conv_transpose2d(x, side, stride=stride, groups=channels)
            before -= taps - 1
            after = self.inner_size - x.shape[3] - before
        return functional.pad(x, (before, after, before, after))

    def _lowered(self, x: Tensor) -> Tensor:
        """At the output's rate: filtered, then every down-th sample."""
        if self.down_filter is None:
            return x
        down, taps, channels = self.layer.down, len(self.down_filter), x.shape[1]
        kernel = self.down_filter.to(x.dtype)
        if kernel.dim() == 2:
            kernel = kernel.expand(channels, 1, taps, taps)
            return functional.conv2d(x, kernel, stride=down, groups=channels)
        kernel = kernel.expand(channels, 1, 1, taps)
        x = functional.conv2d(x, kernel, stride=(1, down), groups=channels)
        return functional.conv2d(x, kernel.transpose(2, 3), stride=(down, 1), groups=channels)
