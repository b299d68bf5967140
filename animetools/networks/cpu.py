"""StyleGAN 2 on a CPU, for sampling and ranking: no autograd, weights prepared once.

The same numbers as the plain modules (a test holds them together) in a form that suits a CPU:
images one at a time, so that none depends on its batch; [H, W, C] with the border that the next
convolution needs; wide maps by Winograd's algorithm; and everything that follows a convolution
done while its rows are in the cache. The form of a layer follows from its shape alone, so the last
bit is the same in every run.
"""

import math
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.networks import winograd
from animetools.networks.config import StyleGAN2Discriminator, StyleGAN2Generator
from animetools.networks.layers import Noise

GAIN = math.sqrt(2)
SLOPE = 0.2
FEW = 16 * 16  # pixels: below, a convolution reads more weights than image
MANY = 128 * 128  # pixels: from here on, a low-pass of its own costs more than folding it
ROWS = 16  # of a map, worked on at once: they fit the cache
SHARE = 128  # channels of a narrow layer, worked on at once

State = dict[str, Tensor]


def can_synthesize(config: StyleGAN2Generator) -> bool:
    """Whether Synthesis knows such a network."""
    known = config.architecture in ("skip", "orig") and config.activation == "lrelu"
    return known and len(config.kernel) == 4


def can_look(config: StyleGAN2Discriminator) -> bool:
    """Whether Trunk knows such a network."""
    known = config.architecture == "resnet" and config.activation == "lrelu"
    return known and len(config.kernel) == 4 and len(config.channels) > 1


class Synthesis:
    """From w to images, as the `synthesis` of a StyleGAN 2 generator (skip or orig) with that state.

    `threads` work on one image together. Calls from several threads at once do not meet. In
    bfloat16 the convolutions are, and all else is float32.
    """

    def __init__(
        self,
        config: StyleGAN2Generator,
        state: State,
        dtype: torch.dtype = torch.float32,
        threads: int = 1,
    ) -> None:
        self.config = config
        self.crew = _crew(threads)
        self.space = _Space()
        self.const = state["synthesis.b4.const"].permute(1, 2, 0)
        self.low_pass = _axis(config.kernel) * 2
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
        with _alone():
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
            layer.run(x, y, style, follow, self.crew)
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
        """All that comes between rows of a convolution and the next."""
        rows = y[first + 1 : end + 1, 1:-1]
        if scale is not None and bias is not None:
            torch.addcmul(bias, rows, scale, out=rows)
        if noise is not None:
            rows.add_(noise[first:end])
        F.leaky_relu_(rows, SLOPE)
        clamp = self.config.clamp
        if clamp is not None:
            rows.clamp_(-clamp * GAIN, clamp * GAIN)
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
        """The image so far [C, H, W] twice as large (StyleGAN 2, figure 7 b)."""
        kernel = torch.outer(self.low_pass, self.low_pass)[None, None]
        return F.conv_transpose2d(image[:, None], kernel, stride=2, padding=1)[:, 0]


