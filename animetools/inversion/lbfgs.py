"""L-BFGS for several functions at once, each of which goes its own way."""

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[[Tensor], tuple[Tensor, Tensor]]

MEMORY = 20  # pairs of steps and changes of the gradient
SUFFICIENT = 1e-4  # of the decrease that the slope promises
FIRST = 1.0  # length of the first step
SHORTEST = 1e-6  # of a step: below, the direction is worth nothing


def minimize(function: Function, x: Tensor, evaluations: int) -> tuple[Tensor, Tensor]:
    """The lowest points [n, d] and values [n] found from points x [n, d] with so many evaluations.

    `function` gives the values [n] and gradients [n, d] of n points; a row must depend on its own
    point alone, and so does its result. Every evaluation tries a step for each row: one that
    decreases the value enough is taken, another is shortened. Values that are not finite count as
    too high; a row that begins with one stays where it is.

    Source: Nocedal and Wright 2006 (Numerical Optimization), algorithms 7.4, 7.5 and 3.1.
    """
    value, slope = function(x)
    steps = x.new_zeros(min(MEMORY, evaluations), *x.shape)
    changes, inverses = torch.zeros_like(steps), steps.new_zeros(steps.shape[:2])
    direction = _steepest(slope)
    length = torch.ones_like(value)
    for _ in range(evaluations - 1):
        trial = x + length[:, None] * direction
        found, bent = function(trial)
        promised = _dot(slope, direction)
        is_lower = found <= value + SUFFICIENT * length * promised

        # Remember the step, where the function curves upwards along it.
        step, change = trial - x, bent - slope
        curvature = _dot(step, change)
        is_kept = is_lower & (curvature > 1e-8 * _dot(change, change))
        steps = _pushed(steps, step, is_kept)
        changes = _pushed(changes, change, is_kept)
        inverses = _pushed(inverses, 1 / curvature, is_kept)
        x = torch.where(is_lower[:, None], trial, x)
        slope = torch.where(is_lower[:, None], bent, slope)

        # Shorten the step to the lowest point of the parabola through what is known.
        lowest = -promised * length**2 / (2 * (found - value - length * promised))
        shorter = torch.clamp(lowest.nan_to_num(0), 0.1 * length, 0.5 * length)
        value = torch.where(is_lower, found, value)
        is_lost = ~is_lower & (shorter < SHORTEST)
        inverses = torch.where(is_lost, 0, inverses)
        length = torch.where(is_lower | is_lost, 1, shorter)

        new = _quasi_newton(slope, steps, changes, inverses)
        is_downhill = (_dot(new, slope) < 0) & inverses.any(0)
        new = torch.where(is_downhill[:, None], new, _steepest(slope))
        direction = torch.where((is_lower | is_lost)[:, None], new, direction)
    return x, value


def _steepest(slope: Tensor) -> Tensor:
    length = slope.square().sum(1, keepdim=True).sqrt()
    return -FIRST * slope / length.clamp_min(1e-12)


def _quasi_newton(slope: Tensor, steps: Tensor, changes: Tensor, inverses: Tensor) -> Tensor:
    """Minus the slope times the approximate inverse Hessian; pairs with an inverse of 0 are empty."""
    q = slope
    shares = []
    for step, change, inverse in reversed(list(zip(steps, changes, inverses, strict=True))):
        share = inverse * _dot(step, q)
        q = q - share[:, None] * change
        shares.append(share)
    scale = 1 / (inverses[-1] * _dot(changes[-1], changes[-1])).clamp_min(1e-12)
    q = q * scale[:, None]
    for step, change, inverse in zip(steps, changes, inverses, strict=True):
        q = q + (shares.pop() - inverse * _dot(change, q))[:, None] * step
    return -q


def _pushed(past: Tensor, new: Tensor, where: Tensor) -> Tensor:
    """The last [m, n, ...] with the new [n, ...] behind them, and without the first, in some rows."""
    moved = torch.cat([past[1:], new[None]])
    return torch.where(where.reshape(1, -1, *[1] * (new.dim() - 1)), moved, past)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(1)
