"""A generator as an ONNX model, for programs without torch."""

import logging
import warnings
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from animetools.errors import FatalError, ItemError
from animetools.netfiles.bags import without_bag
from animetools.netfiles.networkfile import SavedNetwork
from animetools.networks.generator import Generator

MOST = 1 << 20  # images in a batch
SMALL = 256  # numbers of a constant that is not worth halving
CLOSE = 1e-3  # of the largest number: rounding grows where nearly equal pixels are normalized

Part = Literal["z", "w", "mapping"]


def encode(network: SavedNetwork, start: Part = "z") -> bytes:
    """The bytes of a model from z [n, z_dim], labels c [n, c_dim] and psi [] to images.

    A network without labels has no c. A model that starts at w takes w [n, rows, w_dim] and
    nothing else; the mapping alone takes z and c to that w, before any truncation. Images are
    float32 [n, C, H, W], about -1..1 and not clipped; the noise is constant, and psi applies to
    the rows of w that the file's own truncation names. onnxruntime ran the model for one image and
    for three, and agreed with torch.

    Raises FatalError if the libraries for it are missing, ItemError if the two disagree.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError:
        raise FatalError("ONNX needs more libraries: pip install 'animetools[onnx]'") from None
    generator = without_bag(network).build()
    assert isinstance(generator, Generator)
    module = _Whole(generator, start)
    model = _translated(module, _inputs(generator, start, 3))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        given = _inputs(generator, start, count)
        (found,) = session.run(None, {name: value.numpy() for name, value in given.items()})
        wanted = module(**given).numpy()
        if not np.abs(found - wanted).max() <= CLOSE * np.abs(wanted).max():
            raise ItemError(
                "onnxruntime and torch draw different images with it: nothing is written"
            )
    return model


class _Whole(nn.Module):
    """The generator with its own truncation, from z or from w, or its mapping alone."""

    def __init__(self, generator: Generator, start: Part) -> None:
        super().__init__()
        self.generator = generator
        self.start = start
        synthesis = generator.synthesis
        if isinstance(lod := getattr(synthesis, "lod", None), Tensor):
            del synthesis.lod  # which blocks run depends on it: torch.export can follow a number
            synthesis.lod = float(lod)  # type: ignore[assignment]
        self.eval()

    def forward(
        self,
        z: Tensor | None = None,
        c: Tensor | None = None,
        psi: float | Tensor = 1.0,
        w: Tensor | None = None,
    ) -> Tensor:
        generator = self.generator
        if w is not None:
            return generator.synthesis(w, "const")  # type: ignore[no-any-return]
        assert z is not None
        if self.start == "mapping":
            return generator.mapping(z, c).contiguous()  # type: ignore[no-any-return]
        images: Tensor = generator(z, c, psi, generator.config.truncation.cutoff)
        return images


@torch.no_grad()
def _inputs(generator: Generator, start: Part, count: int) -> dict[str, Tensor]:
    mapping = generator.config.mapping
    z = torch.randn(count, mapping.z_dim, generator=torch.Generator().manual_seed(0))
    given = {"z": z, "psi": torch.tensor(0.7)}
    if mapping.c_dim:
        given["c"] = torch.zeros(count, mapping.c_dim)
        given["c"][range(count), [i % mapping.c_dim for i in range(count)]] = 1
    if start == "w":
        return {"w": generator.mapping(z, given.get("c")).contiguous()}
    if start == "mapping":
        del given["psi"]
    return given


def halved(model: bytes) -> bytes:
    """The same model, whose larger constants are stored in half precision: half of the bytes.

    It computes in single precision. Numbers that half precision does not have are rounded.
    """
    import onnx

    proto = onnx.load_from_string(model)
    casts = []
    for constant in proto.graph.initializer:
        if constant.data_type != onnx.TensorProto.FLOAT or np.prod(constant.dims) < SMALL:
            continue
        name, numbers = constant.name, onnx.numpy_helper.to_array(constant)
        if not np.abs(numbers).max() < np.finfo(np.float16).max:
            continue
        half = onnx.numpy_helper.from_array(numbers.astype(np.float16), f"{name}.half")
        constant.CopyFrom(half)
        casts.append(onnx.helper.make_node("Cast", [half.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return bytes(proto.SerializeToString())


def _translated(module: _Whole, given: dict[str, Tensor]) -> bytes:
    count = torch.export.Dim("n", min=1, max=MOST)
    shapes = {name: {0: count} if value.dim() else {} for name, value in given.items()}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision is missing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(module, (), given, dynamic_shapes=shapes)
        # Not optimized: that rounds 1e-8 to 0, so that a constant layer, which is divided by the
        # root of its variance, becomes NaN (onnxscript 0.7).
        program = torch.onnx.export(
            exported, dynamo=True, verbose=False, optimize=False, output_names=["images"]
        )
    assert program is not None
    proto = program.model_proto
    for node in proto.graph.node:
        node.ClearField("metadata_props")  # paths of this machine
    proto.graph.ClearField("value_info")
    for value in (*proto.graph.input, *proto.graph.output):
        for size in value.type.tensor_type.shape.dim[:1]:
            size.dim_param = "n"
    model: bytes = proto.SerializeToString()
    return model
