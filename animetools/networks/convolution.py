"""Convolutions whose derivatives of any order are convolutions again.

A convolution y = x * w is linear in both. Its gradient with respect to x is a transposed
convolution of y's gradient, its gradient with respect to w correlates x with y's gradient; and the
gradients of these two are of the same three kinds. torch's own second derivatives are slow on any
device: they compute a weight's gradient as a convolution with a kernel as large as the image, and a
filter's channel by channel.

Tensors are kept channels last, the order that is fastest on all devices.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from animetools.networks import winograd_batch


@dataclass(frozen=True)
class Steps:
    """Stride and padding, of both axes or of y and x, and groups."""

    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    groups: int = 1  # 1, or the number of channels

    @property
    def strides(self) -> tuple[int, int]:
        """Along y and x."""
        return self.stride if isinstance(self.stride, tuple) else (self.stride, self.stride)

    @property
    def paddings(self) -> tuple[int, int]:
        """Along y and x."""
        return self.padding if isinstance(self.padding, tuple) else (self.padding, self.padding)


SAME = Steps(padding=1)  # a 3x3 convolution that keeps the size


def convolve(x: Tensor, weight: Tensor, steps: Steps) -> Tensor:
    """x [n, I, H, W] through weight [O, I / groups, k, l]: [n, O, h, w]."""
    out: Tensor = _Convolve.apply(channels_last(x), channels_last(weight), steps)  # type: ignore[no-untyped-call]
    return out


def spread(y: Tensor, weight: Tensor, steps: Steps, size: tuple[int, int]) -> Tensor:
    """The transposed convolution: y [n, O, h, w] to [n, I, *size], `size` being one from
    which `convolve` with the same weight gives h and w.
    """
    out: Tensor = _Spread.apply(channels_last(y), channels_last(weight), steps, size)  # type: ignore[no-untyped-call]
    return out


@contextmanager
def weights_fixed() -> Iterator[None]:
    """Compute no gradients with respect to weights within it.

    autograd.grad(y, x) does not tell a Function that the other gradients are not wanted.
    """
    global _fixed
    before, _fixed = _fixed, True
    try:
        yield
    finally:
        _fixed = before


_fixed = False  # for all threads: torch computes a GPU's gradients in threads of its own


def channels_last(x: Tensor) -> Tensor:
    """x in the order in which convolutions are fastest."""
    return x.contiguous(memory_format=torch.channels_last)


class _Convolve(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, steps: Steps) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        ctx.steps, ctx.size = steps, x.shape[2:]
        return _convolved(x, weight, steps)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        return (
            spread(slope, weight, ctx.steps, ctx.size) if ctx.needs_input_grad[0] else None,
            _correlate(x, slope, ctx.steps, weight) if ctx.needs_input_grad[1] else None,
            None,
        )


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, steps: Steps, size: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(y if ctx.needs_input_grad[1] else None, weight)
        ctx.steps = steps
        return _transposed(y, weight, steps, size)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        y, weight = ctx.saved_tensors
        return (
            convolve(slope, weight, ctx.steps) if ctx.needs_input_grad[0] else None,
            _correlate(slope, y, ctx.steps, weight) if ctx.needs_input_grad[1] else None,
            None,
            None,
        )


class _Correlate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, steps: Steps, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.steps = steps
        if y.dtype == torch.float32 and not y.is_cuda and max(steps.strides) > 1:
            # oneDNN takes twice as long channels last
            x, y, weight = x.contiguous(), y.contiguous(), weight.contiguous()
        return _gradients(y, x, weight, steps, (False, True))[1]

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        return (
            spread(y, slope, ctx.steps, x.shape[2:]) if ctx.needs_input_grad[0] else None,
            convolve(x, slope, ctx.steps) if ctx.needs_input_grad[1] else None,
            None,
            None,
        )


def _correlate(x: Tensor, y: Tensor, steps: Steps, weight: Tensor) -> Tensor | None:
    """The gradient of the weight, from x and the output's gradient y."""
    if _fixed:
        return None
    out: Tensor = _Correlate.apply(channels_last(x), channels_last(y), steps, weight.detach())  # type: ignore[no-untyped-call]
    return out


def _convolved(x: Tensor, weight: Tensor, steps: Steps) -> Tensor:
    if steps == SAME and winograd_batch.suits(x, weight):
        return winograd_batch.convolve(x, weight)
    return functional.conv2d(x, weight, None, steps.stride, steps.padding, 1, steps.groups)


def _transposed(y: Tensor, weight: Tensor, steps: Steps, size: tuple[int, int]) -> Tensor:
    kernel, strides, paddings = weight.shape[2:], steps.strides, steps.paddings
    if steps == SAME and winograd_batch.suits(y, weight):
        return winograd_batch.convolve(y, weight.flip(2, 3).transpose(0, 1))
    if steps.groups > 1 and strides == (1, 1):  # the same, and faster
        around = [length - 1 - zeros for length, zeros in zip(kernel, paddings, strict=True)]
        return functional.conv2d(y, weight.flip(2, 3), None, 1, around, 1, steps.groups)
    if y.dtype == torch.bfloat16 and not y.is_cuda:  # oneDNN is slow at conv_transpose2d
        if steps.groups > 1:  # and at grouped ones in bfloat16
            return _transposed(y.float(), weight.float(), steps, size).to(y.dtype)
        like = torch.empty(
            (len(y), weight.shape[1], *size), dtype=y.dtype, memory_format=torch.channels_last
        )
        return _gradients(y, like, weight, steps, (True, False))[0]
    more = [
        full - (part - 1) * stride - length + 2 * zeros
        for full, part, length, stride, zeros in zip(
            size, y.shape[2:], kernel, strides, paddings, strict=True
        )
    ]
    return functional.conv_transpose2d(y, weight, None, strides, paddings, more, steps.groups)


def _gradients(
    y: Tensor, x: Tensor, weight: Tensor, steps: Steps, which: tuple[bool, bool]
) -> list[Tensor]:
    """torch's gradients of x and weight, where `which` is true."""
    groups = steps.groups
    found: list[Tensor] = torch.ops.aten.convolution_backward(
        y, x, weight, None, steps.strides, steps.paddings, [1, 1], False, [0, 0], groups,
        (*which, False),
    )  # fmt: skip
    return found
