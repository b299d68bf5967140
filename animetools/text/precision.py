"""The matrices of a language model in a form that a CPU multiplies fast."""

from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D

ROWS = 16  # what the packed form is meant for


def prepare(model: PreTrainedModel, device: torch.device, dtype: str) -> None:
    """Put the model on its device: in fp32, in bf16, or, on a CPU, with its matrices in int8."""
    module: nn.Module = model
    if dtype == "bf16":
        module.to(torch.bfloat16)
    module.to(device)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return
    fast = Int8 if dtype == "int8" else Packed
    for parent in [*module.modules()]:
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear | Conv1D):
                weight = child.weight if isinstance(child, nn.Linear) else child.weight.t()
                setattr(parent, name, fast(weight.detach(), child.bias))
            elif isinstance(child, NewGELUActivation):  # the same function, in eight steps
                setattr(parent, name, nn.GELU("tanh"))


class Packed(nn.Module):
    """A linear layer in oneDNN's own layout.

    For 16 rows it takes two thirds of the time that torch's takes, in fp32; and it gives a row the
    same bits among any number of others, but for none.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), ROWS)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] to [..., out]."""
        return cast(
            Tensor,
            torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], ""),
        )


class Int8(nn.Module):
    """A linear layer of 8-bit integers: each row of the weight, and each row of x, has its scale.

    The products are summed in integers, so that a row has the same bits in any company.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        weight = weight.float().contiguous()  # the library takes no other
        scale = _scale(weight)
        numbers = (weight / scale).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(numbers, [ROWS, weight.shape[1]])
        self.scale = scale[:, 0].contiguous()
        self.zero = torch.zeros_like(self.scale, dtype=torch.int64)
        self.bias = bias

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
        return cast(Tensor, made).view(*x.shape[:-1], -1)


def _scale(rows: Tensor) -> Tensor:
    """What each row is divided by to lie within +-127; [rows, 1]."""
    return rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
