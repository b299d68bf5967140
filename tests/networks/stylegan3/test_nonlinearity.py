"""StyleGAN 3's activation and its gradients, against the arithmetic as it is written."""

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from animetools.networks.stylegan3.config import Resampled
from animetools.networks.stylegan3.filters import low_pass
from animetools.networks.stylegan3.nonlinearity import filtered


def shape_of(size: int, out: int, up: int, down: int, taps: tuple[int, int]) -> Resampled:
    """How maps are resampled so that no sample moves."""
    inner = (out - 1) * down + taps[1]
    total = inner - size * up + taps[0] - 1
    return Resampled(size, inner, out, up, down, (total + up) // 2)


def plain(
    x: Tensor, shape: Resampled, up: Tensor | None, down: Tensor | None, clamp: float | None
) -> Tensor:
    """Zeros between the samples, padding or a crop, and each filter as one square convolution."""
    n, channels, side, _ = x.shape
    spread = x.new_zeros(n, channels, side, shape.up, side, shape.up)
    spread[:, :, :, 0, :, 0] = x
    length = 1 if up is None else len(up)
    after = shape.inner + length - 1 - side * shape.up - shape.before
    x = functional.pad(spread.view(n, channels, side * shape.up, -1), (shape.before, after) * 2)
    for taps, gain in ((up, shape.up**2), (None, 0), (down, 1)):
        if taps is not None:
            square = taps if taps.dim() == 2 else torch.outer(taps, taps)
            x = functional.conv2d(x, gain * square.expand(channels, 1, -1, -1), groups=channels)
        elif gain == 0:
            x = functional.leaky_relu(x, 0.2) * math.sqrt(2)
            x = x if clamp is None else x.clamp(-clamp, clamp)
    return x[:, :, :: shape.down, :: shape.down]


CASES = [
    ((5, 4, 2, 2), (12, 12), False, None),  # padded
    ((9, 2, 2, 2), (12, 12), False, 0.5),  # cropped
    ((5, 6, 4, 2), (24, 12), True, None),
    ((4, 5, 2, 2), (8, 7), True, 0.5),  # by another amount before than after
    ((4, 4, 1, 1), (6, 6), False, None),
    ((5, 3, 1, 1), (1, 1), False, None),
]


@pytest.mark.parametrize(("sides", "lengths", "radial", "clamp"), CASES)
def test_both_derivatives_are_those_of_the_plain_form(
    sides: tuple[int, int, int, int], lengths: tuple[int, int], radial: bool, clamp: float | None
) -> None:
    shape = shape_of(*sides, lengths)
    up, down = (
        None if length == 1 else torch.tensor(low_pass(length, 2.0, 2.0, 16.0, radial=two)).double()
        for length, two in zip(lengths, (False, radial), strict=True)
    )
    drawn = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, shape.size, shape.size, generator=drawn, dtype=torch.float64)
    x.requires_grad_()
    made, wanted = (work(x, shape, up, down, clamp) for work in (filtered, plain))
    torch.testing.assert_close(made, wanted)
    assert made.shape[2:] == (shape.out, shape.out)
    slope = torch.randn(made.shape, generator=drawn, dtype=torch.float64).requires_grad_()
    firsts: list[Tensor] = []
    seconds: list[Tensor] = []
    for y in (made, wanted):
        (first,) = torch.autograd.grad(y, x, slope, create_graph=True)
        firsts.append(first)
        seconds += torch.autograd.grad(first.square().sum(), slope)
    torch.testing.assert_close(*firsts)
    torch.testing.assert_close(*seconds)
    one = x.detach()[:1, :1].requires_grad_()
    for check in (gradcheck, gradgradcheck):
        assert check(lambda x: filtered(x, shape, up, down, clamp), (one,))
