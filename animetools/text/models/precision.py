"""Linear layers of a language model, in the form that the device multiplies fastest."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS = 16  # of x, for which weights are packed


def linear(weight: Tensor, bias: Tensor | None, dtype: str, *, gelu: bool = False) -> nn.Module:
    """A layer of this weight [out, in], as fast as its device allows; `gelu` appends GELU (tanh).

    dtype is fp32, bf16 or, on a CPU, int8; weight and bias have it already, except for int8.
    """
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return Plain(weight, bias, gelu)
    return (Int8 if dtype == "int8" else Packed)(weight, bias, gelu)


def cache_dtype(dtype: str) -> torch.dtype:
    """The type of cached keys and values; beside int8 weights bf16 is precise enough."""
    return torch.float32 if dtype == "fp32" else torch.bfloat16


class Plain(nn.Module):
    """A linear layer of torch."""

    def __init__(self, weight: Tensor, bias: Tensor | None, gelu: bool) -> None:
        super().__init__()
        self.weight = weight.contiguous()
        self.bias = bias
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] to [..., out]."""
        made = F.linear(x, self.weight, self.bias)
        return F.gelu(made, approximate="tanh") if self.gelu else made


class Packed(nn.Module):
    """A linear layer in oneDNN's own layout.

    For 16 rows in fp32 it takes two thirds of the time of torch's; and it gives a row the same bits
    whatever the number of rows is, except for a single one.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, gelu: bool) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), ROWS)
        self.bias = bias
        self.after: tuple[str, list[float], str] = (
            ("gelu", [], "tanh") if gelu else ("none", [], "")
        )

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] to [..., out]."""
        return cast(
            Tensor,
            torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, *self.after),
        )


class Int8(nn.Module):
    """A linear layer in 8-bit integers, with a scale for each row of the weight and of x.

    Products are summed in integers, so that a row has the same bits whatever the other rows are.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, gelu: bool) -> None:
        super().__init__()
        weight = weight.float().contiguous()  # all that the library accepts
        scale = _scale(weight, 127)
        numbers = (weight / scale).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(numbers, [ROWS, weight.shape[1]])
        self.scale = scale[:, 0].contiguous()
        self.zero = torch.zeros_like(self.scale, dtype=torch.int64)
        self.bias = bias
        self.gelu = gelu
        # Without VNNI, two products are added in 16 bits, which hold 7-bit numbers only.
        self.most = 127 if torch.cpu._is_vnni_supported() else 63
        self.middle = self.most + 1

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] to [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        scale = _scale(rows, self.most)
        # Unsigned: for signed numbers oneDNN has no fast code on some processors, such as AMD's.
        numbers = (rows / scale).add_(self.middle + 0.5).to(torch.uint8)
        # As if the scale of x were 1: the library has one for all rows.
        weight = (self.weight, self.scale, self.zero)
        made = torch.ops.onednn.qlinear_pointwise(
            numbers, 1.0, self.middle, *weight, None, 1.0, 0, torch.float32, "none", [], ""
        )
        made = made.mul_(scale) if self.bias is None else torch.addcmul(self.bias, made, scale)
        made = F.gelu(made, approximate="tanh") if self.gelu else made
        return cast(Tensor, made).view(*x.shape[:-1], -1)


def _scale(rows: Tensor, most: int) -> Tensor:
    """The divisors that bring each row within +-most; [rows, 1]."""
    return rows.abs().amax(1, keepdim=True).clamp_(min=1e-12).div_(most)
