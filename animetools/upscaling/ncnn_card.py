"""Networks in ncnn's format on a card, computed by torch."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, reduce

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.errors import ItemError
from animetools.upscaling.ncnn_graph import Graph, Layer
from animetools.upscaling.ncnn_layers import OPERATIONS, RESIZINGS, Params
from animetools.upscaling.network import Geometry, Planes

# A border of 18 pixels is 15% more work around 512 and 30% around 256; of memory waifu2x's
# networks take 0.6 GiB for it, ESRGAN's 2 GiB.
TILE = 512
# Convolutions from or to fewer channels than this are always float32: they are a small part of the
# work, and round the picture itself. With it bfloat16 comes within 60 to 69 dB of float32, without
# it within 51 to 65, and float16 within 77 to 83 instead of 72 to 78 (waifu2x's and Real-ESRGAN's).
FEW = 32


class CardNetwork:
    """The network of a .param and its .bin, ready to run on a card."""

    def __init__(self, graph: Graph, device: torch.device, dtype: torch.dtype) -> None:
        """Copy the weights to the `device`; most of the work is done in `dtype`."""
        self.graph, self.device = graph, device
        self.steps = [
            (layer, _step(layer, device, dtype)) for layer in graph.layers if layer.kind != "Input"
        ]
        self.alone = threading.Lock()  # a card holds the blobs of one tile at a time

    @property
    def geometry(self) -> Geometry:
        """How tiles must be cut for it."""
        geometry = self.graph.geometry
        return geometry if self.device.type == "cpu" else replace(geometry, tile=TILE)

    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        """See UpscalingNetwork."""
        given = {self.graph.entry: rgb, **(known or {})}
        try:
            with self.alone:
                return self._computed(given, wanted or self.graph.exit)
        except torch.OutOfMemoryError:
            pass  # the error keeps the blobs on the card, so it is dropped before the next is raised
        raise ItemError("the card does not have enough memory for it: try a smaller --tile")

    @torch.inference_mode()
    def _computed(self, given: Mapping[str, Planes], wanted: str) -> Planes:
        needed, steps = {wanted}, []
        for layer, compute in reversed(self.steps):
            if any(top in needed and top not in given for top in layer.tops):
                needed.update(layer.bottoms)
                steps.append((layer, compute))
        blobs = {name: self._there(given[name]) for name in needed & given.keys()}
        for layer, compute in reversed(steps):
            # Each blob is used once, so its memory is freed here.
            blob = compute(*[blobs.pop(name) for name in layer.bottoms])
            for top in needed.intersection(layer.tops):
                blobs.setdefault(top, blob)
        here: Planes = blobs[wanted][0].float().contiguous().cpu().numpy()
        return here

    def _there(self, planes: Planes) -> Tensor:
        tensor = torch.tensor(np.ascontiguousarray(planes[None]), device=self.device)
        return tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _step(layer: Layer, device: torch.device, dtype: torch.dtype) -> Callable[..., Tensor]:
    """The function of a layer, for pictures [1, C, h, w] and vectors [1, C]."""
    p = layer.params
    match layer.kind:
        case "Convolution" | "Deconvolution" | "InnerProduct" | "PReLU":
            return _weighted(layer, device, dtype)
        case "Pooling":
            return lambda x: x.mean((2, 3), dtype=torch.float32)
        case "Split":
            return lambda x: x
        case "ReLU":
            return lambda x: F.leaky_relu(x, p[0])
        case "Sigmoid":
            return torch.sigmoid
        case "Swish":
            return F.silu
        case "MemoryData":
            assert layer.weight is not None
            constant = torch.from_numpy(layer.weight).to(device)[None]
            return lambda: constant
        case "Scale":
            return lambda x, factors: x * factors[:, :, None, None].to(x.dtype)
        case "Crop" if p[9]:
            return lambda x: x[:, :, p[9][0] : p[10][0], p[9][0] : p[10][0]]
        case "Crop":
            return lambda x, like: x[:, :, p[0] :, p[0] :][:, :, : like.shape[2], : like.shape[3]]
        case "Eltwise":
            factors = p[1] or (1,) * len(layer.bottoms)
            return lambda *xs: reduce(torch.add, map(_times, xs, factors))
        case "BinaryOp":
            operation: Callable[..., Tensor] = getattr(torch, OPERATIONS[p[0]])
            if len(layer.bottoms) == 2:
                return lambda x, y: operation(
                    x, y if y.ndim == 4 else y[:, :, None, None].to(x.dtype)
                )
            scalar = torch.tensor(p[2], device=device)
            return lambda x: operation(x, scalar)
        case "Concat":
            return lambda *xs: torch.cat(xs, 1)
        case "PixelShuffle":
            return lambda x: F.pixel_shuffle(x, p[0])
        case "Interp":
            return partial(F.interpolate, scale_factor=p[1], mode=RESIZINGS[p[0]])
    raise AssertionError(layer.kind)


def _times(x: Tensor, factor: float) -> Tensor:
    return x if factor == 1 else x * factor


def _weighted(layer: Layer, device: torch.device, dtype: torch.dtype) -> Callable[..., Tensor]:
    p = layer.params
    assert layer.weight is not None
    if layer.kind in ("PReLU", "InnerProduct") or min(layer.weight.shape[:2]) < FEW:
        dtype = torch.float32
    weight = torch.from_numpy(layer.weight).to(device, dtype)
    bias = None if layer.bias is None else torch.from_numpy(layer.bias).to(device, dtype)
    if layer.kind == "PReLU":
        return lambda x: F.prelu(x, weight.to(x.dtype))
    active = _activation(p)
    if layer.kind == "InnerProduct":
        return lambda x: active(F.linear(x, weight, bias))
    convolve: Callable[..., Tensor] = F.conv2d
    if layer.kind == "Deconvolution":
        convolve, weight = F.conv_transpose2d, weight.transpose(0, 1)
    weight = weight.contiguous(memory_format=torch.channels_last)
    return lambda x: active(convolve(x.to(dtype), weight, bias, p[3], p[4]))


def _activation(p: Params) -> Callable[[Tensor], Tensor]:
    """The activation of a layer, which may work in place."""
    match p[9]:
        case 1:
            return torch.relu_
        case 2:
            return partial(F.leaky_relu, negative_slope=p[10][0], inplace=True)
        case 4:
            return torch.sigmoid_
    return lambda x: x
