"""ncnn's files, read as a graph of layers in which everything is checked.

The .param is text: 7767517, the numbers of layers and of blobs, then a layer a line: type, name,
numbers of inputs and outputs, their names, parameters as key=value. The .bin holds the weights in
the order of the layers. Such files come from strangers, and ncnn itself checks little.
"""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from animetools.errors import FatalError
from animetools.upscaling.ncnn_layers import LAYER_TYPES, Blob, LayerType, Params, Refusal, refuse
from animetools.upscaling.network import Geometry, GlobalPool, Planes

MAGIC = b"7767517"
TAGS = {0x01306B47: "<f2", 0: "<f4"}  # of the weights, and their type
MOST_TEXT = 1 << 19  # bytes of a .param; the 999 layers of Real-ESRGAN take 116 kB
MOST_WEIGHTS = 512 << 20  # bytes, as float32
MOST_LAYERS = 4096
LONGEST_WORD = 255  # bytes; ncnn cuts longer ones in pieces
MOST_RATIO = 64  # of the sides of a blob to those of the input, either way
MOST_SAMPLES = 1 << 28  # of one blob of a tile: 1 GiB
INSTEAD = "give an .onnx of the network"
FARTHEST = 32  # pixels that a tile gets of its neighbors, though deep networks look farther


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer, as in the file.

    `params` holds every parameter of its type, whether the file gives it or not. `weight`
    is [O, I, k, k], also of a Deconvolution, [O, I] of an InnerProduct, [C] or [1] of a PReLU, [C]
    of a MemoryData; `bias` is [O].
    """

    kind: str
    name: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    params: Params
    weight: Planes | None = None
    bias: Planes | None = None


@dataclass(frozen=True, eq=False)
class Graph:
    """Layers in an order in which they can be computed, from the blob `entry` to the blob `exit`.

    Every blob but `exit` is used by exactly one layer: for more there are the copies of a Split.
    """

    layers: tuple[Layer, ...]
    entry: str
    exit: str
    geometry: Geometry


def read_graph(param: str, bin: str) -> Graph:
    """The network of a .param and its .bin, from RGB in 0..1 to an enlarged picture.

    An input that `geometry` allows, larger than twice its border, passes through all layers: no side
    is less than 1 on the way, and none leaves a remainder.

    Raises FatalError, one sentence that begins with the file's name, if a file cannot be read, is
    broken or absurd, or has layers or parameters that are not supported.
    """
    with _blamed(param):
        sizes, *lines = _lines(_content(param, MOST_TEXT))
        net = _GraphBuilder()
        for number, words in enumerate(lines, 1):
            try:
                net.add(_layer(words))
            except Refusal as why:
                refuse(f"layer {number}{_named(words)} {why}")
        if sizes != [str(len(lines)), str(len(net.blobs))]:
            refuse("its second line does not give the numbers of its layers and blobs")
        entry, exit = net.ends()
        geometry = net.geometry(exit)
        most = sum(stored.most_bytes for stored in net.stored if stored)
        if most > MOST_WEIGHTS:
            refuse(f"its weights take more than {MOST_WEIGHTS >> 20} MiB")
    with _blamed(bin):
        weights = _WeightReader(_content(bin, most))
        layers = [
            weights.fill(layer, stored) if stored else layer
            for layer, stored in zip(net.layers, net.stored, strict=True)
        ]
        if weights.at != len(weights.content):
            refuse("it is longer than its layers need")
    return Graph(tuple(layers), entry, exit, geometry)


@contextmanager
def _blamed(path: str) -> Iterator[None]:
    try:
        yield
    except Refusal as why:
        raise FatalError(f"{path} cannot be used: {why}") from None
    except OSError as why:
        raise FatalError(f"{path} cannot be read: {why.strerror}") from why


def _content(path: str, most: int) -> bytes:
    if not os.path.isfile(path) and not os.path.isdir(path) and os.path.exists(path):
        refuse("it is not a regular file")  # a FIFO would be waited for
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        refuse(f"it is longer than the {most} bytes that are allowed")
    return content


# The text


def _lines(content: bytes) -> list[list[str]]:
    """The words of all lines but the first."""
    try:
        content.decode()
    except UnicodeDecodeError:
        refuse("it is not UTF-8 text")
    # Bytes are split where C splits them; text would be at many more characters.
    lines = [words for line in content.split(b"\n") if (words := line.split())]
    if len(lines) < 2 or lines[0] != [MAGIC]:
        refuse("it does not begin with 7767517, as ncnn's networks do")
    if len(lines) - 2 > MOST_LAYERS:
        refuse(f"it has more than {MOST_LAYERS} layers")
    if any(len(word) > LONGEST_WORD or b"\0" in word for words in lines for word in words):
        refuse(f"it has a word with a NUL or of more than {LONGEST_WORD} bytes")
    return [[word.decode() for word in words] for words in lines[1:]]


def _named(words: list[str]) -> str:
    """A layer's name and type, as far as its line has them, for a message."""
    name = f" {words[1]!a}" if len(words) > 1 else ""
    return f"{name} ({words[0]})" if words[0] in LAYER_TYPES else name


