"""StyleGAN 2 on a CPU, for sampling and ranking: no autograd, weights prepared once.

The results of the modules (a test compares them) in a form that suits a CPU: maps are [n, H, W, C]
with the border that the next convolution needs; convolutions of many channels use Winograd's
algorithm, others oneDNN's direct one; and everything that follows a convolution is done while its rows are in
the cache. An image never depends on those beside it: large maps are computed alone, small ones in
groups of a fixed size. The form of a layer follows from its shape alone, so every run gives the same
bits. In bfloat16 all is bfloat16 but Winograd's sums.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.networks import winograd
from animetools.networks.convolution import channels_last
from animetools.networks.cpu import GROUP, each
from animetools.networks.onednn import Convolution

GAIN = math.sqrt(2)
SLOPE = 0.2
ALIGNED = 16  # numbers, 64 bytes: the last bits of MKL's sums depend on where images begin
FEW = 16 * 16  # pixels: up to that, a convolution reads more weights than pixels
# Channels: from there on Winograd's algorithm is faster than the direct one.
WIDE = {torch.float32: 128, torch.bfloat16: 256}
BAND = 1 << 21  # numbers of a map that are computed at once: they stay in the cache
GROUPED = 1 << 18  # numbers of a group's maps, at most, and of the weights
LIGHT = 8  # times as many numbers as its weights has a map, where scaling them is less work


def at_once(size: Sequence[int], weight: Tensor) -> int:
    """For how many images a layer makes its maps of this size at once: 1, or a part of a group.

    More than one where maps and weights are so small that the calls of torch would cost the most.
    """
    if weight.numel() > GROUPED:
        return 1
    fit = GROUPED // (math.prod(size) * weight.shape[0])
    return GROUP if fit >= GROUP else 2 if fit >= 2 else 1


def by_winograd(weight: Tensor, size: Sequence[int], dtype: torch.dtype) -> bool:
    """Whether Winograd's algorithm suits a convolution [O, I, 3, 3] of a map of this size."""
    tiles = all(side % winograd.TILE == 0 for side in size)
    return tiles and math.prod(size) > FEW and min(weight.shape[:2]) >= WIDE[dtype]


def in_bands(
    work: Callable[[int, int], None], height: int, step: int, pool: Executor | None
) -> None:
    """Call work(first, end) for all rows of a map, so many at once; the threads of the pool share them."""
    each(lambda first: work(first, min(first + step, height)), range(0, height, step), pool)


def rows_in_band(rows: int, row: int) -> int:
    """How many of the rows, of so many numbers each, a convolution computes at once; an even number."""
    fit = BAND // row
    return min(max(2, fit - fit % 2), rows)


def products(x: Tensor, matrix: Tensor) -> Tensor:
    """x [n, rows, I] by a matrix [I, O], each of the n alone.

    In one product of all rows, the last bits of a row may depend on its place.
    """
    return torch.bmm(x, matrix.expand(len(x), -1, -1))


def low_pass(kernel: tuple[float, ...]) -> Tensor:
    """The low-pass of one axis, of gain 1."""
    taps = torch.tensor(kernel, dtype=torch.float32)
    return taps / taps.sum()


def activate(x: Tensor, limit: float | None) -> Tensor:
    """Leaky ReLU, in place; x has the gain in it already."""
    return clamp(F.leaky_relu_(x, SLOPE), limit)


def clamp(x: Tensor, limit: float | None, gain: float = GAIN) -> Tensor:
    """x within the limit, in place; x has the gain in it already."""
    return x if limit is None else x.clamp_(-limit * gain, limit * gain)


def planes(x: Tensor) -> Tensor:
    """[n, H, W, C] as [n, C, H, W], channels last, for torch's convolutions."""
    return channels_last(x.permute(0, 3, 1, 2))


def blurring(
    low_pass: Tensor,
    channels: int,
    dtype: torch.dtype,
    *,
    stride: int = 1,
    padding: int = 0,
    bias: Tensor | None = None,
) -> Convolution:
    """The filter of each channel by the low-pass [4] along both axes."""
    taps = low_pass.flip(0)
    kernel = torch.outer(taps, taps).to(dtype).repeat(channels, 1, 1, 1)
    return Convolution(kernel, stride=stride, padding=padding, groups=channels, bias=bias)
