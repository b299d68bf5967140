"""The layers of a StyleGAN 2 generator on a CPU, in the form that `cpu` describes."""

import math
from collections.abc import Callable
from concurrent.futures import Executor

import torch
from torch import Tensor

from animetools.networks import winograd
from animetools.networks.cpu import State, each
from animetools.networks.onednn import Convolution
from animetools.networks.stylegan2 import cpu

SHARE = 128  # channels of a small map, computed at once

# Called with (first, end, made): what a convolution made of these rows, [n, rows, W, O], float32.
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
        most: int,
    ) -> None:
        weight = state[name + "weight"].float()
        self.channels = len(weight)
        self.row, self.size, self.dtype, self.low_pass = row, size, dtype, low_pass
        self.affine = _affine(state, name + "affine")
        self.squares = weight.square().sum((2, 3)).t().contiguous()
        self.bias = state[name + "bias"].float() * cpu.GAIN
        self.strength = state[name + "noise_strength"] * cpu.GAIN
        self.stored = self.scaled(state[name + "noise_const"][None, None])
        self.wide: winograd.Weights | None = None
        self.shares: list[_Share] = []
        self.on_weights = False
        self.at_once = 1
        if low_pass is None and cpu.by_winograd(weight, size, dtype):
            self.wide = winograd.weights(weight, dtype)
            return
        self.at_once = min(most, cpu.at_once(size, weight))
        self.step = cpu.rows_in_band(size[0], size[1] * self.channels)
        numbers = math.prod(size) * self.channels
        self.on_weights = self.step < size[0] and numbers >= cpu.LIGHT * weight.numel()
        if self.on_weights:
            self.weight = weight
        else:
            self.shares = self._packed(weight)

    def styles(self, ws: Tensor) -> tuple[Tensor, Tensor]:
        """What the w of images scale inputs by, [n, 1, 1, I], and outputs, [n, 1, 1, O]."""
        style = _dense(ws[:, self.row, None], *self.affine)
        scale = (cpu.products(style.square(), self.squares) + 1e-8).rsqrt() * cpu.GAIN
        return style[:, None], scale[:, None]

    def scaled(self, noise: Tensor) -> Tensor:
        """Maps of noise [n, 1, H, W] as they are added to the output, [n, H, W, 1]."""
        return (noise * self.strength).permute(0, 2, 3, 1)

    def finish(self, made: Tensor, scale: Tensor, noise: Tensor | None, rows: Tensor) -> None:
        """Write to `rows` what the convolution made of them, with scale, bias and noise."""
        if not self.on_weights:
            torch.addcmul(self.bias, made, scale, out=rows)
            if noise is not None:
                rows.add_(noise)
        elif noise is not None:
            torch.add(made, noise, out=rows)
        elif rows is not made:
            rows.copy_(made)

    def run(
        self, x: Tensor, style: Tensor, scale: Tensor, follow: Follow, pool: Executor | None
    ) -> None:
        """Call `follow` with all rows that the convolution makes of x; the pool shares the work.

        x has its border. Unless the scales go `on_weights`, x is scaled and `finish` scales.
        """
        if self.wide is not None:

            def chunk(first: int, end: int, made: Tensor) -> None:
                follow(first, end, made[None])

            winograd.convolve(x[0], self.wide, chunk, pool=pool)
            return
        shares, up = self.shares, self.low_pass is not None
        if self.on_weights:
            outputs = scale.flatten()[:, None, None, None]
            shares = self._packed(self.weight * style.flatten()[:, None, None] * outputs)
        if self.step == self.size[0]:
            maps = cpu.planes(x[:, 1:-1, 1:-1] if up else x)
            parts = each(lambda share: share(maps), shares, pool)
            made = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
            follow(0, self.size[0], made.permute(0, 2, 3, 1).float())
            return

        def band(first: int, end: int) -> None:
            rows = x[:, first // 2 : end // 2 + 2] if up else x[:, first : end + 2]
            follow(first, end, shares[0](cpu.planes(rows)).permute(0, 2, 3, 1).float())

        cpu.in_bands(band, self.size[0], self.step, pool)

    def _packed(self, weight: Tensor) -> list["_Share"]:
        """What makes its channels: all of them, or shares of them, which threads take, of whole maps."""
        whole = self.step == self.size[0]
        shape = self.at_once, self.step, self.size[1]
        shares = torch.split(weight.to(self.dtype), SHARE if whole else self.channels)
        bias = self.bias.to(self.dtype) if self.on_weights else None
        return [_Share(share, shape, self.low_pass, whole, bias) for share in shares]


class _Share:
    """A convolution to some output channels; the low-pass follows if it doubles the size."""

    def __init__(
        self,
        weight: Tensor,
        shape: tuple[int, int, int],
        low_pass: Tensor | None,
        whole: bool,
        bias: Tensor | None,
    ) -> None:
        n, rows, columns = shape  # of the output
        outputs, inputs = weight.shape[:2]
        self.blurring: Convolution | None = None
        if low_pass is None:
            self.convolution = Convolution(weight, (n, inputs, rows + 2, columns + 2), bias=bias)
            return
        border = 0 if whole else 1  # a band of a map comes with it, a whole map without
        self.convolution = Convolution(
            weight.transpose(0, 1),
            (n, inputs, rows // 2 + 2 * border, columns // 2 + 2 * border),
            stride=2,
            padding=border,
            transposed=True,
        )
        self.blurring = cpu.blurring(low_pass, outputs, weight.dtype, padding=1 - border, bias=bias)

    def __call__(self, maps: Tensor) -> Tensor:
        """[n, I, H, W] to [n, O, h, w]."""
        made = self.convolution(maps)
        return made if self.blurring is None else self.blurring(made)


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
