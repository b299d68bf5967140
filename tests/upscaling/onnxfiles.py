"""Small networks as ONNX files, made here."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[str | int | None]

OPEN: Shape = ["n", 3, "h", "w"]
F32, F16 = TensorProto.FLOAT, TensorProto.FLOAT16
WIDTH = 8  # channels


def model(
    *nodes: Any,
    takes: Shape = OPEN,
    gives: Shape = OPEN,
    numbers: int = F32,
    given: int = 0,
    more: Sequence[Sequence[str]] = ((), ()),
    **constants: Any,
) -> bytes:
    """A file of nodes from x to y, and from and to `more`, with these constants."""

    def value(name: str, kind: int, shape: Shape) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", numbers, takes), *[value(name, numbers, takes) for name in more[0]]],
        [value("y", given or numbers, gives), *[value(name, numbers, gives) for name in more[1]]],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return file_of(graph)


def file_of(graph: Any) -> bytes:
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = made.SerializeToString()
    return data


def node(kind: str, takes: str, gives: str = "y", **how: Any) -> Any:
    return helper.make_node(kind, takes.split(" "), gives.split(" "), **how)


def resizing(takes: str, gives: str, factors: str) -> Any:
    return node(
        "Resize",
        f"{takes}  {factors}",
        gives,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def factors(scale: float) -> Any:
    return np.array([1, 1, scale, scale], np.float32)


def nearest(scale: float = 2, **shapes: Any) -> bytes:
    return model(resizing("x", "y", "s"), s=factors(scale), **shapes)


class Net:
    """Layers one behind the other; each of its methods adds some to the blob `at`."""

    def __init__(self, build: Callable[..., None], *how: Any, **more: Any) -> None:
        """The layers that `build` adds."""
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.at = "x"
        self.rng = np.random.default_rng(0)
        build(self, *how, **more)

    def add(self, kind: str, takes: str = "", **how: Any) -> str:
        """A layer of `takes`, or of what is there, and its output's name."""
        self.at, before = f"b{len(self.nodes)}", self.at
        self.nodes.append(node(kind, takes or before, self.at, **how))
        return self.at

    def constant(self, array: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def convolved(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, pad: int = 1
    ) -> str:
        """A convolution that keeps about the level of its input."""
        weight = self.rng.normal(0.6, 1, (outputs, inputs, kernel, kernel)).astype(np.float32)
        weight /= abs(weight).sum((1, 2, 3), keepdims=True)
        name = self.constant(weight)
        return self.add("Conv", f"{self.at} {name}", strides=[stride] * 2, pads=[pad] * 4)

    def active(self) -> str:
        return self.add("LeakyRelu", alpha=0.2)

    def resized(self, scale: int) -> str:
        name = self.constant(factors(scale))
        self.nodes.append(resizing(self.at, f"b{len(self.nodes)}", name))
        self.at = f"b{len(self.nodes) - 1}"
        return self.at

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def file(self) -> bytes:
        """The network from x to what is there."""
        self.nodes.append(node("Identity", self.at))
        return model(*self.nodes, **self.constants)


def unshuffled(net: Net, fold: int, scale: int = 2) -> None:
    """A network on blocks of pixels, as Real-ESRGAN's for 2 times."""
    net.add("SpaceToDepth", blocksize=fold)
    net.convolved(3 * fold**2, 16)
    net.active()
    net.convolved(16, 3 * (fold * scale) ** 2)
    net.add("DepthToSpace", blocksize=fold * scale, mode="CRD")


def encoded(net: Net, levels: int, scale: int = 2) -> None:
    """A network of strided convolutions and the way back, beside the picture itself."""
    x = net.at
    for level in range(levels):
        net.convolved(WIDTH if level else 3, WIDTH, kernel=4, stride=2)
        net.active()
    net.convolved(WIDTH, 3)
    small = net.resized(2**levels)
    net.add("Add", f"{small} {x}")
    net.add("Mul", f"{net.at} {net.constant(np.float32(0.5))}")
    net.resized(scale)


def attending(net: Net, side: int = 8, scale: int = 2) -> None:
    """Attention within windows, and within windows that are shifted by half of them, as Swin's."""
    net.convolved(3, WIDTH)
    for shift in (0, side // 2):
        before = net.at
        pads = net.ints(0, 0, shift, shift, 0, 0, shift, shift)
        net.add("Pad", f"{before} {pads}")
        net.add("SpaceToDepth", blocksize=side)  # [1, side * side * WIDTH, h / side, w / side]
        folded = net.add("Transpose", perm=[0, 2, 3, 1])
        shape = net.add("Shape")
        tokens = net.add("Reshape", f"{folded} {net.ints(-1, side * side, WIDTH)}")
        turned = net.add("Transpose", perm=[0, 2, 1])
        net.add("MatMul", f"{tokens} {turned}")
        weights = net.add("Softmax", axis=-1)
        net.add("MatMul", f"{weights} {tokens}")
        net.add("Reshape", f"{net.at} {shape}")
        net.add("Transpose", perm=[0, 3, 1, 2])
        net.add("DepthToSpace", blocksize=side)
        unpads = net.ints(0, 0, -shift, -shift, 0, 0, -shift, -shift)
        net.add("Pad", f"{net.at} {unpads}")
        net.add("Add", f"{net.at} {before}")
        net.add("Mul", f"{net.at} {net.constant(np.float32(0.5))}")
    net.convolved(WIDTH, 3 * scale**2)
    net.add("DepthToSpace", blocksize=scale, mode="CRD")


def squeezed(net: Net, scale: int = 2) -> None:
    """A network whose channels are multiplied by what the whole picture is like."""
    x = net.convolved(3, WIDTH)
    net.add("GlobalAveragePool")
    net.convolved(WIDTH, WIDTH, kernel=1, pad=0)
    net.add("Sigmoid")
    net.add("Mul", f"{net.at} {x}")
    net.convolved(WIDTH, 3)
    net.resized(scale)


def padded(
    net: Net, unit: int, middle: Callable[[Net], None], *, around: bool = False, scale: int = 2
) -> None:
    """`middle` on pictures that are mirrored to multiples of `unit` inside, and cut back."""
    x = net.at
    sides = net.add("Shape", start=2)
    unit_name = net.ints(unit)
    net.add("Mod", f"{sides} {unit_name}")
    net.add("Sub", f"{unit_name} {net.at}")
    lack = net.add("Mod", f"{net.at} {unit_name}")
    none = net.ints(0, 0)
    before = net.add("Div", f"{lack} {net.ints(2)}") if around else none
    after = net.add("Sub", f"{lack} {before}")
    pads = net.add("Concat", f"{none} {before} {none} {after}", axis=0)
    net.add("Pad", f"{x} {pads}", mode="reflect")
    middle(net)
    whole = net.at
    factor = net.ints(scale)
    start = net.add("Mul", f"{before} {factor}")
    net.add("Mul", f"{sides} {factor}")
    end = net.add("Add", f"{net.at} {start}")
    net.add("Slice", f"{whole} {start} {end} {net.ints(2, 3)}")
