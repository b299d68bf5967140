"""The matrices of a language model in a form that a CPU multiplies fast."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS = 16  # what the packed form is meant for


def linear(weight: Tensor, bias: Tensor | None, dtype: str, *, gelu: bool = False) -> nn.Module:
    """A layer of this weight [out, in], as fast as its device has it; `gelu`: and then tanh's GELU.

    dtype is fp32, bf16 or, on a CPU, int8; weight and bias are of it already, but for int8.
    """
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return Plain(weight, bias, gelu)
    return (Int8 if dtype == "int8" else Packed)(weight, bias, gelu)


def past(device: torch.device, dtype: str) -> torch.dtype:
    """What keys and values are kept in: in a model of int8 they need not be finer than bf16."""
    if dtype == "fp32" or (dtype == "int8" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return torch.float32
    return torch.bfloat16


class Plain(nn.Module):
    """A linear layer as torch has it."""

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

    For 16 rows it takes two thirds of the time that torch's takes, in fp32; and it gives a row the
    same bits among any number of others, but for none.
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
    """A linear layer of 8-bit integers: each row of the weight, and each row of x, has its scale.

    The products are summed in integers, so that a row has the same bits in any company.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, gelu: bool) -> None:
        super().__init__()
        weight = weight.float().contiguous()  # the library takes no other
        scale = _scale(weight)
        numbers = (weight / scale).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(numbers, [ROWS, weight.shape[1]])
        self.scale = scale[:, 0].contiguous()
        self.zero = torch.zeros_like(self.scale, dtype=torch.int64)
        self.bias = bias
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] to [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        scale = _scale(rows)
        numbers = (rows / scale).round().to(torch.int8)
        # As if x had the scale 1, since the library knows but one for all rows.
        weight = (self.weight, self.scale, self.zero)
        made = torch.ops.onednn.qlinear_pointwise(
            numbers, 1.0, 0, *weight, None, 1.0, 0, torch.float32, "none", [], ""
        )
        made = made * scale if self.bias is None else torch.addcmul(self.bias, made, scale)
        made = F.gelu(made, approximate="tanh") if self.gelu else made
        return cast(Tensor, made).view(*x.shape[:-1], -1)


def _scale(rows: Tensor) -> Tensor:
    """What each row is divided by to lie within +-127; [rows, 1]."""
    return rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
