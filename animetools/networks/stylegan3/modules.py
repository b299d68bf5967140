"""StyleGAN 3, configs T and R.

Karras et al. 2021, "Alias-Free Generative Adversarial Networks" (arXiv:2106.12423). An image is a
plane of waves that every layer treats alike wherever they are: what moves or turns the waves of
the input moves or turns the image.
"""

import math
from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from animetools.networks import generator, ops
from animetools.networks.activation import activate, scaled
from animetools.networks.convolution import Steps, convolve
from animetools.networks.generator import Noise, check_rows, noises_of
from animetools.networks.layers import Dense, Mapping, Scheme, normal
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from animetools.networks.stylegan3.filters import low_pass
from animetools.networks.stylegan3.nonlinearity import GAIN, filtered


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

    @property
    def row_sizes(self) -> list[int]:
        """As of all families: the sampling rates of the layers; the input is the first's."""
        rates = [layer.rate for layer in self.config.layers]
        return [rates[0], *rates]

    @property
    def row_names(self) -> list[str]:
        """The input, and the layers by their numbers: L0 has the second row of w."""
        return ["input", *(f"L{i}" for i in range(len(self.config.layers)))]


class Synthesis(nn.Module):
    """From rows of w to images: the first row is the input's, and each layer has one.

    `precision` is that of the layers at high rates in training; None is that of the weights.
    """

    noise_consts = ()

    def __init__(self, config: StyleGAN3GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.precision: torch.dtype | None = None
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
            x = layer(ops.in_precision(x, self.precision, layer.is_fine), w)
        return ops.in_float32(x) * self.config.output_scale

    @torch.no_grad()
    def following(
        self, parts: Sequence[Tensor], decay: float, mean: Callable[[Tensor], Tensor]
    ) -> list[Tensor]:
        """The images of the parts [n, num_ws, w_dim] of a batch; average magnitudes follow it.

        All parts go through a layer before the next one: its input's mean square, of the whole batch,
        moves the average, of which `decay` stays, and the images are made with that. `mean` is that
        of rows [n, 1], of all processes that share a batch.
        Source: appendix B of the paper.
        """
        maps = [self.input(ws[:, 0]) for ws in parts]
        for i, layer in enumerate(self.layers, 1):
            maps = [ops.in_precision(x, self.precision, layer.is_fine) for x in maps]
            squares = torch.cat([ops.in_float32(x).square().mean((1, 2, 3)) for x in maps])
            layer.magnitude_ema.lerp_(mean(squares[:, None])[0], 1 - decay)
            maps = [layer(x, ws[:, i]) for x, ws in zip(maps, parts, strict=True)]
        return [ops.in_float32(x) * self.config.output_scale for x in maps]


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
        layer, self.clamp = config.layers[i], config.clamp
        self.is_to_rgb = i == len(config.layers) - 1
        self.is_fine = layer.rate << ops.HALVED > config.image_size[0]
        self.shape = config.resampled(i)
        self.kernel_size = config.kernel_size(i)
        inputs, _ = config.inputs(i)
        outputs = config.channels[i]
        self.weight = nn.Parameter(normal(outputs, inputs, self.kernel_size, self.kernel_size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.magnitude_ema: Tensor
        self.register_buffer("magnitude_ema", torch.ones(()))
        self.affine = Dense(config.mapping.w_dim, inputs, bias=1.0)
        before, rate = config.layers[max(i - 1, 0)], layer.rate * layer.down
        self.up_filter: Tensor | None
        self.register_buffer("up_filter", None)
        self.down_filter: Tensor | None
        self.register_buffer("down_filter", None)
        if (taps := layer.up_taps) > 1:
            made = low_pass(taps, before.cutoff, before.half_width, rate)
            self.up_filter = torch.tensor(made)
        if (taps := layer.down_taps) > 1:
            cutoff, half = layer.cutoff, layer.half_width
            self.down_filter = torch.tensor(low_pass(taps, cutoff, half, rate, radial=layer.radial))

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
        x = scaled(x, style)
        if around := self.kernel_size - 1:  # a weight's gradient is slow with so much padding
            x = functional.pad(x, (around, around, around, around))
        x = convolve(x, weight.to(x.dtype), Steps())
        power = style.square() @ weight.square().sum((2, 3)).T
        x = activate(x, self.bias, "linear", scale=(power + 1e-8).rsqrt() * gain)
        return filtered(x, self.shape, self.up_filter, self.down_filter, self.clamp)
