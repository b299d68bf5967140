"""A StyleGAN 2 generator's synthesis on a CPU, in the form that `cpu` describes."""

import math
from concurrent.futures import Executor
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.networks import winograd
from animetools.networks.generator import Noise
from animetools.networks.stylegan2 import cpu
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig

MANY = (
    128 * 128
)  # pixels: from there on, a separate low-pass costs more than one folded into the weights
SHARE = 128  # channels of a narrow layer, worked on at once


def of(
    config: StyleGAN2GeneratorConfig, state: cpu.State, dtype: torch.dtype, pool: Executor | None
) -> "Synthesis | None":
    """The synthesis of a generator, if `Synthesis` covers its config."""
    known = config.architecture in ("skip", "orig") and config.activation == "lrelu"
    covers = known and len(config.kernel) == 4
    return Synthesis(config, state, dtype, pool) if covers else None


class Synthesis:
    """From w to images, as the `synthesis` of a StyleGAN 2 generator (skip or orig) with that state.

    The threads of the `pool` share the work on an image. Several threads may call it at once. In
    bfloat16 only the convolutions are bfloat16.
    """

    def __init__(
        self,
        config: StyleGAN2GeneratorConfig,
        state: cpu.State,
        dtype: torch.dtype = torch.float32,
        pool: Executor | None = None,
    ) -> None:
        self.config = config
        self.pool = pool
        self.space = cpu.Space()
        self.const = state["synthesis.b4.const"].permute(1, 2, 0)
        self.low_pass = cpu.low_pass(config.kernel) * 2
        self.layers: list[_Layer] = []
        self.to_rgb: dict[int, _ToRGB] = {}
        row = 0
        for i in range(len(config.channels)):
            block = f"synthesis.b{4 << i}."
            size = tuple(side << i for side in config.base)
            for conv in ("conv0", "conv1")[i == 0 :]:
                up = self.low_pass if conv == "conv0" else None
                self.layers.append(_Layer(state, block + conv + ".", row, size, up, dtype))
                row += 1
            if block + "torgb.weight" in state:
                self.to_rgb[len(self.layers) - 1] = _ToRGB(state, block + "torgb.", row)

    @torch.inference_mode()
    def __call__(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """ws [N, rows, w_dim] to images [N, C, H, W] in about -1..1, float32.

        noise is const, random, none, or a tensor [N or 1, 1, H, W] for each layer.
        """
        images = []
        with cpu.alone():
            for n, w in enumerate(ws.float()):
                given = noise if isinstance(noise, str) else [x[n % len(x), 0] for x in noise]
                images.append(self._one(w, given))
        return torch.stack(images)

    def _one(self, w: Tensor, noise: str | list[Tensor]) -> Tensor:
        layers = self.layers
        styles = [layer.style(w) for layer in layers]
        height, width, channels = self.const.shape
        x = self.space.padded("const", height, width, channels)
        torch.mul(self.const, styles[0], out=x[1:-1, 1:-1])
        image: Tensor | None = None
        for i, (layer, style) in enumerate(zip(layers, styles, strict=True)):
            height, width = layer.size
            y = self.space.padded(f"conv{i % 2}", height, width, layer.channels)
            torgb = self.to_rgb.get(i)
            if torgb:
                below, image = image, torch.zeros(len(torgb.bias), height, width)
                if below is not None:
                    image.copy_(self._double(below))
            follow = partial(
                self._follow,
                y,
                layer.noise(noise if isinstance(noise, str) else noise[i]),
                (image, torgb.weights(w), torgb.bias) if torgb and image is not None else None,
                styles[i + 1] if i + 1 < len(layers) and not layers[i + 1].on_weights else None,
            )
            layer.run(x, y, style, follow, self.pool)
            x = y
        assert image is not None
        return image

    def _follow(
        self,
        y: Tensor,
        noise: Tensor | None,
        to_rgb: tuple[Tensor, Tensor, Tensor] | None,
        next_style: Tensor | None,
        scale: Tensor | None,
        bias: Tensor | None,
        first: int,
        end: int,
    ) -> None:
        """Everything between some rows of a convolution and the next one."""
        rows = y[first + 1 : end + 1, 1:-1]
        if scale is not None and bias is not None:
            torch.addcmul(bias, rows, scale, out=rows)
        if noise is not None:
            rows.add_(noise[first:end])
        clamp = self.config.clamp
        cpu.activate(rows, clamp)
        if to_rgb is not None:
            image, weights, shift = to_rgb
            whole = y[first + 1 : end + 1]  # with its border: these rows are contiguous
            rgb = torch.addmm(shift, whole.flatten(0, 1), weights)
            if clamp is not None:
                rgb.clamp_(-clamp, clamp)
            rgb = rgb.view(*whole.shape[:2], -1)[:, 1:-1]
            image[:, first:end].add_(rgb.permute(2, 0, 1))
        if next_style is not None:
            rows.mul_(next_style)

    def _double(self, image: Tensor) -> Tensor:
        """The image of the lower blocks [C, H, W], twice as large (StyleGAN 2, figure 7 b)."""
        kernel = torch.outer(self.low_pass, self.low_pass)[None, None]
        return F.conv_transpose2d(image[:, None], kernel, stride=2, padding=1)[:, 0]


class _Layer:
    """A modulated 3x3 convolution; `low_pass` follows if it doubles the size.

    Either the weights are scaled for each image, or input and output: whichever is less work.
    """

    def __init__(
        self,
        state: cpu.State,
        name: str,
        row: int,
        size: tuple[int, ...],
        low_pass: Tensor | None,
        dtype: torch.dtype,
    ) -> None:
        weight = state[name + "weight"].float()
        self.channels, inputs = weight.shape[:2]
        self.row, self.size, self.up = row, size, low_pass is not None
        self.low_pass = low_pass
        self.affine = _dense(state, name + "affine")
        self.squares = weight.square().sum((2, 3)).t().contiguous()
        self.bias = state[name + "bias"] * cpu.GAIN
        self.strength = state[name + "noise_strength"] * cpu.GAIN
        self.stored = state[name + "noise_const"]
        height, width = (side >> self.up for side in size)
        tiles = height % winograd.TILE == 0 and width % winograd.TILE == 0
        self.wide = tiles and height * width >= (MANY if self.up else cpu.FEW)
        self.on_weights = False
        if self.wide:
            full = weight if low_pass is None else winograd.fold_up(weight, low_pass)
            self.weight = winograd.transform(full).to(dtype)
            pixels = height * width * inputs + math.prod(size) * self.channels
            self.on_weights = self.weight.numel() < pixels
        else:
            self.shares = [
                (some if low_pass is None else some.transpose(0, 1))
                .to(dtype)
                .contiguous(memory_format=torch.channels_last)
                for some in torch.split(weight, SHARE)
            ]

    def style(self, w: Tensor) -> Tensor:
        """The scale [I] of the input."""
        return torch.addmv(self.affine[1], self.affine[0], w[self.row])

    def noise(self, kind: str | Tensor) -> Tensor | None:
        """The noise of every channel, [H, W, 1]."""
        if isinstance(kind, Tensor):
            return (kind * self.strength)[..., None]
        if kind == "none":
            return None
        stored = self.stored if kind == "const" else torch.randn(self.size)
        return (stored * self.strength)[..., None]

    def run(
        self,
        x: Tensor,
        y: Tensor,
        style: Tensor,
        follow: "partial[None]",
        pool: Executor | None,
    ) -> None:
        """From x, with its border, to y; `follow` gets the scale and bias of the output."""
        scale = (style.square() @ self.squares + 1e-8).rsqrt() * cpu.GAIN
        inside = y[1:-1, 1:-1]
        if self.on_weights:
            phases = self.weight.shape[2] // self.channels
            weight = self.weight * style[:, None] * scale.repeat(phases)
            weight = weight.to(self.weight.dtype)
            finish = partial(follow, None, None)
            winograd.convolve(
                x, weight, inside, bias=self.bias, up=self.up, finish=finish, pool=pool
            )
            return
        finish = partial(follow, scale, self.bias)
        if self.wide:
            winograd.convolve(x, self.weight, inside, up=self.up, finish=finish, pool=pool)
            return
        planes = cpu.planes(x if self.low_pass is None else x[1:-1, 1:-1]).to(self.shares[0].dtype)

        @torch.inference_mode()
        def share(n: int) -> None:
            if self.low_pass is None:
                out = F.conv2d(planes, self.shares[n])
            else:
                out = F.conv_transpose2d(planes, self.shares[n], stride=2).float()
                out = cpu.blur(out, self.low_pass, padding=1)
            some = inside[..., n * SHARE : (n + 1) * SHARE]
            some.copy_(out[0].permute(1, 2, 0))

        for _ in (pool.map if pool else map)(share, range(len(self.shares))):
            pass
        finish(0, y.shape[0] - 2)


class _ToRGB:
    """A modulated 1x1 convolution without demodulation."""

    def __init__(self, state: cpu.State, name: str, row: int) -> None:
        weight = state[name + "weight"].float()[:, :, 0, 0].t()
        self.row = row
        self.weight = weight / math.sqrt(len(weight))
        self.affine = _dense(state, name + "affine")
        self.bias = state[name + "bias"].float()

    def weights(self, w: Tensor) -> Tensor:
        """The weights [I, C] for this w."""
        style = torch.addmv(self.affine[1], self.affine[0], w[self.row])
        return self.weight * style[:, None]


def _dense(state: cpu.State, name: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a dense layer, scaled."""
    weight = state[name + ".weight"].float()
    return weight / math.sqrt(weight.shape[1]), state[name + ".bias"].float()
