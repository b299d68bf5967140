"""StyleGAN 3 on a CPU: the form that sggen uses, against torch's operations one after the other.

    .venv/bin/python -m tests.benchmarks.stylegan3 [--size 256] [--radial]

A network of random weights and the paper's channels draws one image in both ways; the second is the
arithmetic of the paper as it is written: weights scaled for the image, zeros between the samples,
the filters as depthwise convolutions. Prints the CPU seconds of each and of the module, their ratios,
and the largest difference as a share of the largest value.
"""

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from animetools.networks.config import MappingConfig
from animetools.networks.fast import synthesis
from animetools.networks.stylegan3.config import StyleGAN3GeneratorConfig
from animetools.networks.stylegan3.design import config_of
from animetools.networks.stylegan3.modules import Generator, Layer


def plain(generator: Generator, ws: Tensor) -> Tensor:
    """An image by torch's operations, one after the other."""
    x: Tensor = generator.synthesis.input(ws[:, 0])
    for i, layer in enumerate(generator.synthesis.layers):
        x = _layer(layer, x, ws[:, i + 1], generator.config, i)
    return x * generator.config.output_scale


def _layer(layer: Layer, x: Tensor, w: Tensor, config: StyleGAN3GeneratorConfig, i: int) -> Tensor:
    clamp, style = config.clamp, layer.affine(w)
    weight: Tensor = layer.weight
    if layer.is_to_rgb:
        weight = weight * (style[0] / math.sqrt(style.shape[1]))[:, None, None]
    else:
        weight = weight * weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
        weight = weight * (style * style.square().mean().rsqrt())[0, :, None, None]
        weight = weight * (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
    weight = weight * layer.magnitude_ema.rsqrt()
    x = functional.conv2d(x, weight, padding=weight.shape[-1] - 1) + layer.bias[:, None, None]
    if layer.is_to_rgb:
        return x if clamp is None else x.clamp(-clamp, clamp)
    n, channels, side, _ = x.shape
    up, down = config.layers[i].up, config.layers[i].down
    spread = x.new_zeros(n, channels, side, up, side, up)
    spread[:, :, :, 0, :, 0] = x
    x = functional.pad(spread.view(n, channels, side * up, -1), config.padding(i) * 2)
    x = _filtered(x, layer.up_filter, up)
    x = functional.leaky_relu(x, 0.2) * math.sqrt(2)
    x = x if clamp is None else x.clamp(-clamp, clamp)
    x = _filtered(x, layer.down_filter)
    return x[:, :, ::down, ::down]


def _filtered(x: Tensor, taps: Tensor | None, gain: float = 1) -> Tensor:
    if taps is None:
        return x
    channels = x.shape[1]
    if taps.dim() == 2:
        return functional.conv2d(x, taps.expand(channels, 1, -1, -1), groups=channels)
    kernel = (taps * gain).expand(channels, 1, 1, -1)
    x = functional.conv2d(x, kernel, groups=channels)
    return functional.conv2d(x, kernel.transpose(2, 3), groups=channels)


def seconds(draw: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """CPU seconds, and what was drawn."""
    before = time.process_time()
    made = draw()
    return time.process_time() - before, made


def new(config: StyleGAN3GeneratorConfig) -> Generator:
    """A network of random weights, with magnitudes of 1."""
    torch.manual_seed(0)
    return Generator(config).eval().requires_grad_(False)


@torch.inference_mode()
def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--radial", action="store_true", help="config R")
    parser.add_argument("--channels", type=int, default=0, help="most channels [512, or 1024 of R]")
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = config_of(
        given.size, MappingConfig(layers=2), radial=given.radial, channel_max=given.channels
    )
    generator = new(config)
    ws = generator.mapping(torch.randn(1, 512))
    draw = synthesis(generator, torch.device("cpu"), torch.float32)
    draw(ws, "const")
    (ours, found), (theirs, wanted) = (
        seconds(lambda: draw(ws, "const")),
        seconds(lambda: plain(generator, ws)),
    )
    module, again = seconds(lambda: generator.synthesis(ws))
    worst = max(float((x - wanted).abs().max() / wanted.abs().max()) for x in (found, again))
    print(
        f"{config.architecture}, {given.size} px: {ours:.2f} s, plain torch {theirs:.2f} s, module {module:.2f} s"
    )
    print(
        f"ratio {theirs / ours:.2f}, to the module {module / ours:.2f}, largest difference {worst:.1e}"
    )


if __name__ == "__main__":
    main()
