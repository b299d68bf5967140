"""How fast sgtrain learns on a CPU, as a share of the processor's own limit, in one run.

PYTHONPATH=. .venv/bin/python tests/benchmarks/training.py [--dtype bf16] [--profile] [--batch 16]

The network is `ada` at 64 px: channel base 16384, at most 512 channels, two layers of mapping, ADA
at p 0.2, R1 every 16 iterations, path lengths every 4, mixing 0.9. The limit is torch's direct convolution
of 256 channels at 128 x 128, in the same precision and with the same threads; both in CPU seconds, so that
other work on the machine matters little. Each phase is timed alone, and a kimg is made up of them. Their
operations are those of the direct algorithm, whichever computes them.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from animetools.networks import winograd_batch
from animetools.networks.cpu import keep_freed_memory
from animetools.training.architecture import networks
from animetools.training.augment import Ada
from animetools.training.config import preset
from animetools.training.gan import GAN
from animetools.training.networks import new_networks


def seconds_since(start: float) -> float:
    """CPU seconds a thread."""
    return (time.process_time() - start) / torch.get_num_threads()


def limit(dtype: torch.dtype) -> float:
    """Operations a second of torch's direct convolution: the better of both memory formats."""
    best = 0.0
    for form in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(1, 256, 128, 128, dtype=dtype).contiguous(memory_format=form)
        weight = torch.randn(256, 256, 3, 3, dtype=dtype).contiguous(memory_format=form)
        with torch.no_grad():
            for _ in range(8):
                start = time.process_time()
                functional.conv2d(x, weight, padding=1)
                spent = seconds_since(start)
                best = max(best, 2 * 9 * 256 * 256 * 128 * 128 / spent)
    return best


def seconds(work: Callable[[], object], times: int) -> float:
    """CPU seconds a thread, the least of several runs."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        work()
        spent.append(seconds_since(start))
    return min(spent)


def operations(work: Callable[[], object]) -> float:
    """Those of the work's convolutions and products by the direct algorithm."""
    with (
        patch.object(winograd_batch, "suits", return_value=False),
        FlopCounterMode(display=False) as counter,
    ):
        work()
    return float(counter.get_total_flops())


def phases(gan: GAN, reals: Tensor) -> dict[str, tuple[Callable[[], object], int]]:
    """The work of each phase of training, and the iterations from one of it to the next."""
    count, some = len(reals), len(reals) // 2

    def g_main() -> None:
        gan.g.begin()
        gan.phases.generator_gradients(gan.draw(count))
        gan.g.step()

    def g_reg() -> None:
        gan.g.begin()
        gan.phases.path_length_gradients(gan.draw(some), gan.directions(some), gan.path_mean)
        gan.g.step()

    def d_main() -> None:
        gan.d.begin()
        gan.phases.discriminator_gradients(gan.draw(count), reals, None)
        gan.d.step()

    def d_reg() -> None:
        gan.d.begin()
        gan.phases.r1_gradients(reals, None)
        gan.d.step()

    of_g, of_d = gan.phases.intervals
    found: dict[str, tuple[Callable[[], object], int]]
    found = {"Gmain": (g_main, 1), "Dmain": (d_main, 1), "Dreg": (d_reg, of_d)}
    return found | ({"Greg": (g_reg, of_g)} if gan.config.pl_weight else {})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dtype", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--base", type=int, default=16384)
    parser.add_argument("--max", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()

    config = replace(
        preset("ada", 64),
        batch=f"{options.batch}",
        channel_base=options.base,
        channel_max=options.max,
        dtype=options.dtype,
        p=0.2,
    )
    pair = networks(config, 64, 64, 3, 0)
    precision = {"fp32": None, "bf16": torch.bfloat16}[options.dtype]
    gan = GAN(*new_networks(*pair, 0), config, augment=Ada(), precision=precision)
    reals = torch.rand(options.batch, 3, 64, 64) * 2 - 1
    limits, spent, counted = [limit(precision or torch.float32)], 0.0, 0.0
    for name, (work, interval) in phases(gan, reals).items():
        count = operations(work) / options.batch
        if options.profile:
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
                work()
            print(name, seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=18))
        each = seconds(work, options.times) / options.batch
        limits.append(limit(precision or torch.float32))
        spent, counted = spent + each / interval, counted + count / interval
        print(
            f"{name}: {each:.3f} s an image, every {interval}; {count / 1e9:.0f} GFLOP, "
            f"{count / each / max(limits):.0%} of the limit",
            flush=True,
        )
    best = max(limits)
    print(
        f"{options.dtype}: {1000 * spent:.0f} s/kimg, {counted / 1e9:.0f} GFLOP an image; limit "
        f"{best / 1e9:.0f} GFLOP/s ({', '.join(f'{each / 1e9:.0f}' for each in limits)}): "
        f"{counted / spent / best:.0%} of it"
    )


if __name__ == "__main__":
    main()
