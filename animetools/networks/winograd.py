"""3x3 convolutions of one image on a CPU, twice and more as fast as the direct algorithm.

Winograd's F(4x4, 3x3) takes 36 products where the direct algorithm takes 144 (Lavin and Gray 2015,
arXiv:1509.09308, section 4.3). Images are [H, W, C]: every step is then a few additions of long
rows, and the products are 36 matrix multiplications, which torch does near the processor's
limit. The image is processed in chunks of rows, which stay in the cache from the first step to what
the caller does with the finished rows. The chunks do not depend on the number of threads, so the
result does not either, to the last bit.
"""

import math
import threading
from collections.abc import Callable
from concurrent.futures import Executor

import torch
from torch import Tensor

from animetools.networks.cpu import each

TILE = 4  # outputs of a tile along an axis
POINTS = 6  # products of a tile along an axis
PART = 16  # outputs whose weights are transformed at once
CHUNK = 256  # tiles worked on at once: their products fill the cache and no more

# From three taps to the values at the points 0, 1, -1, 2, -2 and infinity.
WEIGHTS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)

_own = threading.local()

Finish = Callable[[int, int, Tensor], None]


def transform(weight: Tensor) -> Tensor:
    """The weights [O, C, 3, 3] at the points of rows and columns, columns first: [36, O, C]."""
    points = torch.tensor(WEIGHTS, dtype=torch.float64, device=weight.device)
    both = torch.kron(points, points)
    outputs, inputs = weight.shape[:2]
    made = weight.new_empty(len(both), outputs, inputs)
    for first in range(0, outputs, PART):  # in float64 all of them would take much memory
        some = slice(first, first + PART)
        taps = weight[some].double().permute(3, 2, 0, 1).reshape(9, -1)
        made[:, some] = (both @ taps).view(len(both), -1, inputs)
    return made


class Packed:
    """float32 weights of `transform`, in oneDNN's order: torch.bmm uses MKL, which can be half as fast.

    The operations are those of torch's own compiler; `here` tells whether this torch has them.
    """

    here = torch.backends.mkldnn.is_available() and hasattr(  # type: ignore[no-untyped-call]
        torch.ops.mkldnn, "_reorder_linear_weight"
    )

    def __init__(self, weights: Tensor) -> None:
        reorder = torch.ops.mkldnn._reorder_linear_weight
        self.outputs = weights.shape[1]
        self.weights = [reorder(each, CHUNK) for each in weights]

    def multiply(self, x: Tensor, out: Tensor) -> None:
        """x [36, tiles, C] by the weights, each of the 36 by its own, to out [36, tiles, O]."""
        for one, weight, made in zip(x, self.weights, out, strict=True):
            made.copy_(torch.ops.mkldnn._linear_pointwise(one, weight, None, "none", [], ""))


Weights = Tensor | Packed


def weights(weight: Tensor, dtype: torch.dtype) -> Weights:
    """The weights [O, C, 3, 3] as `convolve` takes them, for products in float32 or bfloat16."""
    made = transform(weight)
    if dtype == torch.float32 and Packed.here:
        return Packed(made)
    return made.to(dtype).mT


