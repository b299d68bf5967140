"""Winograd's convolution against torch's own."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from animetools.networks import winograd


def convolved(x: Tensor, weights: winograd.Weights, **more: Any) -> Tensor:
    """All rows, [H, W, O]."""
    made: dict[int, Tensor] = {}

    def finish(first: int, end: int, rows: Tensor) -> None:
        assert len(rows) == end - first
        assert first not in made
        made[first] = rows.clone()

    winograd.convolve(x, weights, finish, **more)
    return torch.cat([made[first] for first in sorted(made)])


sizes = st.integers(1, 9)
tiles = st.integers(1, 12)


def bordered(image: Tensor) -> Tensor:
    """[C, H, W] as [H + 2, W + 2, C]."""
    return F.pad(image, (1, 1, 1, 1)).permute(1, 2, 0).contiguous()


@settings(max_examples=30, deadline=None)
@given(outputs=sizes, inputs=sizes, rows=tiles, columns=tiles, seed=st.integers(0, 99))
def test_any_shape_agrees_with_the_direct_algorithm(
    outputs: int, inputs: int, rows: int, columns: int, seed: int
) -> None:
    torch.manual_seed(seed)
    image = torch.randn(inputs, 4 * rows, 4 * columns)
    weight = torch.randn(outputs, inputs, 3, 3) / (9 * inputs) ** 0.5
    bias = torch.randn(outputs)
    expected = F.conv2d(image[None].double(), weight.double(), bias.double(), padding=1)[0]

    y = convolved(bordered(image), winograd.weights(weight, torch.float32), bias=bias)

    torch.testing.assert_close(y.permute(2, 0, 1).double(), expected, rtol=1e-4, atol=1e-4)


def test_threads_change_no_bit_and_rows_are_made_once() -> None:
    x = bordered(torch.randn(3, 80, 256))
    products = winograd.weights(torch.randn(5, 3, 3, 3), torch.float32)

    alone = convolved(x, products)
    with ThreadPoolExecutor(4) as pool:
        together = convolved(x, products, pool=pool)

    assert alone.shape == (80, 256, 5)
    assert torch.equal(alone, together)


def test_bfloat16_keeps_its_sums_in_float32() -> None:
    torch.manual_seed(0)
    image, weight = torch.randn(64, 16, 16), torch.randn(64, 64, 3, 3) / 24
    expected = F.conv2d(image[None], weight, padding=1)[0]

    y = convolved(bordered(image), winograd.weights(weight, torch.bfloat16))

    error = (y.permute(2, 0, 1) - expected).square().mean().sqrt()
    assert error < 0.05 * expected.std()
