"""ADA's geometry: images whose pixels come from other places, by way of images twice as large.

Karras et al. 2020 (StyleGAN2-ADA, arXiv:2006.06676), appendix B.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# The scaling function of Daubechies' wavelet sym6.
SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
REACH = len(SYM6) // 2  # of the filter, in pixels of an image twice as large
ALL = slice(None)  # images


def moved(images: Tensor, moves: Tensor, mine: slice = ALL) -> Tensor:
    """Images [n, C, H, W] with pixels taken from where moves [n, 3, 3] say; `mine` are at hand.

    The border is reflected. An image that does not move keeps its bits.
    """
    moving = (moves != torch.eye(3, dtype=moves.dtype)).any(2).any(1)
    which = moving[mine].nonzero()[:, 0].to(images.device)
    if not len(which):
        return images
    border = border_of(moves[moving], *images.shape[2:])
    changed = warped(images.index_select(0, which), moves[mine][moving[mine]], border)
    return images.index_copy(0, which, changed)


def border_of(moves: Tensor, height: int, width: int) -> Tensor:
    """How much border the corners of all images ask for: [[left, top], [right, bottom]]."""
    size = torch.tensor([width, height], dtype=moves.dtype)
    reach = (size - 1) / 2
    corners = torch.tensor([[-1, 1, -1, 1], [-1, -1, 1, 1]]) * reach[:, None]
    origins = moves[:, :2, :2] @ corners + moves[:, :2, 2:]
    ends = torch.stack([-origins.amin((0, 2)), origins.amax((0, 2))])
    return (ends + REACH - reach).ceil().clamp(min=0).minimum(size - 1)


def warped(images: Tensor, moves: Tensor, border: Tensor) -> Tensor:
    """Images [n, C, H, W] moved by [n, 3, 3], by way of images twice as large."""
    height, width = images.shape[2:]
    (left, top), (right, bottom) = border.int().tolist()

    # Twice as large
    across, down = enlarging(width, left, right), enlarging(height, top, bottom)
    large = down.T.to(images) @ (images @ across.to(images))

    # Each pixel from its place; coordinates count from the center, in pixels of the small image
    x, y = ((torch.arange(2 * n) - n + 1) / 2 for n in (width + REACH, height + REACH))
    columns, rows, start = moves[:, None, None, :2].unbind(-1)
    center = (border[0] - border[1]) / 2 - 0.25
    scale = 4 / border.new_tensor([across.shape[1], down.shape[1]])  # to -1..1
    places = (columns * x[:, None] * scale).to(images) + (
        (rows * y[:, None, None] + start + center) * scale
    ).to(images)
    large = Sampled.apply(large, places)  # type: ignore[no-untyped-call]

    # As large as before
    fewer: Tensor = large @ shrinking(width).to(images)
    return shrinking(height).T.to(images) @ fewer


class Sampled(torch.autograd.Function):
    """grid_sample with zeros outside, twice differentiable in every version of torch.

    There is no gradient for the places.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(images, places)
        return functional.grid_sample(images, places, align_corners=False)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return Unsampled.apply(gradient, *ctx.saved_tensors), None  # type: ignore[no-untyped-call]


class Unsampled(torch.autograd.Function):
    """The gradient of `Sampled`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, images: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        result: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            gradient, images, places, 0, 0, False, (True, False)
        )[0]
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return Sampled.apply(gradient, *ctx.saved_tensors), None, None  # type: ignore[no-untyped-call]


# What is the same for every row, or for every column, is a product with a matrix; its rows are
# what each pixel becomes.


def enlarging(size: int, before: int, after: int) -> Tensor:
    """Reflects so many pixels at the ends and doubles: [size, 2 * (before + size + after)]."""
    return reflected(2 * ladder(before + size + after, 1 - REACH), size, before)


def shrinking(size: int) -> Tensor:
    """Halves what has `REACH` pixels more at either end: [2 * (size + REACH), size]."""
    return ladder(size, 1).T


def ladder(steps: int, first: int) -> Tensor:
    """The filter of a change of size in every row, two columns further than in the one above.

    In the first row it begins in the column `first`, in the last it ends as far from the end.
    """
    taps = torch.tensor(SYM6, dtype=torch.float32)
    taps = (taps / taps.sum()).double()  # the published filter has this precision
    side = 2 * (steps - 1) + first
    width = side + first + len(SYM6)
    return functional.pad(taps, (side, side)).unfold(0, width, 2).flip(0)


def reflected(rows: Tensor, size: int, before: int) -> Tensor:
    """Rows of pixels and reflected borders, `before` in front, added up to those of `size` pixels."""
    last = size - 1
    origins = last - (last - (torch.arange(len(rows)) - before).abs()).abs()
    return rows.new_zeros(size, *rows.shape[1:]).index_add_(0, origins, rows)