def convolve(
    x: Tensor,
    products: Weights,
    finish: Finish,
    *,
    bias: Tensor | None = None,
    pool: Executor | None = None,
) -> None:
    """Call finish(first, end, made) for all rows of the convolution of x, made [end - first, W, O].

    x is contiguous and has its zero border in it: [H + 2, W + 2, C], in float32 or bfloat16. H and W
    are multiples of 4. The rows that are made are float32 and are overwritten after the call. The
    products are those of `weights`. A bias [O] is added. The threads of the `pool` share the chunks.
    """
    rows, columns = (x.shape[0] - 2) // TILE, (x.shape[1] - 2) // TILE
    height = max(1, min(rows, CHUNK // columns))

    def chunk(first: int) -> None:
        end = min(first + height, rows)
        part = x[first * TILE : end * TILE + 2].float()
        finish(first * TILE, end * TILE, _chunk(part, products, bias))

    each(chunk, range(0, rows, height), pool)


def _chunk(x: Tensor, products: Weights, bias: Tensor | None) -> Tensor:
    """The convolution of some rows: from [h + 2, W + 2, C] to [h, W, O] in memory of the thread."""
    count, columns = (x.shape[0] - 2) // TILE, (x.shape[1] - 2) // TILE
    width = x.shape[1] * x.shape[2]  # of a row of x
    c, o = x.shape[2], products.outputs if isinstance(products, Packed) else products.shape[2]
    tiles = count * columns
    first_pass, products_in, products_out = _scratch(
        max(POINTS * count * width, TILE * POINTS * tiles * o),
        max(POINTS**2 * tiles * c, (TILE**2 + 4 * POINTS) * tiles * o),
        max(POINTS**2 * tiles * o, 4 * count * width, 4 * POINTS * tiles * c),
    )
    spare = products_out  # until there are products

    # The inputs of rows, then of columns, to their points.
    rows = x.as_strided((POINTS, count, width), (width, TILE * width, 1))
    tall = _part(first_pass, POINTS, count, width)
    _to_points(rows, tall, _part(spare, 4, count, width))
    shape = (POINTS, POINTS, count, columns, c)
    strides = (c, count * width, width, TILE * c, 1)
    grid = _part(products_in, *shape)
    _to_points(tall.as_strided(shape, strides), grid, _part(spare, 4, *shape[1:]))

    given = _part(products_in, POINTS**2, tiles, c)
    values = _part(products_out, POINTS**2, tiles, o)
    if isinstance(products, Packed):
        products.multiply(given, values)
    elif products.dtype == torch.float32:
        torch.bmm(given, products, out=values)
    else:  # the sums before and after stay float32
        values.copy_(torch.bmm(given.to(products.dtype), products))
    if bias is not None:
        # The value at the point 1 goes to all outputs of a tile alike.
        values[POINTS + 1].add_(bias)

    # The products of columns, then of rows, to the outputs, where the inputs' points were.
    y, spare = products_in[: TILE**2 * tiles * o], products_in[TILE**2 * tiles * o :]
    parts = (POINTS, POINTS, count, columns, o)
    wide = _part(first_pass, TILE, *parts[1:])
    _from_points(values.view(parts), wide, _part(spare, 4, *parts[1:]))
    out = y.view(count, TILE, columns, TILE, o).permute(1, 3, 0, 2, 4)
    _from_points(wide.transpose(0, 1), out, _part(spare, *out.shape))
    return y.view(count * TILE, columns * TILE, o)


def _to_points(taps: Tensor, out: Tensor, spare: Tensor) -> None:
    """Six inputs of a tile to their values at the six points, along the first axis."""
    step = torch.sub(taps[2:6], taps[0:4], out=spare)
    torch.sub(step[2:4], step[0:2], alpha=4, out=out[0::5])
    torch.add(step[2], step[1], alpha=2, out=out[3])
    torch.sub(step[2], step[1], alpha=2, out=out[4])
    odd, even = torch.sub(taps[3:5], taps[1:3], alpha=4, out=spare[:2])
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])


def _from_points(values: Tensor, out: Tensor, spare: Tensor) -> None:
    """Six products of a tile to its four outputs, along the first axis."""
    near, far = torch.add(values[1:5:2], values[2:5:2], out=spare[:2])
    near_odd, far_odd = torch.sub(values[1:5:2], values[2:5:2], out=spare[2:])
    torch.add(near, values[0], out=out[0]).add_(far)
    torch.add(near_odd, far_odd, alpha=2, out=out[1])
    torch.add(near, far, alpha=4, out=out[2])
    torch.add(near_odd, far_odd, alpha=8, out=out[3]).add_(values[5])


def _scratch(*sizes: int) -> list[Tensor]:
    """So many numbers each, in memory that the thread keeps: fresh pages would cost more."""
    kept: Tensor | None = getattr(_own, "memory", None)
    if kept is None or kept.numel() < sum(sizes):
        kept = _own.memory = torch.empty(sum(sizes))
    return list(torch.split(kept[: sum(sizes)], list(sizes)))


def _part(memory: Tensor, *shape: int) -> Tensor:
    """The beginning of `memory` in this shape."""
    return memory[: math.prod(shape)].view(shape)
