"""What is done in one go is what is done step by step, and so are its derivatives."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from animetools.networks import activation
from animetools.networks.activation import SLOPES, activate

GAIN = 1.3


def stepwise(
    x: Tensor,
    bias: Tensor | None,
    kind: str,
    clamp: float | None,
    scale: Tensor | None,
    noise: Tensor | None,
) -> Tensor:
    """By definition."""
    if scale is not None:
        x = x * scale[:, :, None, None]
    if noise is not None:
        x = x + noise
    if bias is not None:
        x = x + bias[:, None, None]
    x = torch.where(x > 0, x, x * SLOPES[kind]) * GAIN
    return x if clamp is None else x.clamp(-clamp * GAIN, clamp * GAIN)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 4),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.sampled_from(list(SLOPES)),
    st.sampled_from([None, 0.5]),
    st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, "own", "shared", "stored"])),
    st.integers(1, 60),
)
def test_one_go_is_all_steps(
    count: int,
    channels: int,
    size: tuple[int, int],
    kind: str,
    clamp: float | None,
    has: tuple[bool, bool, str | None],
    part: int,
) -> None:
    def some(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, requires_grad=True)

    x, cotangent = some(count, channels, *size), some(count, channels, *size)
    bias = some(channels) if has[0] else None
    scale = some(count, channels) if has[1] else None
    shapes = {"own": (count, 1, *size), "shared": (1, 1, *size), "stored": size}
    noise = some(*shapes[has[2]]) if has[2] else None
    inputs = [each for each in (x, bias, scale, noise) if each is not None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activation, "PART", part)  # so that few images are many parts
        found = activate(x, bias, kind, GAIN, clamp, scale=scale, noise=noise)
        slopes = torch.autograd.grad(found, inputs, cotangent, retain_graph=True)
        again = torch.autograd.grad(found, inputs, cotangent, create_graph=True)
    wanted = stepwise(x, bias, kind, clamp, scale, noise)
    true = torch.autograd.grad(wanted, inputs, cotangent, create_graph=True)
    torch.testing.assert_close(found, wanted)
    for mine, mine_again, theirs in zip(slopes, again, true, strict=True):
        torch.testing.assert_close(mine, theirs)
        torch.testing.assert_close(mine_again, theirs)
    squares = [
        sum((each.square().sum() for each in all_), x.new_zeros(())) for all_ in (again, true)
    ]
    second = [
        torch.autograd.grad(total, [*inputs, cotangent], allow_unused=True) for total in squares
    ]
    for mine2, theirs2 in zip(*second, strict=True):
        zero = torch.zeros(())
        torch.testing.assert_close(
            *torch.broadcast_tensors(*(zero if x is None else x for x in (mine2, theirs2)))  # type: ignore[no-untyped-call]
        )


@pytest.mark.parametrize("kind", SLOPES)
def test_half_precision_is_close(kind: str) -> None:
    for scaled, noisy in itertools.product((True, False), repeat=2):
        x, bias = torch.randn(3, 8, 4, 4), torch.randn(8)
        scale = torch.rand(3, 8) + 0.5 if scaled else None
        noise = torch.randn(4, 4) if noisy else None
        wanted = activate(x, bias, kind, GAIN, 2.0, scale=scale, noise=noise)
        found = activate(x.bfloat16(), bias, kind, GAIN, 2.0, scale=scale, noise=noise)
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.float(), wanted, rtol=0.02, atol=0.05)
