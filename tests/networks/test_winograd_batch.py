"""Winograd's algorithm for batches: as exact as training needs, and the same with any threads."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from animetools.networks import winograd, winograd_batch
from animetools.networks.convolution import SAME, convolve, spread

pytestmark = pytest.mark.skipif(not winograd.Packed.here, reason="this torch packs no weights")


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def given() -> tuple[Tensor, Tensor]:
    """A batch and weights that the algorithm suits, rectangular in every way."""
    torch.manual_seed(0)
    x = torch.randn(3, 136, 32, 36).contiguous(memory_format=torch.channels_last)
    return x, torch.randn(128, 136, 3, 3) / 35


def test_it_agrees_with_the_direct_algorithm_and_so_do_all_gradients() -> None:
    x, weight = given()
    assert winograd_batch.suits(x, weight)
    slope = torch.randn(3, 128, 32, 36)
    results = []
    for to in (lambda given: given, Tensor.double):  # in float64 it is the direct algorithm
        image, taps = to(x).requires_grad_(), to(weight).requires_grad_()
        y = convolve(image, taps, SAME)
        # Of second order: what R1 needs.
        (of_x,) = torch.autograd.grad(y, image, to(slope), create_graph=True)
        found = torch.autograd.grad(of_x.square().sum() + y.square().sum(), (image, taps))
        back = spread(to(slope), taps.detach(), SAME, (32, 36))
        results.append([y, of_x, *found, back])
    for one, exact in zip(*results, strict=True):
        assert (one - exact).norm() < 1e-5 * exact.norm()


def test_an_image_is_the_same_in_any_batch_and_with_any_threads() -> None:
    x, weight = given()
    torch.set_num_threads(1)
    alone = torch.cat([winograd_batch.convolve(image[None], weight) for image in x])
    torch.set_num_threads(3)
    together = winograd_batch.convolve(x, weight)
    assert torch.equal(alone, together)
    assert together.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("shape", "taps", "dtype"),
    [
        ((1, 128, 32, 32), (128, 128, 1, 1), torch.float32),
        ((1, 128, 32, 34), (128, 128, 3, 3), torch.float32),
        ((1, 128, 16, 16), (128, 128, 3, 3), torch.float32),
        ((1, 64, 32, 32), (128, 64, 3, 3), torch.float32),
        ((1, 128, 32, 32), (128, 128, 3, 3), torch.float64),
        ((1, 128, 32, 32), (128, 128, 3, 3), torch.bfloat16),
    ],
)
def test_what_it_does_not_suit(
    shape: tuple[int, ...], taps: tuple[int, ...], dtype: torch.dtype
) -> None:
    assert not winograd_batch.suits(torch.zeros(shape, dtype=dtype), torch.zeros(taps, dtype=dtype))
