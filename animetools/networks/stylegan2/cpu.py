"""StyleGAN 2 on a CPU, for sampling and ranking: no autograd, weights prepared once.

The results of the modules (a test compares them) in a form that suits a CPU: images one at a time,
so that none depends on its batch; [H, W, C] with the border that the next convolution needs; large
maps by Winograd's algorithm; and everything that follows a convolution done while its rows are in
the cache. The form of a layer follows from its shape alone, so every run gives the same bits.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

GAIN = math.sqrt(2)
SLOPE = 0.2
FEW = 16 * 16  # pixels: below that, a convolution reads more weights than pixels

State = dict[str, Tensor]


class Space:
    """Zero-bordered maps that each thread reuses: new memory is slow."""

    def __init__(self) -> None:
        self.own = threading.local()

    def padded(self, use: str, height: int, width: int, channels: int, border: int = 1) -> Tensor:
        """A map of this size, whose border is zero and must stay so."""
        shape = (height + 2 * border, width + 2 * border, channels)
        kept: dict[str, Tensor] = self.own.__dict__
        name = f"{use} {shape}"
        if name not in kept:
            kept[name] = torch.zeros(shape)
        return kept[name]


@contextmanager
def alone() -> Iterator[None]:
    """Have torch's operations run in the calling thread only.

    Such small ones lose more by synchronizing than they gain, and their last bits depend on how
    many threads share the sums.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def low_pass(kernel: tuple[float, ...]) -> Tensor:
    """The low-pass of one axis, of gain 1."""
    taps = torch.tensor(kernel, dtype=torch.float32)
    return taps / taps.sum()


def activate(x: Tensor, clamp: float | None, gain: float = GAIN) -> Tensor:
    """Leaky ReLU, in place; x has the gain in it already."""
    F.leaky_relu_(x, SLOPE)
    if clamp is not None:
        x.clamp_(-clamp * gain, clamp * gain)
    return x


def planes(x: Tensor) -> Tensor:
    """[H, W, C] as [1, C, H, W], channels last, for torch's convolutions."""
    return x.permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)


def blur(x: Tensor, low_pass: Tensor, padding: int) -> Tensor:
    """Each channel of x [1, C, H, W] by the low-pass [4], along both axes."""
    taps = low_pass.flip(0)
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, padding=padding, groups=x.shape[1])