def _layer(words: list[str]) -> Layer:
    """The layer of a line; the other lines are not known yet."""
    match words:
        case [kind, *_] if kind not in LAYER_TYPES:
            refuse(f"is a {ascii(kind)[1:-1]}, which is not supported: {INSTEAD}")
        case [kind, name, takes, gives, *rest] if COUNTS.fullmatch(f"{takes} {gives}"):
            middle, end = int(takes), int(takes) + int(gives)
            if end <= len(rest):
                params = _params(LAYER_TYPES[kind], rest[end:])
                return Layer(kind, name, tuple(rest[:middle]), tuple(rest[middle:end]), params)
    refuse("is not followed by a name, numbers of blobs, their names and parameters")


def _params(kind: LayerType, words: list[str]) -> Params:
    given: Params = {}
    for word in words:
        key, value = _parameter(word)
        default = (kind.params | kind.fixed).get(key, 0 if key in kind.same_as else None)
        if key in given:
            refuse(f"has parameter {key} twice")
        if type(value) is not type(default) or (
            type(value) is tuple and not all(type(number) is kind.arrays for number in value)
        ):
            refuse(f"has the parameter {word!a}, which is not supported: {INSTEAD}")
        given[key] = value
    params = {key: given.get(key, default) for key, default in kind.params.items()}
    for key, value in given.items():
        wanted = params[kind.same_as[key]] if key in kind.same_as else kind.fixed.get(key, value)
        if value != wanted:
            refuse(f"has the parameter {key}={value}, and only {wanted} is supported: {INSTEAD}")
    return params


def _parameter(word: str) -> tuple[int, Any]:
    left, _, right = word.partition("=")
    if WHOLE.fullmatch(left):
        key, array = int(left), FIRST_ARRAY - int(left)
        if 0 <= key < 32:
            return key, _number(right)
        count, *numbers = right.split(",")
        if 0 <= array < 32 and count == str(len(numbers)):
            return array, tuple(_number(number) for number in numbers)
    refuse(f"has {word!a} where a parameter belongs")


def _number(text: str) -> int | float:
    """A number; as in ncnn, its notation tells int from float."""
    if WHOLE.fullmatch(text) and abs(int(text)) < 1 << 31:
        return int(text)
    if len(text) < 16 and REAL.fullmatch(text) and abs(float(text)) < 3e38:
        return float(text)
    refuse(f"has {text!a} where a 32-bit number belongs")


COUNTS = re.compile(r"\d{1,4} \d{1,4}", re.ASCII)
WHOLE = re.compile(r"-?\d{1,10}", re.ASCII)
REAL = re.compile(r"-?\d+(?=[.eE])(\.\d*)?([eE][+-]?\d\d?)?", re.ASCII)
FIRST_ARRAY = -23300  # less its key: how ncnn marks an array, whose length comes first


# The layers together


@dataclass(frozen=True)
class StoredWeights:
    """What the .bin holds for a layer: weights, after a tag unless they are `bare`, then biases."""

    shape: tuple[int, ...]
    biases: int = 0
    bare: bool = False

    @property
    def most_bytes(self) -> int:
        """Its largest size in the file."""
        return 4 + 4 * (math.prod(self.shape) + self.biases)


def _stored(layer: Layer, channels: int) -> StoredWeights | None:
    p = layer.params
    match layer.kind:
        case "Convolution" | "Deconvolution":
            shape: tuple[int, ...] = (p[0], channels, p[1], p[1])
            biased, count = p[5], p[6]
        case "InnerProduct":
            shape, biased, count = (p[0], channels), p[1], p[2]
        case "PReLU":
            return StoredWeights((p[0],), bare=True)
        case "MemoryData":
            return StoredWeights((p[2],), bare=True)
        case _:
            return None
    if count != math.prod(shape) or biased not in (0, 1):
        refuse(f"declares {count} weights and biases {biased} for {' x '.join(map(str, shape))}")
    return StoredWeights(shape, p[0] * biased)


