"""The types of ncnn's layers that are supported, and the shapes of their outputs.

A layer of another type, or with a parameter that would make it compute something else, is
refused. Facts: ncnn's docs/developer-guide/operators.md.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, NoReturn

Params = dict[int, Any]  # int, float or tuple of floats

ACTIVATIONS = {0: 0, 1: 0, 2: 1, 4: 0}  # none, ReLU, leaky, sigmoid: how many numbers they take
OPERATIONS = {0: "add", 1: "sub", 2: "mul", 3: "div", 4: "maximum", 5: "minimum"}
RESIZINGS = {1: "nearest", 2: "bilinear", 3: "bicubic"}
RESIZING_REACH = {1: 0, 2: 1, 3: 2}  # samples
BY_SECOND_INPUT = -233  # as the number of factors of a Scale


class Refusal(Exception):  # noqa: N818  a FatalError is made of it
    """Why a file cannot be used."""


def refuse(why: str) -> NoReturn:
    """Raise the Refusal."""
    raise Refusal(why)


@dataclass(frozen=True)
class Blob:
    """Pictures [channels, h, w], or a vector [channels] if `ratio` is 0.

    A side of `n` pixels of the input is `ratio * n + rest` samples here, centered on it.
    `reach` is how many samples from an edge inwards depend on the padding beyond it.
    A `constant` is a number for each channel, from the file.
    """

    channels: int
    ratio: Fraction
    rest: int
    reach: int
    constant: bool = False

    @property
    def letter(self) -> str:
        """Its letter in `LayerType.takes`."""
        return "C" if self.constant else "P" if self.ratio else "V"

    def side(self, pixels: int) -> int:
        """The samples of a side whose input has so many `pixels`."""
        return int(self.ratio * pixels) + self.rest


@dataclass(frozen=True)
class LayerType:
    """The inputs, the parameters and the output of a type of layers."""

    takes: str  # as a regular expression: P is a picture, V a vector, C a constant
    gives: Callable[..., Blob]  # from the parameters and the inputs
    params: Params = field(default_factory=dict)  # with ncnn's defaults
    fixed: Params = field(default_factory=dict)  # those that must have ncnn's default
    same_as: dict[int, int] = field(default_factory=dict)  # those that must equal another
    arrays: type = float  # of the numbers of an array


def _input(p: Params) -> Blob:
    if p[2] not in (0, 3):
        refuse(f"has {p[2]} channels, not RGB")
    return Blob(3, Fraction(1), 0, 0)


def _convolution(p: Params, x: Blob) -> Blob:
    kernel, stride, pad = _window(p)
    rest = Fraction(x.rest + 2 * pad - kernel, stride) + 1
    return Blob(p[0], x.ratio / stride, _whole(rest), math.ceil((x.reach + pad) / stride))


def _deconvolution(p: Params, x: Blob) -> Blob:
    kernel, stride, pad = _window(p)
    reach = max(0, (x.reach - 1) * stride + kernel - pad)
    return Blob(p[0], x.ratio * stride, (x.rest - 1) * stride + kernel - 2 * pad, reach)


def _window(p: Params) -> tuple[int, int, int]:
    kernel, stride, pad = p[1], p[3], p[4]
    if kernel < 1 or stride < 1 or not 0 <= pad < kernel:
        refuse(f"has a kernel of {kernel} with stride {stride} and padding {pad}")
    _check_activation(p)
    return kernel, stride, pad


def _inner_product(p: Params, x: Blob) -> Blob:
    _check_activation(p)
    return replace(x, channels=p[0])


def _check_activation(p: Params) -> None:
    if len(p[10]) != ACTIVATIONS.get(p[9]):
        refuse(f"has the activation {p[9]} with {len(p[10])} numbers, which is not supported")


def _pooling(p: Params, x: Blob) -> Blob:
    if p != {0: 1, 4: 1}:
        refuse("is not global average pooling, and nothing else is supported")
    return Blob(x.channels, Fraction(0), 1, 0)


def _same(p: Params, x: Blob) -> Blob:
    return x


def _prelu(p: Params, x: Blob) -> Blob:
    if p[0] not in (1, x.channels):
        refuse(f"has {p[0]} slopes for {x.channels} channels")
    return x


def _scale(p: Params, x: Blob, factors: Blob) -> Blob:
    if p[0] != BY_SECOND_INPUT or factors.channels != x.channels:
        refuse("does not multiply each channel by a number of its second input")
    return x


def _memory_data(p: Params) -> Blob:
    if (p[0], p[1]) != (1, 1):
        refuse("is not one number for each channel, and nothing else is supported")
    return Blob(p[2], Fraction(0), 1, 0, constant=True)


def _crop(p: Params, x: Blob, like: Blob | None = None) -> Blob:
    if like is None:
        return _cut(p, x)
    if p[9] or p[10] or p[11]:
        refuse("crops in two ways at once")
    cut = replace(x, rest=x.rest - 2 * p[0], reach=max(x.reach - p[0], like.reach))
    if p[0] != p[1] or cut != replace(like, reach=cut.reach):
        refuse("does not crop all four sides by the same amount")
    return cut


def _cut(p: Params, x: Blob) -> Blob:
    offset = p[9][0] if p[9] else 0
    if p[0] or p[1] or p[9] != (offset,) * 2 or p[10] != (-offset,) * 2 or offset < 1:
        refuse("does not crop all four sides by the same amount")
    if p[11] not in ((1, 2), (-2, -1)):
        refuse("does not crop rows and columns")
    return replace(x, rest=x.rest - 2 * offset, reach=max(0, x.reach - offset))


def _eltwise(p: Params, *blobs: Blob) -> Blob:
    if p[0] != 1 or len(p[1]) not in (0, len(blobs)):
        refuse("is not a sum, and nothing else is supported")
    return _alike(blobs)


def _binary(p: Params, *blobs: Blob) -> Blob:
    if p[0] not in OPERATIONS or p[1] != 2 - len(blobs):
        refuse(f"does operation {p[0]} with {len(blobs)} blobs, which is not supported")
    x, other = blobs[0], blobs[-1]
    if other.ratio:
        return _alike(blobs)
    if other.channels != x.channels:
        refuse(f"takes {other.channels} numbers for {x.channels} channels")
    return x


def _concat(p: Params, *blobs: Blob) -> Blob:
    channels = sum(blob.channels for blob in blobs)
    return _alike([replace(blob, channels=channels) for blob in blobs])


def _alike(blobs: Sequence[Blob]) -> Blob:
    """The output of an elementwise operation on blobs of the same size."""
    if len({replace(blob, reach=0) for blob in blobs}) > 1:
        refuse("takes blobs of different sizes")
    return max(blobs, key=lambda blob: blob.reach)


def _pixel_shuffle(p: Params, x: Blob) -> Blob:
    if p[0] < 1 or x.channels % p[0] ** 2:
        refuse(f"cannot turn {x.channels} channels into sides {p[0]} times as long")
    return Blob(x.channels // p[0] ** 2, x.ratio * p[0], x.rest * p[0], x.reach * p[0])


def _interp(p: Params, x: Blob) -> Blob:
    if p[0] not in RESIZINGS or p[1] != p[2] or not p[1] > 0:
        refuse("does not resize by one factor, to the nearest, bilinear or bicubic")
    factor = Fraction(p[1])
    reach = math.ceil((x.reach + RESIZING_REACH[p[0]]) * factor)
    return Blob(x.channels, x.ratio * factor, _whole(x.rest * factor), reach)


def _whole(rest: Fraction) -> int:
    if rest.denominator != 1:
        refuse("does not divide the sides of pictures evenly")
    return int(rest)


_WINDOW: Params = {0: 0, 1: 0, 3: 1, 4: 0, 5: 0, 6: 0, 9: 0, 10: ()}
_SQUARE = {11: 1, 13: 3, 14: 4, 15: 4, 16: 4}
LAYER_TYPES = {
    "Input": LayerType("", _input, {0: 0, 1: 0, 2: 0}),
    "Convolution": LayerType(
        "P", _convolution, _WINDOW, {2: 1, 12: 1, 8: 0, 18: 0.0, 19: 0}, _SQUARE
    ),
    "Deconvolution": LayerType(
        "P", _deconvolution, _WINDOW, {2: 1, 12: 1, 18: 0, 19: 0, 20: 0, 21: 0, 28: 0}, _SQUARE
    ),
    "InnerProduct": LayerType("V", _inner_product, {0: 0, 1: 0, 2: 0, 9: 0, 10: ()}, {8: 0}),
    "Pooling": LayerType("P", _pooling, {0: 0, 4: 0}),
    "MemoryData": LayerType("", _memory_data, {0: 0, 1: 0, 2: 0}, {11: 0, 21: 1}),
    "Split": LayerType("[PVC]", _same),
    "Sigmoid": LayerType("P|V", _same),
    "Swish": LayerType("P|V", _same),
    "ReLU": LayerType("P|V", _same, {0: 0.0}),
    "PReLU": LayerType("P", _prelu, {0: 0}),
    "Scale": LayerType("PV", _scale, {0: 0}, {1: 0}),
    "Crop": LayerType("PP?", _crop, {0: 0, 1: 0, 9: (), 10: (), 11: ()}, arrays=int),
    "Eltwise": LayerType("PP+", _eltwise, {0: 0, 1: ()}),
    "BinaryOp": LayerType("P[PVC]?", _binary, {0: 0, 1: 0, 2: 0.0}),
    "Concat": LayerType("PP+", _concat, {}, {0: 0}),
    "PixelShuffle": LayerType("P", _pixel_shuffle, {0: 1}, {1: 0}),
    "Interp": LayerType("P", _interp, {0: 0, 1: 1.0, 2: 1.0}, {3: 0, 4: 0, 5: 0, 6: 0}),
}
