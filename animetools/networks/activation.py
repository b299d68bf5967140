"""Scale, noise, bias, activation and clamp between two convolutions, as one operation.

Each step alone would spend more time on memory than on arithmetic. So a part of the batch that fits
in the cache goes through all of them, forward and backward.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

SLOPES = {"lrelu": 0.2, "relu": 0.0, "linear": 1.0}  # below zero
PART = 1 << 18  # numbers worked on at once on a CPU


def activate(
    x: Tensor,
    bias: Tensor | None,
    kind: str,
    gain: float = 1.0,
    clamp: float | None = None,
    *,
    scale: Tensor | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Scale x [n, C, ...], add noise and bias [C]; "lrelu" (slope 0.2), "relu" or "linear"; times gain.

    scale is [n, C], noise [n, 1, ...], or [...] for all images. The result, in x's precision, is
    clamped to clamp * gain.
    """
    cut = None if clamp is None else clamp * gain
    scale, bias = _like(x, scale), _like(x, bias)
    noise = None if noise is None else _like(x, noise.reshape(-1, 1, *x.shape[2:]))
    if x.dim() != 4 or torch.compiler.is_compiling():
        return _step_by_step(x, scale, bias, noise, SLOPES[kind], gain, cut)
    x = x.contiguous(memory_format=torch.channels_last)
    out: Tensor = _Activate.apply(x, scale, bias, noise, SLOPES[kind], gain, cut)  # type: ignore[no-untyped-call]
    return out


def scaled(x: Tensor, scale: Tensor) -> Tensor:
    """x [n, C, H, W] times scale [n, C], in x's precision."""
    return activate(x, None, "linear", scale=scale)


def _like(x: Tensor, other: Tensor | None) -> Tensor | None:
    return None if other is None else other.to(x.dtype)


def _step_by_step(
    x: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    noise: Tensor | None,
    slope: float,
    gain: float,
    cut: float | None,
) -> Tensor:
    """`activate` step by step."""
    ones = (1,) * (x.dim() - 2)
    if scale is not None:
        x = x * scale.view(*scale.shape, *ones)
    if noise is not None:
        x = x + noise
    if bias is not None:
        x = x + bias.view(-1, *ones)
    if slope != 1:
        x = functional.leaky_relu(x, slope)
    if gain != 1:
        x = x * gain
    return x if cut is None else x.clamp(-cut, cut)


class _Activate(Function):
    """`activate` for images; the positive gain is applied before the activation."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor | None,
        bias: Tensor | None,
        noise: Tensor | None,
        slope: float,
        gain: float,
        cut: float | None,
    ) -> Tensor:
        out = torch.empty_like(x)
        shift = x.new_zeros(1) if bias is None else bias * gain
        for some, (pixels, goal) in _parts(x, out):
            if scale is None:
                torch.add(shift, pixels, alpha=gain, out=goal)
            else:
                torch.addcmul(shift, pixels, (scale[some] * gain)[:, None], out=goal)
            if noise is not None:
                goal.add_(_of(noise, some).flatten(1)[..., None], alpha=gain)
            if slope != 1:
                functional.leaky_relu_(goal, slope)
            if cut is not None:
                goal.clamp_(-cut, cut)
        # Where nothing scales x, its own value is not needed, and the gradient holds one image less.
        ctx.save_for_backward(out if scale is None else x, scale, noise, out)
        ctx.shape = slope, gain, cut
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, noise, out = ctx.saved_tensors
        wants = ctx.needs_input_grad
        if torch.is_grad_enabled():  # this gradient will have a gradient itself
            found = _gradients(grad, x, scale, noise, out, ctx.shape, wants)
        else:
            found = _gradients_in_parts(grad, x, scale, noise, out, ctx.shape, wants)
        return *found, None, None, None


def _gradients(
    grad: Tensor,
    x: Tensor,
    scale: Tensor | None,
    noise: Tensor | None,
    out: Tensor,
    shape: tuple[float, float, float | None],
    wants: tuple[bool, ...],
) -> list[Tensor | None]:
    """The gradients of x, scale, bias and noise, where wanted."""
    slope, gain, cut = shape
    grad = _before_activation(grad, out.detach(), slope, cut) * gain
    return [
        None if not wants[0] else grad if scale is None else grad * scale[:, :, None, None],
        (grad * x).sum((2, 3)) if wants[1] else None,
        grad.sum((0, 2, 3)) if wants[2] else None,
        grad.sum(1, keepdim=True).sum_to_size(noise.shape)
        if noise is not None and wants[3]
        else None,
    ]


def _gradients_in_parts(
    grad: Tensor,
    x: Tensor,
    scale: Tensor | None,
    noise: Tensor | None,
    out: Tensor,
    shape: tuple[float, float, float | None],
    wants: tuple[bool, ...],
) -> list[Tensor | None]:
    """`_gradients` without gradients of their own, computed part by part."""
    slope, gain, cut = shape
    grad = grad.contiguous(memory_format=torch.channels_last)
    full = torch.promote_types(x.dtype, torch.float32)
    of_x = torch.empty_like(x)
    of_scale = x.new_empty(x.shape[:2], dtype=full) if wants[1] else None
    of_bias = x.new_zeros(x.shape[1], dtype=full) if wants[2] else None
    of_noise = torch.zeros_like(noise, dtype=full) if noise is not None and wants[3] else None
    for some, (slopes, pixels, made, goal) in _parts(grad, x, out, of_x):
        slopes = _before_activation(slopes, made, slope, cut)
        if of_scale is not None:
            of_scale[some] = (slopes * pixels).sum(1, dtype=full) * gain
        if of_bias is not None:
            of_bias += slopes.sum((0, 1), dtype=full) * gain
        if of_noise is not None:
            each = slopes.sum(2, dtype=full).mul_(gain).view(-1, 1, *x.shape[2:])
            part = _of(of_noise, some)
            part += each.sum_to_size(part.shape)
        torch.mul(slopes, gain if scale is None else (scale[some] * gain)[:, None], out=goal)
    return [
        of_x if wants[0] else None,
        None if of_scale is None or scale is None else of_scale.to(scale.dtype),
        None if of_bias is None else of_bias.to(x.dtype),
        None if of_noise is None else of_noise.to(x.dtype),
    ]


def _before_activation(grad: Tensor, out: Tensor, slope: float, cut: float | None) -> Tensor:
    """The gradient before the activation and the clamp that gave `out`."""
    if cut is not None:
        grad = torch.ops.aten.hardtanh_backward(grad, out, -cut, cut)
    if slope != 1:
        grad = torch.ops.aten.leaky_relu_backward(grad, out, slope, True)
    return grad


def _of(noise: Tensor, some: slice) -> Tensor:
    """The noise of some images: their own, or that of all images."""
    return noise if len(noise) == 1 else noise[some]


def _parts(*images: Tensor) -> Iterator[tuple[slice, list[Tensor]]]:
    """The images [n, C, H, W] in parts [m, H * W, C]."""
    flat = [each.permute(0, 2, 3, 1).flatten(1, 2) for each in images]
    count = len(flat[0])
    size = count if images[0].is_cuda else max(1, PART * count // max(flat[0].numel(), 1))
    for first in range(0, count, size):
        some = slice(first, first + size)
        yield some, [each[some] for each in flat]
