"""Writes the network of a run as an ONNX file with weights in half precision: export.py RUN FILE.onnx.

It takes one picture [1, 3, H, W] from 0 to 255, H and W multiples of COARSEST.
"""

import sys
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from animetools import atomic
from animetools.networks.normalization import plain
from examples.detector.network import Network
from examples.detector.train import training_of


class Graph:
    """An ONNX graph while it is made: every method adds a node and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def half(self, value: np.ndarray[Any, Any]) -> str:
        """A weight: kept in half precision, computed with in single."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value.astype(np.float16), name))
        return self.add("Cast", name, to=TensorProto.FLOAT)

    def whole(self, value: np.ndarray[Any, Any]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def conv(self, layer: nn.Conv2d, x: str, bias: np.ndarray[Any, Any] | None = None) -> str:
        weight = layer.weight.detach().numpy()
        assert layer.bias is not None
        given = layer.bias.detach().numpy() if bias is None else bias
        side, step = layer.kernel_size[0], layer.stride[0]
        return self.add(
            "Conv",
            x,
            self.half(weight),
            self.half(given),
            kernel_shape=[side, side],
            strides=[step, step],
            pads=[layer.padding[0]] * 4,
        )


def onnx_of(network: Network) -> bytes:
    """A network without normalizations, as an ONNX file."""
    graph = Graph()
    x = graph.add("Div", "picture", graph.whole(np.float32(127.5).reshape(1)))
    x = graph.add("Sub", x, graph.whole(np.float32(1).reshape(1)))
    levels = []
    for stage in network.stages:
        for layer in stage:  # type: ignore[attr-defined]
            if isinstance(layer, nn.Conv2d):
                x = graph.add("Relu", graph.conv(layer, x))
            elif not isinstance(layer, nn.ReLU):
                inner = graph.add("Relu", graph.conv(layer.first, x))
                x = graph.add("Relu", graph.add("Add", graph.conv(layer.second, inner), x))
        levels.append(x)
    pairs = zip(network.lateral, levels[2:], strict=True)
    across = [graph.conv(layer, level) for layer, level in pairs]  # type: ignore[arg-type]
    top = across.pop()
    scales = graph.whole(np.array([1, 1, 2, 2], np.float32))
    while across:
        larger = graph.add(
            "Resize",
            top,
            "",
            scales,
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )
        top = graph.add("Add", across.pop(), larger)
    x = graph.add("Relu", graph.conv(network.last, graph.add("Relu", top)))
    x = graph.conv(network.out, x)
    graph.nodes[-1].output[0] = "cells"
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        graph.nodes,
        "faces",
        [value("picture", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [value("cells", TensorProto.FLOAT, [1, network.out.out_channels, "rows", "columns"])],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def network_of(run: str) -> Network:
    """The averaged network of a run, its normalizations inside its convolutions."""
    return plain(training_of(run, 1).average)


def main() -> None:
    """Write the file."""
    with torch.no_grad(), atomic.writing(sys.argv[2]) as file:
        file.write(onnx_of(network_of(sys.argv[1])))


if __name__ == "__main__":
    main()
