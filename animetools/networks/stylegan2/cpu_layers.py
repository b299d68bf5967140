"""The layers of a StyleGAN 2 generator on a CPU, in the form that `cpu` describes."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.networks import winograd
from animetools.networks.cpu import State, channels_last, each
from animetools.networks.stylegan2 import cpu

SHARE = 128  # channels of a small map, computed at once

# Called with (first, end, made): what a convolution made of these rows, [n, rows, W, O].
Follow = Callable[[int, int, Tensor], None]


class Layer:
    """A modulated 3x3 convolution; `low_pass` follows if it doubles the size.

    Either the weights are scaled for each image, or input and output: whichever is less work.
    """

    def __init__(
        self,
        state: State,
        name: str,
        row: int,
        size: tuple[int, ...],
        low_pass: Tensor | None,
        dtype: torch.dtype,
    ) -> None:
        weight = state[name + "weight"].float()
        self.channels, inputs = weight.shape[:2]
        self.row, self.size, self.dtype, self.up = row, size, dtype, low_pass is not None
        self.affine = _affine(state, name + "affine")
        self.squares = weight.square().sum((2, 3)).t().contiguous()
        self.bias = state[name + "bias"].float() * cpu.GAIN
        self.strength = state[name + "noise_strength"] * cpu.GAIN
        self.stored = self.scaled(state[name + "noise_const"][None, None])
        self.biased = self.stored.numel() * self.channels <= cpu.BAND
        if self.biased:
            self.stored = self.stored + self.bias
        self.wide = not self.up and cpu.by_winograd(weight, size)
        self.at_once = 1 if self.wide else cpu.at_once(size, self.channels)
        self.is_small = self.at_once > 1
        if low_pass is not None:
            self.blurring = cpu.blurring(low_pass, self.channels)
            weight = weight.transpose(0, 1)  # the order of transposed convolutions
        if self.wide:
            weight = winograd.transform(weight)
        pixels = math.prod(side >> self.up for side in size)
        self.packed: winograd.Packed | None = None
        if self.wide and dtype == torch.float32 and winograd.Packed.here:
            self.packed = winograd.Packed(weight)
            weight = torch.empty(0)  # not held twice
        few = weight.numel() < pixels * inputs
        self.on_weights = few and not self.is_small and not self.packed
        self.step = cpu.rows_in_band(weight, size[0], size[1] * self.channels)
        kept = torch.split(weight, SHARE, int(self.up)) if self.is_small else [weight]
        self.weights = [
            (some if self.wide else channels_last(some)).to(
                torch.float32 if self.on_weights else dtype
            )
            for some in kept
        ]

    def styles(self, ws: Tensor) -> tuple[Tensor, Tensor]:
        """What the w of images scale inputs by, [n, 1, 1, I], and outputs, [n, 1, 1, O]."""
        style = _dense(ws[:, self.row, None], *self.affine)
        scale = (cpu.products(style.square(), self.squares) + 1e-8).rsqrt() * cpu.GAIN
        return style[:, None], scale[:, None]

    def scaled(self, noise: Tensor) -> Tensor:
        """Maps of noise [n, 1, H, W] as they are added to the output, [n, H, W, 1]."""
        return (noise * self.strength).permute(0, 2, 3, 1)

    def shift(self, noise: Tensor | str, first: int, end: int) -> Tensor:
        """What is added to these rows of the output: bias, and noise const, none or `scaled`."""
        if noise == "none":
            return self.bias
        rows = (self.stored if isinstance(noise, str) else noise)[:, first:end]
        return rows if self.biased and isinstance(noise, str) else rows + self.bias

    def run(
        self,
        x: Tensor,
        y: Tensor | None,
        style: Tensor,
        scale: Tensor,
        follow: Follow,
        pool: Executor | None,
    ) -> None:
        """From x to rows of y, both with their border, by way of `follow`; the pool shares the work.

        Only a `wide` layer needs y here. Unless the scales go `on_weights`, x is scaled and `follow`
        scales. There is one map if it is not small.
        """
        weights = [self._scaled_weight(style, scale)] if self.on_weights else self.weights
        if self.wide:
            assert y is not None
            inside = y[:, 1:-1, 1:-1]

            def finish(first: int, end: int) -> None:
                follow(first, end, inside[:, first:end])

            products = self.packed or weights[0]
            winograd.convolve(x[0], products, inside[0], finish=finish, pool=pool)
        elif self.is_small or self.step == self.size[0]:
            follow(0, self.size[0], self._whole(x, weights, pool))
        else:

            def band(first: int, end: int) -> None:
                follow(first, end, self._band(x, weights[0], first, end))

            cpu.in_bands(band, self.size[0], self.step, pool)

    def _scaled_weight(self, style: Tensor, scale: Tensor) -> Tensor:
        """The weights for one image."""
        weight, inputs, outputs = self.weights[0], style.flatten(), scale.flatten()
        if self.wide:  # [36, I, O]
            weight = weight * inputs[:, None] * outputs
        elif self.up:  # [I, O, 3, 3]
            weight = weight * inputs[:, None, None, None] * outputs[:, None, None]
        else:  # [O, I, 3, 3]
            weight = weight * inputs[:, None, None] * outputs[:, None, None, None]
        return weight.to(self.dtype)

    def _whole(self, x: Tensor, weights: Sequence[Tensor], pool: Executor | None) -> Tensor:
        """All of the output [n, H, W, O]; weights are for so many shares of its channels."""
        maps = cpu.planes(x[:, 1:-1, 1:-1] if self.up else x).to(self.dtype)

        def share(weight: Tensor) -> Tensor:
            if not self.up:
                return F.conv2d(maps, weight).float()
            wide = F.conv_transpose2d(maps, weight, stride=2).float()
            channels = wide.shape[1]
            return F.conv2d(wide, self.blurring[:channels], padding=1, groups=channels)

        parts = each(share, weights, pool)
        made = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return made.permute(0, 2, 3, 1)

    def _band(self, x: Tensor, weight: Tensor, first: int, end: int) -> Tensor:
        """These rows of the output, [1, rows, W, O]."""
        if self.up:
            rows = cpu.planes(x[:, first // 2 : end // 2 + 2]).to(self.dtype)
            wide = F.conv_transpose2d(rows, weight, stride=2, padding=1).float()
            made = F.conv2d(wide, self.blurring, groups=self.channels)
        else:
            made = F.conv2d(cpu.planes(x[:, first : end + 2]).to(self.dtype), weight).float()
        return made.permute(0, 2, 3, 1)


class ToRGB:
    """A modulated 1x1 convolution without demodulation."""

    def __init__(self, state: State, name: str, row: int) -> None:
        weight = state[name + "weight"].float()[:, :, 0, 0]
        self.row = row
        self.weight = weight / math.sqrt(weight.shape[1])
        self.affine = _affine(state, name + "affine")
        self.bias = state[name + "bias"].float()[:, None]

    def weights(self, ws: Tensor) -> Tensor:
        """The weights [n, C, I] for these w."""
        return self.weight * _dense(ws[:, self.row, None], *self.affine)


def _affine(state: State, name: str) -> tuple[Tensor, Tensor]:
    """Weight [I, O] and bias of a dense layer, scaled."""
    weight = state[name + ".weight"].float()
    return (weight / math.sqrt(weight.shape[1])).t().contiguous(), state[name + ".bias"].float()


def _dense(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A dense layer for each image, [n, 1, I] to [n, 1, O]."""
    return cpu.products(x, weight) + bias
