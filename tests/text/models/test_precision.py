"""Linear layers in the forms that a device multiplies fastest."""

import time

import pytest
import torch
from torch import Tensor, nn

from animetools.text.models.precision import Int8, Packed

LAYER = torch.Generator().manual_seed(0)
WEIGHT = torch.randn(1024, 768, generator=LAYER)
BIAS = torch.randn(1024, generator=LAYER)


def seconds(layer: nn.Module, x: Tensor) -> float:
    """The processor's, for one call; the best of three."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        layer(x)
        spent.append(time.process_time() - start)
    return min(spent)


@pytest.mark.parametrize("vnni", [True, False])
def test_int8_is_near_fp32(monkeypatch: pytest.MonkeyPatch, vnni: bool) -> None:
    """Without VNNI with 7 bits of x, which processors of all kinds sum without overflow."""
    supported = torch.cpu._is_vnni_supported()
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: vnni and supported)
    x = torch.randn(5, 768, generator=LAYER) * torch.tensor([[0.0], [1e-3], [1], [1e3], [1]])
    x[4] = 1  # the largest sums
    wanted = torch.nn.functional.linear(x, WEIGHT)
    found = Int8(WEIGHT, None, gelu=False)(x)
    error = (found - wanted).norm(dim=1) / wanted.norm(dim=1).clamp(min=1e-9)
    assert error.max() < 0.02
    assert Int8(WEIGHT, BIAS, gelu=False)(x).allclose(found + BIAS, atol=1e-4)


def test_int8_is_not_emulated() -> None:
    """The library has a slow form of what a processor cannot multiply; it took 300 times as long."""
    x = torch.randn(2, 768, generator=LAYER)
    whole, short = Packed(WEIGHT, BIAS, gelu=False), Int8(WEIGHT, BIAS, gelu=False)
    assert seconds(short, x) < 20 * seconds(whole, x)
