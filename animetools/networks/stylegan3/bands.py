"""StyleGAN 3's resampling on a CPU: a filter along an axis is a banded matrix, cut into dense blocks.

A picture x becomes D act(U x U') D', where U raises the sampling rate and D lowers it. Each block of
either is a small matrix product with a slice of its input, which processors do near their limit.
Several channels go through all steps together, a block of rows at a time, so that the picture at the
higher rate, the largest of all, is never whole and stays in the cache. Pictures are [H, C, W]: then
products along both axes are of plain matrices.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from animetools.networks.activation import SLOPES
from animetools.networks.cpu import Space

BLOCK = 64  # samples of the higher rate along an axis
WORKED = 1 << 17  # numbers at the higher rate that are worked on at once
FAINT = 3e-7  # of the largest singular value: what float32 does not show in the result


@dataclass(frozen=True)
class Block:
    """Outputs `first` to `end` of a banded matrix: a dense one of the inputs `start` to `stop`."""

    first: int
    end: int
    start: int
    stop: int
    matrix: Tensor  # [outputs, inputs]


Bands = list[Block]


def bands_of(matrix: Tensor, block: int) -> Bands:
    """A matrix [outputs, inputs] in blocks of so many outputs."""
    found = []
    for first in range(0, len(matrix), block):
        rows = matrix[first : first + block]
        used = rows.any(0).nonzero().flatten().tolist() or [0]
        start, stop = used[0], used[-1] + 1
        part = rows[:, start:stop].contiguous()
        found.append(Block(first, first + len(rows), start, stop, part))
    return found


def raising(taps: Tensor, up: int, before: int, size: int, inner: int) -> Tensor:
    """The matrix [inner, size] of samples spread `up` apart, `before` padded or cropped, and filtered."""
    at = torch.arange(inner)[:, None] - before + len(taps) - 1 - up * torch.arange(size)
    inside = (at >= 0) & (at < len(taps))
    return taps[at.clamp(0, len(taps) - 1)] * inside * up


def lowering(taps: Tensor, down: int, inner: int, size: int) -> Tensor:
    """The matrix [size, inner] of a filter, and every down-th sample."""
    at = torch.arange(inner) - down * torch.arange(size)[:, None]
    inside = (at >= 0) & (at < len(taps))
    return taps[at.clamp(0, len(taps) - 1)] * inside


def separated(taps: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Pairs of filters along y and x whose products add up to taps [m, m], or [m] along both."""
    if taps.dim() == 1:
        return [(taps, taps)]
    left, values, right = torch.linalg.svd(taps.double())
    count = max(1, int((values > FAINT * values[0]).sum()))
    roots = values[:count].sqrt()
    columns, rows = (left[:, :count] * roots).T.float(), (right[:count] * roots[:, None]).float()
    return list(zip(columns, rows, strict=True))


class Resampling:
    """The activation of a layer at its higher rate, for some channels of one image at a time."""

    def __init__(
        self,
        up: Tensor,
        downs: list[tuple[Tensor, Tensor]],
        clamp: float | None,
    ) -> None:
        """`up` [inner, size]; `downs` are pairs of [out, inner] along y and x, which are added up.

        The gain of the activation is in `up`.
        """
        self.clamp = clamp
        self.inner, self.size = up.shape
        self.out = len(downs[0][0])
        self.up = bands_of(up, BLOCK)
        lower = max(1, BLOCK * self.out // self.inner)
        self.downs = [(bands_of(y, lower), bands_of(x, lower)) for y, x in downs]
        self.channels = max(1, WORKED // (BLOCK * self.inner))
        self.space = Space()

    def __call__(self, x: Tensor) -> Tensor:
        """x [size, C, size] to [out, C, out], which is valid until the thread's next call."""
        count, inner, out = x.shape[1], self.inner, self.out
        wide = self.space.map("wide", (len(x), count, inner))
        low = [self.space.map(f"low {n}", (inner, count, out)) for n in range(len(self.downs))]
        made = self.space.map("made", (out, count, out))
        _along_x(self.up, x, wide)
        for block in self.up:
            rows = self.space.map("rows", (block.end - block.first, count, inner))
            flat = wide[block.start : block.stop].flatten(1)
            torch.mm(block.matrix, flat, out=rows.flatten(1))
            functional.leaky_relu_(rows, SLOPES["lrelu"])
            if self.clamp is not None:
                rows.clamp_(-self.clamp, self.clamp)
            for (_, bands), part in zip(self.downs, low, strict=True):
                _along_x(bands, rows, part[block.first : block.end])
        for n, ((bands, _), part) in enumerate(zip(self.downs, low, strict=True)):
            for block in bands:
                goal = made[block.first : block.end].flatten(1)
                flat = part[block.start : block.stop].flatten(1)
                torch.addmm(goal, block.matrix, flat, beta=min(n, 1), out=goal)
        return made


def _along_x(bands: Bands, x: Tensor, out: Tensor) -> None:
    """The product with each row of x [H, C, inputs], into out [H, C, outputs]."""
    rows, goal = x.flatten(0, 1), out.flatten(0, 1)
    for block in bands:
        torch.mm(
            rows[:, block.start : block.stop],
            block.matrix.T,
            out=goal[:, block.first : block.end],
        )
