"""Convolutions and their derivatives: as torch's own, to the second order."""

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from animetools.networks.convolution import Steps, convolve, spread, weights_fixed

STEPS = [
    Steps(),
    Steps(padding=1),
    Steps(2),
    Steps(2, 1),
    Steps(1, 1, 4),
    Steps(2, 1, 4),
    Steps((1, 2), (0, 1), 4),
]


def given(steps: Steps, kernel: int = 3, size: tuple[int, int] = (6, 5)) -> tuple[Tensor, Tensor]:
    x = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    outputs = 4 if steps.groups > 1 else 3
    weight = torch.randn(outputs, 4 // steps.groups, kernel, kernel, dtype=torch.float64)
    return x, weight.requires_grad_()


@pytest.mark.parametrize("steps", STEPS)
def test_both_differentiate_twice(steps: Steps) -> None:
    x, weight = given(steps)
    y = convolve(x, weight, steps).detach().requires_grad_()
    if steps.groups > 1:
        weight.requires_grad_(False)  # filters do not learn
    size = (x.shape[2], x.shape[3])
    for check in (gradcheck, gradgradcheck):
        assert check(lambda x, w: convolve(x, w, steps), (x, weight))
        assert check(lambda y, w: spread(y, w, steps, size), (y, weight))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_spreading_is_the_gradient_of_convolving(steps: Steps, dtype: torch.dtype) -> None:
    x, weight = given(steps)
    slope = torch.randn_like(
        functional.conv2d(x, weight, None, steps.stride, steps.padding, 1, steps.groups)
    )
    out = functional.conv2d(x, weight, None, steps.stride, steps.padding, 1, steps.groups)
    (wanted,) = torch.autograd.grad(out, x, slope)
    with torch.no_grad():
        found = spread(slope.to(dtype), weight.to(dtype), steps, (6, 5))
        there = convolve(x.to(dtype), weight.to(dtype), steps)
    close = 1e-5 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(found.double(), wanted, rtol=close, atol=close)
    torch.testing.assert_close(there.double(), out.detach(), rtol=close, atol=close)


def test_fixed_weights_have_no_gradient() -> None:
    x, weight = given(Steps(padding=1))
    with weights_fixed():
        (slope,) = torch.autograd.grad(
            convolve(x, weight, Steps(padding=1)).sum(), x, create_graph=True
        )
    (second,) = torch.autograd.grad(slope.square().sum(), weight)
    assert bool(second.any())
    with weights_fixed():
        convolve(x, weight, Steps(padding=1)).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is None
    assert x.grad is not None
