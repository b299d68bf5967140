"""Winograd's algorithm for batches that a network learns from.

The images of a batch are shared out between threads, so that no number depends on how many there are.
"""

import functools
import math
from concurrent.futures import Executor, ThreadPoolExecutor

import torch
from torch import Tensor

from animetools.networks import cpu, winograd

PIXELS = 32 * 32  # smaller images, and fewer channels, are faster by the direct algorithm
WIDE = 128

_space = cpu.Space()


def suits(x: Tensor, weight: Tensor) -> bool:
    """Whether `convolve` is faster than torch's convolution of x [n, I, H, W] and weight.

    Never while torch traces a module: other programs, which get what it writes, have no such operations.
    """
    return (
        not torch.compiler.is_compiling()
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and winograd.Packed.here
        and weight.shape[2:] == (3, 3)
        and min(weight.shape[:2]) >= WIDE
        and math.prod(x.shape[2:]) >= PIXELS
        and all(side % winograd.TILE == 0 for side in x.shape[2:])
    )


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """x [n, I, H, W] through weight [O, I, 3, 3] with zeros around it: [n, O, H, W], channels last.

    All float32. Differs from the direct algorithm by 4e-6 of the result, which itself is off by 1e-6.
    """
    pixels = x.permute(0, 2, 3, 1)
    with cpu.alone():
        products = winograd.weights(weight, torch.float32)
    y = pixels.new_empty(*pixels.shape[:3], len(weight))

    def one(image: int) -> None:
        bordered = _space.padded("image", (1, *pixels.shape[1:]))[0]
        bordered[1:-1, 1:-1] = pixels[image]

        def keep(first: int, end: int, made: Tensor) -> None:
            y[image, first:end] = made

        winograd.convolve(bordered, products, keep)

    threads = torch.get_num_threads()
    cpu.each(one, range(len(x)), pool_of(threads) if threads > 1 else None)
    return y.permute(0, 3, 1, 2)


@functools.cache
def pool_of(threads: int) -> Executor:
    """So many threads, each of which computes alone."""
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
