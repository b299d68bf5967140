"""A StyleGAN 2 generator's synthesis on a CPU, in the form that `cpu` describes."""

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.networks.cpu import GROUP, LOT, Space, State, alone
from animetools.networks.generator import Noise
from animetools.networks.stylegan2 import cpu
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from animetools.networks.stylegan2.cpu_layers import Layer, ToRGB


def of(
    config: StyleGAN2GeneratorConfig, state: State, dtype: torch.dtype, pool: Executor | None
) -> "Synthesis | None":
    """The synthesis of a generator, if `Synthesis` covers its config."""
    known = config.architecture in ("skip", "orig") and config.activation == "lrelu"
    covers = known and len(config.kernel) == 4
    return Synthesis(config, state, dtype, pool) if covers else None


@dataclass(frozen=True)
class _Inputs:
    """What images give each layer, each with the images first; those after `count` fill a group."""

    styles: list[tuple[Tensor, Tensor]]
    noises: list[Tensor | None]
    colors: dict[int, Tensor]
    count: int


class Synthesis:
    """From w to images, as the `synthesis` of a StyleGAN 2 generator (skip or orig) with that state.

    The threads of the `pool` share the work on an image. Several threads may call it at once.
    """

    def __init__(
        self,
        config: StyleGAN2GeneratorConfig,
        state: State,
        dtype: torch.dtype = torch.float32,
        pool: Executor | None = None,
    ) -> None:
        self.config, self.dtype, self.pool = config, dtype, pool
        self.space = Space()
        self.const = state["synthesis.b4.const"].permute(1, 2, 0)
        low_pass = cpu.low_pass(config.kernel) * 2
        self.layers: list[Layer] = []
        self.to_rgb: dict[int, ToRGB] = {}
        self.doubling = _doubling(low_pass, config.image_channels)
        numbers = (*config.channels, math.prod(config.base), config.mapping.w_dim)
        most = GROUP if all(number % cpu.ALIGNED == 0 for number in numbers) else 1
        row = 0
        for i in range(len(config.channels)):
            block = f"synthesis.b{4 << i}."
            size = tuple(side << i for side in config.base)
            for conv in ("conv0", "conv1")[i == 0 :]:
                up = low_pass if conv == "conv0" else None
                self.layers.append(Layer(state, block + conv + ".", row, size, up, dtype, most))
                most = self.layers[-1].at_once
                row += 1
            if block + "torgb.weight" in state:
                self.to_rgb[len(self.layers) - 1] = ToRGB(state, block + "torgb.", row)
        self.group = self.layers[0].at_once

    @torch.inference_mode()
    def __call__(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """ws [N, rows, w_dim] to images [N, C, H, W] in about -1..1, float32.

        noise is const, random, none, or a tensor [N or 1, 1, H, W] for each layer.
        """
        with alone():
            lots = torch.split(torch.arange(len(ws)), LOT if self.group > 1 else 1)
            return torch.cat([self._lot(ws.float(), noise, lot) for lot in lots])

    def _lot(self, ws: Tensor, noise: Noise, members: Tensor) -> Tensor:
        """Some of the images. Groups are filled up: in another size they may be rounded differently."""
        count = len(members)
        members = members[torch.arange(-(-count // self.group) * self.group).clamp(max=count - 1)]
        ws = ws[members]
        inputs = _Inputs(
            [layer.styles(ws) for layer in self.layers],
            [self._noise(n, noise, members) for n in range(len(self.layers))],
            {n: to_rgb.weights(ws) for n, to_rgb in self.to_rgb.items()},
            count,
        )
        x = self.space.padded("const", (self.group, *self.const.shape), dtype=self.dtype)
        images = []
        for first in range(0, count, self.group):
            some = slice(first, first + self.group)
            style = 1.0 if self.layers[0].on_weights else inputs.styles[0][0][some]
            x[:, 1:-1, 1:-1] = self.const * style
            images += self._above(0, x, None, inputs, some)
        return torch.cat(images)[:count]

    def _above(
        self, n: int, x: Tensor, image: Tensor | None, inputs: _Inputs, some: slice
    ) -> list[Tensor]:
        """Some images of a group, from their maps below layer n."""
        for layer in range(n, len(self.layers)):
            step = self.layers[layer].at_once
            if step < len(x):
                made = []
                for first in range(some.start, min(some.stop, inputs.count), step):
                    part = slice(first - some.start, first - some.start + step)
                    below = None if image is None else image[part]
                    made += self._above(layer, x[part], below, inputs, slice(first, first + step))
                return made
            x, image = self._layer(layer, x, image, inputs, some)
        return [] if image is None else [image]

    def _noise(self, n: int, noise: Noise, members: Tensor) -> Tensor | None:
        layer = self.layers[n]
        if noise == "none":
            return None
        if noise == "const":
            return layer.stored.expand(len(members), -1, -1, -1)
        if noise == "random":
            return layer.scaled(torch.randn(len(members), 1, *layer.size))
        return layer.scaled(noise[n][members % len(noise[n])])

    def _layer(
        self, n: int, x: Tensor, image: Tensor | None, inputs: _Inputs, some: slice
    ) -> tuple[Tensor, Tensor | None]:
        """A layer: some of the group's maps and images below to those above."""
        layer, noise, colors = self.layers[n], inputs.noises[n], inputs.colors.get(n)
        above = self.layers[n + 1 : n + 2]
        y: Tensor | None = None  # nothing reads the last map again
        if above:
            shape = (len(x), *layer.size, layer.channels)
            y = self.space.padded(f"conv{n % 2}", shape, dtype=self.dtype)
        style, scale = (each[some] for each in inputs.styles[n])
        next_style = inputs.styles[n + 1][0][some] if above and not above[0].on_weights else None
        if colors is not None:
            image = self._doubled(image, layer.size, len(x))
        colored = None if colors is None or image is None else (image, colors[some])
        given = noise if noise is None else noise[some]
        follow = partial(self._follow, n, y, scale, given, colored, next_style)
        layer.run(x, style, scale, follow, self.pool)
        return x if y is None else y, image

    def _follow(
        self,
        n: int,
        y: Tensor | None,
        scale: Tensor,
        noise: Tensor | None,
        colored: tuple[Tensor, Tensor] | None,
        next_style: Tensor | None,
        first: int,
        end: int,
        made: Tensor,
    ) -> None:
        """Everything between some rows of a convolution and the next one; without y they are not kept."""
        clamp = self.config.clamp
        whole, rows, inside = made, made, slice(None)  # what is bfloat16 in the end is rounded once
        if y is not None and y.dtype == made.dtype:
            whole, inside = y[:, first + 1 : end + 1], slice(1, -1)
            rows = whole[:, :, inside]
        self.layers[n].finish(made, scale, None if noise is None else noise[:, first:end], rows)
        cpu.activate(rows, clamp)
        if colored is not None:
            image, weights = colored
            flat = whole.flatten(1, 2).transpose(1, 2)  # with its border, which makes it a matrix
            rgb = torch.baddbmm(self.to_rgb[n].bias, weights, flat)
            if clamp is not None:
                rgb.clamp_(-clamp, clamp)
            image[:, :, first:end].add_(rgb.view(*rgb.shape[:2], *whole.shape[1:3])[..., inside])
        if next_style is not None:
            rows.mul_(next_style)
        if y is not None and rows is made:
            y[:, first + 1 : end + 1, 1:-1] = rows

    def _doubled(self, image: Tensor | None, size: Sequence[int], count: int) -> Tensor:
        """The images of the lower block, twice as large (StyleGAN 2, figure 7 b); of none, zeros."""
        if image is None:
            return torch.zeros(count, self.config.image_channels, *size)
        return F.pixel_shuffle(F.conv2d(image, self.doubling, padding=1), 2)


def _doubling(low_pass: Tensor, channels: int) -> Tensor:
    """The kernel [4 C, C, 3, 3] that makes the four pixels of each: zeros between them, low-passed."""
    first, second, third, fourth = low_pass.tolist()
    phases = torch.tensor([[fourth, second, 0], [0, third, first]])
    four = torch.einsum("ai,bj->abij", phases, phases).flatten(0, 1)
    return torch.einsum("cd,kij->ckdij", torch.eye(channels), four).flatten(0, 1).contiguous()
