"""Convolutions by oneDNN, whose weights are put into its own order once and not on each call.

The operations are those of torch's own compiler. A torch without them computes the same by its plain
convolutions, which takes longer.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def packs(dtype: torch.dtype) -> bool:
    """Whether this torch and this processor can."""
    known = torch.backends.mkldnn.is_available() and hasattr(  # type: ignore[no-untyped-call]
        torch.ops.mkldnn, "_reorder_convolution_transpose_weight"
    )
    if not known or torch.ops.mkldnn._is_mkldnn_acl_supported():
        return False  # ARM's library has no leaky ReLU behind a convolution: torch's compiler avoids it
    return dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


class Convolution:
    """A convolution with weights [O, I / groups, k, k], or a transposed one with [I, O, k, k].

    A bias [O] is added, then leaky ReLU follows, of that slope. `size` is that of the maps
    [n, I, H, W] that it will mostly get, if known.
    """

    def __init__(
        self,
        weight: Tensor,
        size: Sequence[int] | None = None,
        *,
        bias: Tensor | None = None,
        slope: float | None = None,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        transposed: bool = False,
    ) -> None:
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias, self.slope, self.groups, self.transposed = bias, slope, groups, transposed
        self.stride, self.padding = [stride] * 2, [padding] * 2
        self.packed = packs(weight.dtype)
        if self.packed and transposed:
            self.weight = torch.ops.mkldnn._reorder_convolution_transpose_weight(
                self.weight, self.padding, [0, 0], self.stride, [1, 1], groups, size
            )
        elif self.packed:
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, self.padding, self.stride, [1, 1], groups, size
            )

    def __call__(self, x: Tensor) -> Tensor:
        """x [n, I, H, W] to [n, O, h, w], both channels last."""
        if not self.packed:
            return self._plain(x)
        follow = ("none", []) if self.slope is None else ("leaky_relu", [self.slope])
        settings = (self.stride, [1, 1], self.groups, *follow, "")
        if self.transposed:
            made: Tensor = torch.ops.mkldnn._convolution_transpose_pointwise(
                x, self.weight, self.bias, self.padding, [0, 0], *settings
            )
        else:
            made = torch.ops.mkldnn._convolution_pointwise(
                x, self.weight, self.bias, self.padding, *settings
            )
        return made

    def _plain(self, x: Tensor) -> Tensor:
        given = (x, self.weight, self.bias, self.stride, self.padding)
        if self.transposed:
            made = F.conv_transpose2d(*given, groups=self.groups)
        else:
            made = F.conv2d(*given, groups=self.groups)
        return made if self.slope is None else F.leaky_relu_(made, self.slope)
