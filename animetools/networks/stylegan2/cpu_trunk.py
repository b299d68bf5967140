"""A StyleGAN 2 discriminator's trunk on a CPU, in the form that `cpu` describes."""

import math
from itertools import takewhile

import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.networks import winograd
from animetools.networks.cpu import GROUP, Space, State, alone, channels_last
from animetools.networks.stylegan2 import cpu
from animetools.networks.stylegan2.config import StyleGAN2DiscriminatorConfig

ROWS = 16  # of a map, worked on at once: they fit in the cache


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
        self.config = config
        self.space = Space()
        self.low_pass = cpu.low_pass(config.kernel)
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
                self.low_pass,
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
        return inside.clone(memory_format=torch.contiguous_format)

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
        return self.space.padded(use, (count, height, width, channels))

    def _read(self, image: Tensor, x: Tensor) -> None:
        step = max(1, winograd.CHUNK * winograd.TILE**2 // image.shape[1])
        for first in range(0, len(image), step):
            rows = x[first : first + step]
            rgb = image[first : first + step].reshape(-1, image.shape[2])
            out = torch.addmm(self.from_rgb_bias, rgb, self.from_rgb)
            rows.copy_(cpu.activate(out, self.config.clamp).view(rows.shape))

    def _block(self, block: "_Down", x: Tensor, out: Tensor) -> None:
        """From maps [n, H + 2, W + 2, C] to those of half the size."""
        y = self.space.padded("y", (len(x), *block.size, block.inner), border=2)
        inside = y[:, 2:-2, 2:-2]

        def finish(first: int, end: int) -> None:
            cpu.activate(inside[:, first:end], self.config.clamp)

        if block.wide:
            winograd.convolve(x[0], block.conv0, inside[0], bias=block.bias0, finish=finish)
        else:

            def band(first: int, end: int) -> None:
                rows = cpu.planes(x[:, first : end + 2]).to(block.conv0.dtype)
                full = F.conv2d(rows, block.conv0)
                torch.add(full.permute(0, 2, 3, 1), block.bias0, out=inside[:, first:end])
                finish(first, end)

            height, *row = inside.shape[1:]
            step = cpu.rows_in_band(block.conv0, height, len(x) * math.prod(row))
            cpu.in_bands(band, height, step, None)
        target = out[:, 1:-1, 1:-1]

        def halve(first: int) -> None:
            rows = target[:, first : first + ROWS]
            end = 2 * (first + rows.shape[1])
            above = cpu.planes(y[:, 2 * first : end + 4])
            smooth = F.conv2d(above, block.blurring, groups=block.inner)
            small = F.conv2d(smooth.to(block.conv1.dtype), block.conv1, stride=2)
            main = small.permute(0, 2, 3, 1) + block.bias1
            skip = self._halve(x[:, 2 * first : end + 2])
            torch.add(
                cpu.activate(main, self.config.clamp, 1.0),
                cpu.products(skip.flatten(1, 2), block.skip).view(rows.shape),
                out=rows,
            )

        for first in range(0, target.shape[1], ROWS):
            halve(first)

    def _halve(self, x: Tensor) -> Tensor:
        """The inside of x, low-passed, every second pixel: [n, H / 2, W / 2, C]."""
        taps = self.low_pass.flip(0).tolist()
        height, width = (x.shape[1] - 2) // 2, (x.shape[2] - 2) // 2
        rows: Tensor = x[:, 0 : 2 * height : 2] * taps[0]
        for i in range(1, 4):
            rows.add_(x[:, i : i + 2 * height : 2], alpha=taps[i])
        both: Tensor = rows[:, :, 0 : 2 * width : 2] * taps[0]
        for i in range(1, 4):
            both.add_(rows[:, :, i : i + 2 * width : 2], alpha=taps[i])
        return both


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
        conv1, self.bias1 = _scaled(state, name + "conv1", 1.0)
        skip = state[name + "skip.weight"].float()[:, :, 0, 0]
        self.skip = (skip * math.sqrt(0.5 / skip.shape[1])).t().contiguous()
        self.channels, self.inner = conv1.shape[:2]
        self.blurring = cpu.blurring(low_pass, self.inner)
        self.wide = cpu.by_winograd(conv0, size)
        self.at_once = 1 if self.wide else cpu.at_once(size, self.inner)
        self.conv0 = (winograd.transform(conv0) if self.wide else conv0).to(dtype)
        self.conv1 = conv1.to(dtype)


def _scaled(state: State, name: str, gain: float) -> tuple[Tensor, Tensor]:
    weight = state[name + ".weight"].float()
    weight = weight * (gain / math.sqrt(weight[0].numel()))
    return channels_last(weight), state[name + ".bias"] * gain