class _Layer:
    """A modulated 3x3 convolution; `low_pass` follows where it doubles the size.

    Either the weights are scaled for each image, or what comes in and goes out: whichever is less.
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
        self.row, self.size, self.up = row, size, low_pass is not None
        self.low_pass = low_pass
        self.affine = _dense(state, name + "affine")
        self.squares = weight.square().sum((2, 3)).t().contiguous()
        self.bias = state[name + "bias"] * GAIN
        self.strength = state[name + "noise_strength"] * GAIN
        self.stored = state[name + "noise_const"]
        height, width = (side >> self.up for side in size)
        tiles = height % winograd.TILE == 0 and width % winograd.TILE == 0
        self.wide = tiles and height * width >= (MANY if self.up else FEW)
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
        """The scale [I] of what comes in."""
        return torch.addmv(self.affine[1], self.affine[0], w[self.row])

    def noise(self, kind: str | Tensor) -> Tensor | None:
        """What is added to every channel, [H, W, 1]."""
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
        crew: Executor | None,
    ) -> None:
        """From x, with its border, to y; `follow` is told how to scale and shift what comes out."""
        scale = (style.square() @ self.squares + 1e-8).rsqrt() * GAIN
        inside = y[1:-1, 1:-1]
        if self.on_weights:
            phases = self.weight.shape[2] // self.channels
            weight = self.weight * style[:, None] * scale.repeat(phases)
            weight = weight.to(self.weight.dtype)
            finish = partial(follow, None, None)
            winograd.convolve(
                x, weight, inside, bias=self.bias, up=self.up, finish=finish, crew=crew
            )
            return
        finish = partial(follow, scale, self.bias)
        if self.wide:
            winograd.convolve(x, self.weight, inside, up=self.up, finish=finish, crew=crew)
            return
        planes = _planes(x if self.low_pass is None else x[1:-1, 1:-1]).to(self.shares[0].dtype)

        @torch.inference_mode()
        def share(n: int) -> None:
            if self.low_pass is None:
                out = F.conv2d(planes, self.shares[n])
            else:
                out = F.conv_transpose2d(planes, self.shares[n], stride=2).float()
                out = _blur(out, self.low_pass, padding=1)
            some = inside[..., n * SHARE : (n + 1) * SHARE]
            some.copy_(out[0].permute(1, 2, 0))

        for _ in (crew.map if crew else map)(share, range(len(self.shares))):
            pass
        finish(0, y.shape[0] - 2)


class _ToRGB:
    """A modulated 1x1 convolution without demodulation."""

    def __init__(self, state: State, name: str, row: int) -> None:
        weight = state[name + "weight"].float()[:, :, 0, 0].t()
        self.row = row
        self.weight = weight / math.sqrt(len(weight))
        self.affine = _dense(state, name + "affine")
        self.bias = state[name + "bias"].float()

    def weights(self, w: Tensor) -> Tensor:
        """The weights [I, C] for this w."""
        style = torch.addmv(self.affine[1], self.affine[0], w[self.row])
        return self.weight * style[:, None]


class Trunk:
    """A StyleGAN 2 discriminator (resnet) with that state, down to its last block's input.

    What follows, the 4x4 block, sees images together and is left to the module.
    """

    def __init__(
        self,
        config: StyleGAN2Discriminator,
        state: State,
        dtype: torch.dtype = torch.float32,
        threads: int = 1,
    ) -> None:
        self.config = config
        self.crew = _crew(threads)
        self.space = _Space()
        self.low_pass = _axis(config.kernel)
        top = len(config.channels) - 1
        from_rgb = f"b{4 << top}.fromrgb."
        weight = state[from_rgb + "weight"].float()[:, :, 0, 0]
        self.from_rgb = (weight / math.sqrt(weight.shape[1]) * GAIN).t().contiguous()
        self.from_rgb_bias = state[from_rgb + "bias"].float() * GAIN
        self.blocks = [
            _Down(state, f"b{4 << i}.", (config.base[0] << i, config.base[1] << i), dtype)
            for i in range(top, 0, -1)
        ]

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """images [N, C, H, W] in -1..1 to features [N, O, h, w], float32."""
        with _alone():
            return torch.stack([self._one(image) for image in images.float()])

    def _one(self, image: Tensor) -> Tensor:
        height, width = image.shape[1:]
        x = self.space.padded("x0", height, width, len(self.from_rgb_bias))
        self._read(image.permute(1, 2, 0), x[1:-1, 1:-1])
        for i, block in enumerate(self.blocks):
            height, width = block.size
            y = self.space.padded("y", height, width, block.inner, border=2)
            last = self.space.padded(f"x{(i + 1) % 2}", height // 2, width // 2, block.channels)
            self._block(block, x, y, last)
            x = last
        return x[1:-1, 1:-1].permute(2, 0, 1).clone(memory_format=torch.contiguous_format)

    def _read(self, image: Tensor, x: Tensor) -> None:
        step = max(1, winograd.CHUNK * winograd.TILE**2 // image.shape[1])
        for first in range(0, len(image), step):
            rows = x[first : first + step]
            rgb = image[first : first + step].reshape(-1, image.shape[2])
            out = torch.addmm(self.from_rgb_bias, rgb, self.from_rgb)
            rows.copy_(self._activate(out, GAIN).view(rows.shape))

    def _block(self, block: "_Down", x: Tensor, y: Tensor, out: Tensor) -> None:
        inside = y[2:-2, 2:-2]

        def finish(first: int, end: int) -> None:
            self._activate(inside[first:end], GAIN)

        if block.wide:
            winograd.convolve(
                x, block.conv0, inside, bias=block.bias0, finish=finish, crew=self.crew
            )
        else:
            full = F.conv2d(_planes(x).to(block.conv0.dtype), block.conv0)
            torch.add(full[0].permute(1, 2, 0), block.bias0, out=inside)
            finish(0, len(inside))
        target = out[1:-1, 1:-1]

        @torch.inference_mode()
        def halve(first: int) -> None:
            rows = target[first : first + ROWS]
            above = y[2 * first : 2 * (first + len(rows)) + 4]
            smooth = _blur(_planes(above), self.low_pass, padding=0).to(block.conv1.dtype)
            small = F.conv2d(smooth, block.conv1, stride=2)
            main = small[0].permute(1, 2, 0) + block.bias1
            skip = self._halve(x[2 * first : 2 * (first + len(rows)) + 2])
            torch.add(
                self._activate(main, 1.0),
                torch.mm(skip.flatten(0, 1), block.skip).view(rows.shape),
                out=rows,
            )

        for _ in (self.crew.map if self.crew else map)(halve, range(0, len(target), ROWS)):
            pass

    def _activate(self, x: Tensor, gain: float) -> Tensor:
        """Leaky ReLU of what has the gain in it already."""
        F.leaky_relu_(x, SLOPE)
        if self.config.clamp is not None:
            x.clamp_(-self.config.clamp * gain, self.config.clamp * gain)
        return x

    def _halve(self, x: Tensor) -> Tensor:
        """The inside of x, low-passed, every second pixel: [H / 2, W / 2, C]."""
        taps = self.low_pass.flip(0).tolist()
        height, width = (x.shape[0] - 2) // 2, (x.shape[1] - 2) // 2
        rows: Tensor = x[0 : 2 * height : 2] * taps[0]
        for i in range(1, 4):
            rows.add_(x[i : i + 2 * height : 2], alpha=taps[i])
        both: Tensor = rows[:, 0 : 2 * width : 2] * taps[0]
        for i in range(1, 4):
            both.add_(rows[:, i : i + 2 * width : 2], alpha=taps[i])
        return both


class _Down:
    """A residual block that halves the size; gains and sqrt(1/2) are in its weights."""

    def __init__(self, state: State, name: str, size: tuple[int, int], dtype: torch.dtype) -> None:
        self.size = size
        conv0, self.bias0 = _scaled(state, name + "conv0", GAIN)
        conv1, self.bias1 = _scaled(state, name + "conv1", 1.0)
        skip = state[name + "skip.weight"].float()[:, :, 0, 0]
        self.skip = (skip * math.sqrt(0.5 / skip.shape[1])).t().contiguous()
        self.channels, self.inner = conv1.shape[:2]
        tiles = all(side % winograd.TILE == 0 for side in size)
        self.wide = tiles and math.prod(size) >= FEW
        self.conv0 = (winograd.transform(conv0) if self.wide else conv0).to(dtype)
        self.conv1 = conv1.to(dtype)


class _Space:
    """Zero-bordered maps that a thread uses again and again: fresh memory is slow to get."""

    def __init__(self) -> None:
        self.own = threading.local()

    def padded(self, use: str, height: int, width: int, channels: int, border: int = 1) -> Tensor:
        """A map of that size; its border is zero, and nobody writes there."""
        shape = (height + 2 * border, width + 2 * border, channels)
        kept: dict[str, Tensor] = self.own.__dict__
        name = f"{use} {shape}"
        if name not in kept:
            kept[name] = torch.zeros(shape)
        return kept[name]


def _crew(threads: int) -> Executor | None:
    """Threads beside each other, each of which computes alone."""
    if threads < 2:
        return None
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))


@contextmanager
def _alone() -> Iterator[None]:
    """Have torch's operations use the thread that calls them and no other.

    So small they lose more by waiting for each other than they win, and their last bits depend on
    how many threads share the sums.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _axis(kernel: tuple[float, ...]) -> Tensor:
    """The low-pass of one axis, of gain 1."""
    taps = torch.tensor(kernel, dtype=torch.float32)
    return taps / taps.sum()


def _dense(state: State, name: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a dense layer, as they are used."""
    weight = state[name + ".weight"].float()
    return weight / math.sqrt(weight.shape[1]), state[name + ".bias"].float()


def _scaled(state: State, name: str, gain: float) -> tuple[Tensor, Tensor]:
    weight = state[name + ".weight"].float()
    weight = weight * (gain / math.sqrt(weight[0].numel()))
    return weight.contiguous(memory_format=torch.channels_last), state[name + ".bias"] * gain


def _planes(x: Tensor) -> Tensor:
    """[H, W, C] as torch's convolutions take it."""
    return x.permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)


def _blur(x: Tensor, low_pass: Tensor, padding: int) -> Tensor:
    taps = low_pass.flip(0)
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, padding=padding, groups=x.shape[1])
