"""The network of the tagger that ships, computed by ncnn: on a CPU in half the time of torch."""

import struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from animetools.networks import ncnn
from animetools.tagging.network import LAST, Block, Network

Values = NDArray[np.float32]

RELU, SIGMOID = 1, 4
MAXIMUM, MEAN = 0, 1


class NcnnNetwork:
    """A copy of a network, to run one picture in the thread that calls it."""

    def __init__(self, network: Network) -> None:
        layers = _Layers(network)
        self.net, self.weights = ncnn.net(), bytes(layers.weights)  # which ncnn does not copy
        self.net.opt.use_winograd_convolution = False  # slower for so few channels
        self.net.load_param_mem(layers.text)
        self.net.load_model_mem(self.weights)

    def run(self, picture: Values, wanted: Literal["features", "tags"]) -> Values:
        """The features, or the probabilities, of a picture [3, side, side] from -1 to 1."""
        found = ncnn.blob(self.net, {"picture": picture}, wanted)
        if found is None:
            raise MemoryError
        return found


class _Layers:
    """A network as ncnn's text, and its weights in the same order.

    Each blob is the input of one layer only: for more there are the copies of a Split.
    """

    def __init__(self, network: Network) -> None:
        self.lines, self.blobs, self.weights = ["Input picture 0 1 picture"], 1, bytearray()
        x, pooled = "picture", []
        first = len(network.stages) - LAST
        for number, stage in enumerate(network.stages):
            for part in stage.children():
                x = self._block(part, x) if isinstance(part, Block) else self._halving(part, x)
            if number >= first:
                x, pool = self._copies(x)
                pooled.append(self._layer("Pooling", [pool], f"0={MAXIMUM} 4=1"))
        pooled.append(self._layer("Pooling", [x], f"0={MEAN} 4=1"))
        x = self._layer("Concat", pooled)
        self._linear(network.features, x, "features", RELU)
        self._linear(network.tags, "features", "tags", SIGMOID)

    @property
    def text(self) -> str:
        return "\n".join(["7767517", f"{len(self.lines)} {self.blobs}", *self.lines, ""])

    def _layer(self, kind: str, takes: list[str], params: str = "", gives: str = "") -> str:
        gives = gives or f"b{len(self.lines)}"
        names = " ".join([gives, str(len(takes)), "1", *takes, gives])
        self.lines.append(f"{kind} {names} {params}")
        self.blobs += 1
        return gives

    def _copies(self, x: str) -> tuple[str, str]:
        self.lines.append(f"Split {x}s 1 2 {x} {x}l {x}r")
        self.blobs += 2
        return f"{x}l", f"{x}r"

    def _halving(self, part: nn.Module, x: str) -> str:
        """A convolution with the ReLU behind it."""
        return self._convolution(part, x, RELU) if isinstance(part, nn.Conv2d) else x

    def _block(self, block: Block, x: str) -> str:
        x, beside = self._copies(x)
        beside = self._convolution(block.second, self._convolution(block.first, beside, RELU), 0)
        return self._layer("ReLU", [self._layer("BinaryOp", [x, beside], "0=0")])

    def _convolution(self, conv: nn.Conv2d, x: str, activation: int) -> str:
        params = f"0={conv.out_channels} 1=3 3={conv.stride[0]} 4=1 5=1 6={conv.weight.numel()}"
        self._weights(conv.weight, conv.bias)
        return self._layer("Convolution", [x], f"{params} 9={activation}")

    def _linear(self, linear: nn.Linear, x: str, gives: str, activation: int) -> None:
        params = f"0={linear.out_features} 1=1 2={linear.weight.numel()} 9={activation}"
        self._weights(linear.weight, linear.bias)
        self._layer("InnerProduct", [x], params, gives)

    def _weights(self, weight: Tensor, bias: Tensor | None) -> None:
        assert bias is not None
        self.weights += struct.pack("<I", 0)  # float32 follow
        self.weights += weight.detach().numpy().tobytes() + bias.detach().numpy().tobytes()