class _GraphBuilder:
    """The layers so far, and their blobs."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.stored: list[StoredWeights | None] = []
        self.blobs: dict[str, Blob] = {}
        self.unused: dict[str, Blob] = {}
        self.copied: dict[str, str] = {}  # from a copy to its original
        self.pools: list[GlobalPool] = []

    def add(self, layer: Layer) -> None:
        """Add a layer.

        Raises Refusal if it does not fit the layers so far.
        """
        taken = []
        for name in layer.bottoms:
            if name not in self.unused:
                refuse(f"takes the blob {name!a}, which does not exist or is already used")
            taken.append(self.unused.pop(name))
        kind = LAYER_TYPES[layer.kind]
        if not re.fullmatch(kind.takes, "".join(blob.letter for blob in taken)):
            refuse("takes too few or too many blobs, or a vector instead of a picture")
        if not layer.tops or (len(layer.tops) > 1 and layer.kind != "Split"):
            refuse(f"outputs {len(layer.tops)} blobs")
        blob = kind.gives(layer.params, *taken)
        if blob.channels < 1 or max(blob.ratio.as_integer_ratio()) > MOST_RATIO:
            refuse("makes a blob that is too large or too small")
        for name in layer.tops:
            if name in self.blobs:
                refuse(f"outputs the blob {name!a}, which already exists")
            self.blobs[name] = self.unused[name] = blob
        self.layers.append(layer)
        self.stored.append(_stored(layer, taken[0].channels if taken else 0))
        if layer.kind in ("Split", "Pooling"):
            of = self.copied.get(layer.bottoms[0], layer.bottoms[0])
            if layer.kind == "Split":
                self.copied |= dict.fromkeys(layer.tops, of)
            else:
                self.pools.append(GlobalPool(of, layer.tops[0], taken[0].ratio))

    def ends(self) -> tuple[str, str]:
        """The input and the output: the blob without a layer, and the one that no layer uses."""
        inputs = [layer.tops[0] for layer in self.layers if layer.kind == "Input"]
        if len(inputs) != 1 or len(self.unused) != 1:
            refuse(f"it has {len(inputs)} inputs and {len(self.unused)} outputs, not one of each")
        return inputs[0], next(iter(self.unused))

    def geometry(self, exit: str) -> Geometry:
        """How the output lies on the input."""
        out = self.blobs[exit]
        scale = int(out.ratio)
        if out.channels != 3 or scale < 1 or out.ratio != scale:
            refuse("its output is not an RGB picture enlarged by a whole number")
        border = Fraction(-out.rest, 2 * scale)
        if border < 0 or border.denominator > 1:
            refuse("it does not crop a whole number of pixels off the edges")
        # Real-CUGAN's 4x networks leave out their last addition; no others end like them.
        kinds = [layer.kind for layer in self.layers]
        geometry = Geometry(
            scale,
            border=int(border),
            overlap=min(math.ceil(out.reach / scale), FARTHEST),
            align=math.lcm(*(blob.ratio.denominator for blob in self.blobs.values())),
            tile=128,
            residual=kinds[-1] == "PixelShuffle" and "Deconvolution" in kinds,
            pools=tuple(self.pools),
        )
        least = 2 * geometry.border + 1
        most = geometry.tile + 2 * (geometry.border + geometry.overlap)
        for blob in self.blobs.values():
            if blob.side(least + -least % geometry.align) < 1:
                refuse("small pictures do not pass through it")
            if blob.channels * blob.side(most + -most % geometry.align) ** 2 > MOST_SAMPLES:
                refuse("it needs too much memory")
        return geometry


# The weights


class _WeightReader:
    """Reads a .bin from its beginning to its end."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = memoryview(content), 0

    def fill(self, layer: Layer, stored: StoredWeights) -> Layer:
        """The layer with its weights, which come next in the file."""
        kind = "<f4"
        if not stored.bare:
            tag = int.from_bytes(self._bytes(4), "little")
            if tag not in TAGS:
                refuse(f"the weights of {layer.name!a} are neither float16 nor float32")
            kind = TAGS[tag]
        weight = self._numbers(kind, math.prod(stored.shape)).reshape(stored.shape)
        return replace(
            layer,
            weight=weight,
            bias=self._numbers("<f4", stored.biases) if stored.biases else None,
        )

    def _numbers(self, kind: str, count: int) -> Planes:
        width = np.dtype(kind).itemsize
        content = self._bytes(count * width)
        self.at += -len(content) % 4
        with np.errstate(invalid="ignore"):  # it is checked below
            numbers = np.frombuffer(content, kind).astype(np.float32)
        if not np.isfinite(numbers).all():
            refuse("it has NaN or infinite weights")
        return numbers

    def _bytes(self, count: int) -> memoryview:
        start, self.at = self.at, self.at + count
        if self.at > len(self.content):
            refuse("it is shorter than its layers need")
        return self.content[start : self.at]
