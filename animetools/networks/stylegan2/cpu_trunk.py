"""A StyleGAN 2 discriminator's trunk on a CPU, in the form that `cpu` describes."""

import math
from itertools import takewhile

import torch
from torch import Tensor

from animetools.networks import winograd
from animetools.networks.cpu import GROUP, Space, State, alone
from animetools.networks.onednn import Convolution
from animetools.networks.stylegan2 import cpu
from animetools.networks.stylegan2.config import StyleGAN2DiscriminatorConfig


def of(
    config: StyleGAN2DiscriminatorConfig, state: State, dtype: torch.dtype, _: object
) -> "Trunk | None":
    """The trunk of a discriminator, if `Trunk` covers its config."""
    known = config.architecture == "resnet" and config.activation == "lrelu"
    covers = known and len(config.kernel) == 4 and len(config.channels) > 1
    return Trunk(config, state, dtype) if covers else None


class Trunk:
    """A StyleGAN 2 discriminator (resnet) with that state, down to the input of its head.

    The head compares images with each other and is left to the module.
    """

    def __init__(
        self,
        config: StyleGAN2DiscriminatorConfig,
        state: State,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.dtype = config, dtype
        self.space = Space()
        low_pass = cpu.low_pass(config.kernel)
        top = len(config.channels) - 1
        from_rgb = f"b{4 << top}.fromrgb."
        weight = state[from_rgb + "weight"].float()[:, :, 0, 0]
        self.from_rgb = (weight / math.sqrt(weight.shape[1]) * cpu.GAIN).t().contiguous()
        self.from_rgb_bias = state[from_rgb + "bias"].float() * cpu.GAIN
        self.blocks = [
            _Down(
                state,
                f"b{4 << i}.",
                (config.base[0] << i, config.base[1] << i),
                low_pass,
                dtype,
            )
            for i in range(top, 0, -1)
        ]

        together = [block.at_once == GROUP for block in self.blocks]
        self.alone = len(together) - len(list(takewhile(bool, reversed(together))))
        self.group = 1
        if all(channels % cpu.ALIGNED == 0 for channels in config.channels):
            self.group = GROUP if self.alone < len(self.blocks) else 1

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] in -1..1 to features [N, O, h, w], float32."""
        with alone():
            groups = torch.split(images.float(), self.group)
            return torch.cat([self._together(group) for group in groups])

    def _together(self, images: Tensor) -> Tensor:
        """A group of images, filled up: in another size they may be rounded differently."""
        count = len(images)
        x = self._map("group", self.alone, self.group)
        for n, image in enumerate(images):
            self._one(image, x[n : n + 1])
        x[count:] = x[count - 1]
        for i in range(self.alone, len(self.blocks)):
            above, x = x, self._map(f"x{i % 2}", i + 1, self.group)
            self._block(self.blocks[i], above, x)
        inside = x[:count, 1:-1, 1:-1].permute(0, 3, 1, 2)
        return inside.float().clone(memory_format=torch.contiguous_format)

    def _one(self, image: Tensor, out: Tensor) -> None:
        """An image through the blocks that take each alone."""
        x = self._map("x0", 0, 1) if self.alone else out
        self._read(image.permute(1, 2, 0), x[0, 1:-1, 1:-1])
        for i in range(1, self.alone + 1):
            above, x = x, out if i == self.alone else self._map(f"x{i % 2}", i, 1)
            self._block(self.blocks[i - 1], above, x)

    def _map(self, use: str, i: int, count: int) -> Tensor:
        """What block i takes, or after the last one, what it gives: [count, H + 2, W + 2, C]."""
        last = self.blocks[-1]
        height, width, channels = last.size[0] // 2, last.size[1] // 2, last.channels
        if i < len(self.blocks):
            (height, width), channels = self.blocks[i].size, self.blocks[i].inner
        return self.space.padded(use, (count, height, width, channels), dtype=self.dtype)

    def _read(self, image: Tensor, x: Tensor) -> None:
        step = max(1, winograd.CHUNK * winograd.TILE**2 // image.shape[1])
        for first in range(0, len(image), step):
            rows = x[first : first + step]
            rgb = image[first : first + step].reshape(-1, image.shape[2])
            out = torch.addmm(self.from_rgb_bias, rgb, self.from_rgb)
            rows.copy_(cpu.activate(out, self.config.clamp).view(rows.shape))

    def _block(self, block: "_Down", x: Tensor, out: Tensor) -> None:
        """From maps [n, H + 2, W + 2, C] to those of half the size."""
        clamp = self.config.clamp
        y = self.space.padded("y", (len(x), *block.size, block.inner), 2, self.dtype)
        inside = y[:, 2:-2, 2:-2]

        def chunk(first: int, end: int, made: Tensor) -> None:
            inside[:, first:end] = cpu.activate(made, clamp)

        def band(first: int, end: int) -> None:
            rows = inside[:, first:end]
            rows.copy_(block.conv0(cpu.planes(x[:, first : end + 2])).permute(0, 2, 3, 1))
            cpu.clamp(rows, clamp)

        def halve(first: int, end: int) -> None:
            smooth = block.blurring(cpu.planes(y[:, 2 * first : 2 * end + 4]))
            main = cpu.clamp(block.conv1(smooth), clamp, 1.0)
            skip = block.skip(block.halving(cpu.planes(x[:, 2 * first : 2 * end + 2])))
            torch.add(
                main.permute(0, 2, 3, 1),
                skip.permute(0, 2, 3, 1),
                out=out[:, first + 1 : end + 1, 1:-1],
            )

        if block.wide is not None:
            winograd.convolve(x[0], block.wide, chunk, bias=block.bias0)
        else:
            cpu.in_bands(band, block.size[0], block.step, None)
        cpu.in_bands(halve, block.size[0] // 2, max(1, block.step // 2), None)


class _Down:
    """A residual block that halves the size; gains and sqrt(1/2) are in its weights."""

    def __init__(
        self,
        state: State,
        name: str,
        size: tuple[int, int],
        low_pass: Tensor,
        dtype: torch.dtype,
    ) -> None:
        self.size = size
        conv0, self.bias0 = _scaled(state, name + "conv0", cpu.GAIN)
        conv1, bias1 = _scaled(state, name + "conv1", 1.0)
        skip = state[name + "skip.weight"].float()
        self.channels, self.inner = conv1.shape[:2]
        self.step = cpu.rows_in_band(size[0], size[1] * self.inner)
        self.wide: winograd.Weights | None = None
        self.at_once = 1
        if cpu.by_winograd(conv0, size, dtype):
            self.wide = winograd.weights(conv0, dtype)
        else:
            self.at_once = cpu.at_once(size, conv1)
            shape = self.at_once, self.inner, self.step + 2, size[1] + 2
            bias0 = self.bias0.to(dtype)
            self.conv0 = Convolution(conv0.to(dtype), shape, bias=bias0, slope=cpu.SLOPE)
        self.blurring = cpu.blurring(low_pass, self.inner, dtype)
        shape = self.at_once, self.inner, self.step + 1, size[1] + 1
        bias1 = bias1.to(dtype)
        self.conv1 = Convolution(conv1.to(dtype), shape, bias=bias1, slope=cpu.SLOPE, stride=2)
        self.halving = cpu.blurring(low_pass, self.inner, dtype, stride=2)
        skip = (skip * math.sqrt(0.5 / skip.shape[1])).to(dtype)
        self.skip = Convolution(skip, (self.at_once, self.inner, self.step // 2, size[1] // 2))


def _scaled(state: State, name: str, gain: float) -> tuple[Tensor, Tensor]:
    weight = state[name + ".weight"].float()
    weight = weight * (gain / math.sqrt(weight[0].numel()))
    return weight, state[name + ".bias"].float() * gain
