"""A StyleGAN 3 generator's synthesis on a CPU: the results of the modules, which a test compares.

Images one at a time; channels last, in shares of output channels that threads work on: a share is
convolved, and each few channels of it resampled, activated and scaled for the next layer.
"""

import math
from concurrent.futures import Executor
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from animetools.networks.convolution import channels_last
from animetools.networks.cpu import State, alone, each
from animetools.networks.generator import Noise, check_rows
from animetools.networks.stylegan3.bands import Resampling, lowering, raising, separated
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from animetools.networks.stylegan3.modules import Input, layer_names
from animetools.networks.stylegan3.nonlinearity import GAIN

SHARE = 64  # output channels of a convolution


class Synthesis:
    """From w to images, as the `synthesis` of a StyleGAN 3 generator with that state.

    The threads of the `pool` share the work on an image. In bfloat16 only the convolutions are
    bfloat16.
    """

    def __init__(
        self,
        config: StyleGAN3GeneratorConfig,
        state: State,
        dtype: torch.dtype = torch.float32,
        pool: Executor | None = None,
    ) -> None:
        self.config, self.dtype, self.pool = config, dtype, pool
        with torch.device("meta"):
            self.input = Input(config)
        prefix = "synthesis.input."
        own = {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}
        self.input.load_state_dict(own, assign=True)
        self.input.requires_grad_(False)
        names = layer_names(config)
        known: dict[bytes, Resampling] = {}
        self.layers = [
            _Layer(config, i, state, f"synthesis.{name}.", dtype, known)
            for i, name in enumerate(names[:-1])
        ]
        last = f"synthesis.{names[-1]}."
        self.affine = _dense(state, last + "affine")
        weight = state[last + "weight"].float().flatten(1)
        gain = float(state[last + "magnitude_ema"].float().rsqrt())
        self.to_rgb = weight * (gain / math.sqrt(weight.shape[1]))
        self.bias = state[last + "bias"].float()

    @torch.inference_mode()
    def __call__(
        self, ws: Tensor, noise: Noise = "const", transform: Tensor | None = None
    ) -> Tensor:
        """ws [N, rows, w_dim] to images [N, C, H, W] in about -1..1, float32; there is no noise.

        `transform` [N or 1, 3, 3] replaces the stored one.
        """
        check_rows(ws, len(self.config.layers) + 1, self.config.mapping.w_dim)
        images = []
        with alone():
            for n, w in enumerate(ws.float()):
                moved = None if transform is None else transform[n % len(transform)][None]
                images.append(self._one(w, moved))
        return torch.stack(images)

    def _one(self, w: Tensor, transform: Tensor | None) -> Tensor:
        styles = [layer.style(w[i]) for i, layer in enumerate(self.layers, 1)]
        styles.append(torch.addmv(self.affine[1], self.affine[0], w[-1]))
        x = self.input(w[:1], transform) * styles[0][:, None, None]
        x = channels_last(x)
        for i, layer in enumerate(self.layers):
            x = layer.run(x, styles[i], styles[i + 1], self.pool)
        rgb = torch.addmm(self.bias, x[0].permute(1, 2, 0).flatten(0, 1), self.to_rgb.T)
        if self.config.clamp is not None:
            rgb.clamp_(-self.config.clamp, self.config.clamp)
        rgb.mul_(self.config.output_scale)
        return rgb.view(*x.shape[2:], -1).permute(2, 0, 1).contiguous()


class _Layer:
    """A modulated convolution and the activation at a higher rate.

    The style scales its input, demodulation and the input's gain its output.
    """

    def __init__(
        self,
        config: StyleGAN3GeneratorConfig,
        i: int,
        state: State,
        name: str,
        dtype: torch.dtype,
        known: dict[bytes, Resampling],
    ) -> None:
        weight = state[name + "weight"].float()
        self.outputs, self.padding = len(weight), weight.shape[-1] - 1
        self.affine = _dense(state, name + "affine")
        self.squares = weight.square().sum((2, 3))
        self.gain = state[name + "magnitude_ema"].float().rsqrt()
        self.bias = state[name + "bias"].float()
        self.shares = [channels_last(some.to(dtype)) for some in torch.split(weight, SHARE)]
        self.resampling = _resampling(config, i, state, name, known)

    def style(self, w: Tensor) -> Tensor:
        """The scale [I] of the input."""
        return torch.addmv(self.affine[1], self.affine[0], w)

    def run(self, x: Tensor, style: Tensor, following: Tensor, pool: Executor | None) -> Tensor:
        """x [1, I, H, W], scaled by the style, to the output scaled by the `following` style."""
        # As after the normalization of weights and styles, which cancels but for this 1e-8.
        fan_in = self.shares[0][0].numel()
        size = self.squares.sum(1) / fan_in * style.square().mean()
        scale = (self.squares @ style.square() + 1e-8 * size).rsqrt() * self.gain
        x = x.to(self.shares[0].dtype)
        side, some = self.resampling.out, self.resampling.channels
        out = torch.empty(1, self.outputs, side, side, memory_format=torch.channels_last)

        def share(n: int) -> None:
            full = functional.conv2d(x, self.shares[n], padding=self.padding)[0].float()
            first = n * SHARE
            for at in range(0, len(full), some):
                few = slice(first + at, first + min(at + some, len(full)))
                part = full[at : at + some].permute(1, 0, 2)
                part = torch.addcmul(self.bias[few, None], part, scale[few, None])
                made = self.resampling(part.contiguous())
                torch.mul(made.transpose(0, 1), following[few, None, None], out=out[0, few])

        each(share, range(len(self.shares)), pool)
        return out


def _resampling(
    config: StyleGAN3GeneratorConfig,
    i: int,
    state: State,
    name: str,
    known: dict[bytes, Resampling],
) -> Resampling:
    """A layer's resampling; layers of one shape share it."""
    shape = config.resampled(i)
    one = torch.ones(1)
    up, down = (state.get(f"{name}{way}_filter", one).float() for way in ("up", "down"))
    key = repr(shape).encode() + up.numpy().tobytes() + b"|" + down.numpy().tobytes()
    if key not in known:
        raised = raising(up, shape.up, shape.before, shape.size, shape.inner)
        lower = partial(lowering, down=shape.down, inner=shape.inner, size=shape.out)
        pairs = [(lower(y), lower(x)) for y, x in separated(down)]
        along = math.sqrt(GAIN)  # one of two axes
        known[key] = Resampling(raised * along, pairs, config.clamp)
    return known[key]


def _dense(state: State, name: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a dense layer, scaled."""
    weight = state[name + ".weight"].float()
    return weight / math.sqrt(weight.shape[1]), state[name + ".bias"].float()
