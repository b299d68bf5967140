"""A detector in the layout of YOLOv8 that finds squares of pure colors, made here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

F32, F16 = TensorProto.FLOAT, TensorProto.FLOAT16
CELL = 32  # pixels
FACE, HAND, PERSON = ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))  # red, green and blue
NAMES = {0: "anime_face", 1: "hand", 2: "person"}


def write_yolo(
    path: Path,
    *,
    size: tuple[int | str, int | str] = ("h", "w"),
    colors: Sequence[Sequence[float]] = (FACE, HAND, PERSON),
    texts: Mapping[str, str] | None = None,
    box: float = 96,
    numbers: int = F32,
) -> str:
    """Write the detector, and return its path as text.

    The score of a class in a cell is how much the cell's mean is of the class's color; a box is around
    its cell, and half as wide as high for the third class's sake.
    """
    dtype = np.float32 if numbers == F32 else np.float16
    nodes = [
        _node("AveragePool", "x", "mean", kernel_shape=[CELL] * 2, strides=[CELL] * 2),
        _node("Conv", "mean weight", "raw"),
        _node("Clip", "raw zero one", "scores"),
        _node("Slice", "mean zeros ones axes", "first"),
        _node("Mul", "first zero", "nothing"),
        _node("Add", "nothing one", "unit"),
        # CumSum knows no float16.
        _node("Cast", "unit", "unit32", to=F32),
        _node("CumSum", "unit32 three", "right"),
        _node("CumSum", "unit32 two", "down"),
        _node("Sub", "right half", "column"),
        _node("Sub", "down half", "row"),
        _node("Mul", "column cell", "across32"),
        _node("Mul", "row cell", "below32"),
        _node("Cast", "across32", "across", to=numbers),
        _node("Cast", "below32", "below", to=numbers),
        _node("Mul", "unit wide", "width"),
        _node("Mul", "unit high", "height"),
        _node("Concat", "across below width height scores", "cells", axis=1),
        _node("Reshape", "cells flat", "y"),
    ]
    constants: dict[str, NDArray[Any]] = {
        "weight": np.array(colors, dtype).reshape(len(colors), 3, 1, 1),
        "zero": np.array(0, dtype),
        "one": np.array(1, dtype),
        "zeros": np.array([0, 0, 0, 0]),
        "ones": np.array([1, 1, 1 << 30, 1 << 30]),
        "axes": np.array([0, 1, 2, 3]),
        "three": np.array(3),
        "two": np.array(2),
        "half": np.array(0.5, np.float32),
        "cell": np.array(CELL, np.float32),
        "wide": np.array(box, dtype),
        "high": np.array(box, dtype),
        "flat": np.array([1, 4 + len(colors), -1]),
    }
    graph = helper.make_graph(
        nodes,
        "yolo",
        [helper.make_tensor_value_info("x", numbers, [1, 3, *size])],
        [helper.make_tensor_value_info("y", numbers, [1, 4 + len(colors), "anchors"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"names": repr(NAMES)} if texts is None else dict(texts))
    path.write_bytes(model.SerializeToString())
    return str(path)


def _node(kind: str, takes: str, gives: str, **how: Any) -> Any:
    return helper.make_node(kind, takes.split(), [gives], **how)


def squares(size: tuple[int, int], **where: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """A black picture (width, height) with squares (x, y, side) of red, green and blue."""
    rgb = np.zeros((size[1], size[0], 3), np.uint8)
    for name, color in (("red", (255, 0, 0)), ("green", (0, 255, 0)), ("blue", (0, 0, 255))):
        for x, y, side in where.get(name, ()):
            cv2.rectangle(rgb, (x, y), (x + side - 1, y + side - 1), color, cv2.FILLED)
    return rgb
