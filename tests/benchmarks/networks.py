"""StyleGAN 2 (config-f) on a CPU, as shares of the direct convolution limit of the same run.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/networks.py [RESOLUTION]

The limit: 2 x 9 x in x out x H x W operations over the time of torch's own 3x3 convolution of 256
channels at 128 x 128, same dtype, same threads. Best of several runs, taken in turn.
"""

import copy
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import torch
import torch.nn.functional as F

from animetools.networks import fast
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2 import cpu_synthesis, cpu_trunk
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

ROUNDS = 5


def main() -> None:
    resolution = int(sys.argv[1]) if len(sys.argv) > 1 else 512
    channels = tuple(min(32768 >> i, 512) for i in range(2, int(math.log2(resolution)) + 1))
    torch.manual_seed(0)
    generator = stylegan2.Generator(StyleGAN2GeneratorConfig(MappingConfig(), channels)).eval()
    discriminator = stylegan2.Discriminator(StyleGAN2DiscriminatorConfig(channels)).eval()
    ws = generator.mapping(torch.randn(4, 512)).detach()
    images = torch.rand(4, 3, resolution, resolution) * 2 - 1
    conv = operations(channels, up=True)
    down = operations(channels, up=False)
    sys.stdout.write(f"{resolution} px: generator {conv:.0f} GFLOP, discriminator {down:.0f}\n")
    for threads in sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(threads)
        for dtype in (torch.float32, torch.bfloat16):
            with fast.thread_pool(threads) as pool:
                measure(generator, discriminator, ws, images, (conv, down), threads, pool, dtype)


@torch.inference_mode()
def measure(
    generator: Any,
    discriminator: Any,
    ws: torch.Tensor,
    images: torch.Tensor,
    work: tuple[float, float],
    threads: int,
    pool: Executor | None,
    dtype: torch.dtype,
) -> None:
    """One line per way, in shares of the limit."""
    rounds = ROUNDS if dtype == torch.float32 else 1
    x, weight = torch.randn(1, 256, 128, 128, dtype=dtype), torch.randn(256, 256, 3, 3, dtype=dtype)
    last = torch.channels_last
    flat, flat_weight = x.to(memory_format=last), weight.to(memory_format=last)
    draw = cpu_synthesis.Synthesis(generator.config, generator.state_dict(), dtype, pool)
    look = cpu_trunk.Trunk(discriminator.config, discriminator.state_dict(), dtype)
    plain = copy.deepcopy(generator).to(dtype)
    ways: dict[str, Callable[[], object]] = {
        "limit": lambda: F.conv2d(x, weight, padding=1),
        "limit, channels last": lambda: F.conv2d(flat, flat_weight, padding=1),
        "generator, 1 image": lambda: draw(ws[:1]),
        "generator, 4 images": lambda: draw(ws),
        "discriminator, 1 image": lambda: look(images[:1]),
    }
    if dtype == torch.float32:
        ways["plain module, 1 image"] = lambda: plain.synthesis(ws[:1])
        ways["plain discriminator"] = lambda: discriminator(images[:1])
    best = dict.fromkeys(ways, math.inf)
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn or rounds == 1:  # the first warms up
                best[name] = min(best[name], time.perf_counter() - start)
    one = 2 * 9 * 256 * 256 * 128 * 128 / 1e9
    limit = one / best["limit"]
    sys.stdout.write(
        f"{threads} thread(s), {dtype}: limit {limit:.1f} GFLOP/s"
        f" (channels last {one / best['limit, channels last']:.1f})\n"
    )
    for name in list(ways)[2:]:
        count = 4 if "4" in name else 1
        rate = work["discriminator" in name] * count / best[name]
        sys.stdout.write(f"  {name:24} {best[name]:7.3f} s  {rate / limit:6.1%} of the limit\n")
    exact, rough = generator.synthesis(ws[:1]), draw(ws[:1])
    error = (exact - rough).abs().max() / exact.abs().max()
    # Pictures are cut to -1..1; random weights give what range they like: take 3 deviations each way.
    psnr = 20 * math.log10(6 * exact.std() / (exact - rough).square().mean().sqrt())
    sys.stdout.write(f"  against the plain module: {error:.1e} of the largest, {psnr:.0f} dB\n")


def operations(channels: tuple[int, ...], *, up: bool) -> float:
    """GFLOP of the 3x3 convolutions of an image, the direct algorithm's."""
    total = 18 * channels[0] ** 2 * 16
    for i in range(1, len(channels)):
        side = 4 << i
        total += 18 * channels[i] ** 2 * side**2
        total += 18 * channels[i] * channels[i - 1] * side**2 // 4
    return total / 1e9


if __name__ == "__main__":
    main()
