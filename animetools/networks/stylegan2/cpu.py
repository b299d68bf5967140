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
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

GAIN = math.sqrt(2)
SLOPE = 0.2
FEW = 16 * 16  # pixels: below, a convolution reads more weights than image

State = dict[str, Tensor]


class Space:
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


@contextmanager
def alone() -> Iterator[None]:
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


def low_pass(kernel: tuple[float, ...]) -> Tensor:
    """The low-pass of one axis, of gain 1."""
    taps = torch.tensor(kernel, dtype=torch.float32)
    return taps / taps.sum()


def activate(x: Tensor, clamp: float | None, gain: float = GAIN) -> Tensor:
    """Leaky ReLU, in place, of what has the gain in it already."""
    F.leaky_relu_(x, SLOPE)
    if clamp is not None:
        x.clamp_(-clamp * gain, clamp * gain)
    return x


def planes(x: Tensor) -> Tensor:
    """[H, W, C] as torch's convolutions take it."""
    return x.permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)


def blur(x: Tensor, low_pass: Tensor, padding: int) -> Tensor:
    """Each channel of x [1, C, H, W] by the low-pass [4], along both axes."""
    taps = low_pass.flip(0)
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, padding=padding, groups=x.shape[1])
