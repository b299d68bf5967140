"""Packed convolutions against torch's plain ones."""

from typing import Any

import pytest
import torch
from torch import Tensor

from animetools.networks import onednn
from animetools.networks.onednn import Convolution

WAYS: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    (dict(), (7, 5, 3, 3)),
    (dict(stride=2, padding=1), (7, 5, 3, 3)),
    (dict(groups=5, padding=1), (5, 1, 4, 4)),
    (dict(stride=2, transposed=True, padding=1), (5, 7, 3, 3)),
    (dict(slope=0.2), (16, 5, 1, 1)),
]


@pytest.mark.parametrize(("how", "shape"), WAYS)
@pytest.mark.parametrize("size", [None, (1, 5, 9, 12), (1, 5, 30, 4)])
def test_packed_weights_change_nothing(
    how: dict[str, Any],
    shape: tuple[int, ...],
    size: tuple[int, ...] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also for maps of another size than it was made for."""
    torch.manual_seed(0)
    weight = torch.randn(shape)
    bias = torch.randn(shape[1] if "transposed" in how else shape[0])
    x = torch.randn(1, 5, 9, 12).contiguous(memory_format=torch.channels_last)
    packed = Convolution(weight, size, bias=bias, **how)
    monkeypatch.setattr(onednn, "packs", lambda dtype: False)
    plain = Convolution(weight, size, bias=bias, **how)

    made: Tensor = packed(x)

    torch.testing.assert_close(made, plain(x), rtol=1e-4, atol=1e-5)
    assert made.is_contiguous(memory_format=torch.channels_last)
