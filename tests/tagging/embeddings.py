"""Tiny embedding networks in ONNX files."""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper


def embedding_file(
    path: Path, shape: Sequence[int | str], kind: int = TensorProto.FLOAT, more: int = 0
) -> str:
    """A network whose features are the means over height, and those of `more` times as many."""
    last = shape[3] == 3
    nodes = [
        helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x"], ["means"], axes=[1 if last else 2], keepdims=0),
        helper.make_node("Concat", ["means"] * (1 + more), ["features"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return str(path)
