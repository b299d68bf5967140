"""ONNX networks: what geometry they are found to have, what they give, and what is refused."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from animetools.errors import FatalError, ItemError
from animetools.upscaling.network import Geometry, Planes, UpscalingNetwork
from animetools.upscaling.onnxfile import open_onnx
from animetools.upscaling.tiles import enlarge
from tests.upscaling.onnxfiles import (
    F16,
    F32,
    OPEN,
    Net,
    attending,
    encoded,
    factors,
    file_of,
    model,
    nearest,
    node,
    padded,
    resizing,
    squeezed,
    unshuffled,
)

INT = TensorProto.INT64


def enlarged(planes: Planes, scale: int) -> Planes:
    return planes.repeat(scale, 1).repeat(scale, 2)


def picture(height: int, width: int) -> Planes:
    return np.random.default_rng(0).random((3, height, width), np.float32)


def opened(data: bytes, folder: Path) -> UpscalingNetwork:
    path = folder / "a.onnx"
    path.write_bytes(data)
    return open_onnx(str(path), "cpu")


def refused(data: bytes, folder: Path) -> str:
    """The sentence of a refusal."""
    with pytest.raises(FatalError) as why:
        opened(data, folder)
    sentence = str(why.value)
    assert "\n" not in sentence
    assert sentence.startswith(f"{folder}/a.onnx is not a ")
    assert len(sentence) < 600
    return sentence


def test_resizing(tmp_path: Path) -> None:
    network, rgb = opened(nearest(3), tmp_path), picture(7, 5)
    assert network.geometry == Geometry(3, ends=1, least=16, tile=170)
    np.testing.assert_array_equal(network.run(rgb), enlarged(rgb, 3))


def test_transposed_convolution(tmp_path: Path) -> None:
    ones = np.ones((3, 1, 2, 2), np.float32)
    data = model(node("ConvTranspose", "x w", strides=[2, 2], group=3), w=ones)
    network, rgb = opened(data, tmp_path), picture(8, 6)
    assert network.geometry == Geometry(2, ends=1, least=16, tile=256)
    np.testing.assert_array_equal(network.run(rgb), enlarged(rgb, 2))


def test_pixel_shuffle(tmp_path: Path) -> None:
    sixteen = np.eye(3, dtype=np.float32).repeat(16, 0)[:, :, None, None]
    data = model(
        node("Conv", "x w", "a"), node("DepthToSpace", "a", blocksize=4, mode="CRD"), w=sixteen
    )
    network, rgb = opened(data, tmp_path), picture(8, 6)
    assert network.geometry == Geometry(4, ends=1, least=16, tile=128)
    np.testing.assert_array_equal(network.run(rgb), enlarged(rgb, 4))


@settings(max_examples=15, deadline=None)
@given(
    scale=st.integers(1, 16),
    border=st.integers(0, 28),
    align=st.sampled_from([1, 2, 4, 8, 16, 32, 64]),
    strict=st.booleans(),
)
@example(scale=7, border=0, align=64, strict=False)  # 7 x 64 is 8 x 56
def test_the_form_is_found(
    scale: int, border: int, align: int, strict: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    border -= border % align  # what is left must still be aligned
    middle = np.zeros((3, 1, 2 * border + 1, 2 * border + 1), np.float32)
    middle[:, :, border, border] = 1
    nodes = [
        node("Conv", "x w", "cut", group=3),
        node("MaxPool", "cut", "small", kernel_shape=[align] * 2, strides=[align] * 2),
        resizing("small", "back", "a"),
        # Pictures that are not aligned fail, or lose some pixels.
        node("Mul", "back cut", "mixed") if strict else node("Identity", "back", "mixed"),
        resizing("mixed", "y", "s"),
    ]
    data = model(*nodes, w=middle, a=factors(align), s=factors(scale))
    network = opened(data, tmp_path_factory.getbasetemp())
    geometry = network.geometry
    assert (geometry.scale, geometry.border, geometry.align, geometry.fixed) == (
        scale,
        border,
        align,
        0,
    )
    assert (geometry.ends, geometry.overlap) == (align, 0)
    rgb = picture(3 * align + 64, 2 * align + 64)
    height, width = (scale * (n - 2 * border) for n in rgb.shape[1:])
    assert network.run(rgb).shape == (3, height, width)


NETS = {
    "blocks of 4": (Net(unshuffled, 4), 4, 4),
    "strides of 8": (Net(encoded, 3), 8, 8),
    "windows of 8": (Net(attending, 8), 8, 8),
    "windows of 12": (Net(attending, 12), 48, 48),
    "all of it": (Net(squeezed), 64, 1),
    "filled up to 4s": (Net(padded, 4, partial(unshuffled, fold=4)), 4, 1),
    "filled up to 8s": (Net(padded, 8, attending), 8, 1),
    "filled up to 16s": (Net(padded, 16, partial(encoded, levels=2)), 16, 1),
    "filled up to 64s": (Net(padded, 64, partial(unshuffled, fold=2)), 64, 1),
    "filled up on both sides": (Net(padded, 8, attending, around=True), 8, 8),
}


@pytest.mark.parametrize("name", NETS)
def test_tiles_of_any_size_show_the_same(name: str, tmp_path: Path) -> None:
    net, align, ends = NETS[name]
    network = opened(net.file(), tmp_path)
    assert (network.geometry.scale, network.geometry.align, network.geometry.ends) == (
        2,
        align,
        ends,
    )
    y, x = np.mgrid[:131, :93]
    waves = np.stack([np.sin(x / 7 + y / 50), np.cos(y / 6), np.sin(x / 4) * np.cos(y / 90)], 2)
    noise = np.random.default_rng(1).normal(0, 20, waves.shape)
    pixels = (waves * 90 + 128 + noise + 40 * (x > 80)[:, :, None]).clip(0, 255).astype(np.uint8)
    with ThreadPoolExecutor(2) as workers:
        for tta in (False, True):
            whole = enlarge(network, pixels, workers, side=999, tta=tta).astype(int)
            for side in (64,) if tta else (16, 48, 64):
                found = enlarge(network, pixels, workers, side=side, tta=tta)
                assert abs(found - whole).max() <= 1
        # Where a network takes pictures of any size, it is given just the picture.
        if ends == 1:
            direct = network.run(pixels.transpose(2, 0, 1) / np.float32(255))
            levels = np.floor(direct.transpose(1, 2, 0) * 255 + 0.5).clip(0, 255)
            whole = enlarge(network, pixels, workers)
            assert abs(levels - whole).max() <= 1
        for side in (1, 5, 20, 40):  # however small
            assert enlarge(network, pixels[:side, : side + 1], workers).shape == (
                2 * side,
                2 * side + 2,
                3,
            )


@pytest.mark.parametrize("batch", [1, "n", None])
@pytest.mark.parametrize("channels", [3, "c"])
def test_a_fixed_square(batch: Any, channels: Any, tmp_path: Path) -> None:
    network = opened(nearest(takes=[batch, channels, 32, 32], gives=["a", "b", "c", "d"]), tmp_path)
    assert network.geometry == Geometry(2, overlap=32, fixed=32)
    rgb = picture(32, 32)
    np.testing.assert_array_equal(network.run(rgb), enlarged(rgb, 2))


def test_one_fixed_side_is_a_fixed_square(tmp_path: Path) -> None:
    assert opened(nearest(takes=[1, 3, 48, "w"]), tmp_path).geometry.fixed == 48


def test_half_precision(tmp_path: Path) -> None:
    rgb = picture(8, 6)
    network = opened(nearest(numbers=F16), tmp_path)
    found = network.run(rgb)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, enlarged(rgb.astype(np.float16).astype(np.float32), 2))
    mixed = model(resizing("x", "z", "s"), node("Cast", "z", to=F16), given=F16, s=factors(2))
    np.testing.assert_array_equal(opened(mixed, tmp_path).run(rgb), found)


def test_the_input_may_be_a_view(tmp_path: Path) -> None:
    network = opened(nearest(), tmp_path)
    view = np.broadcast_to(picture(8, 6)[:1], (3, 8, 6))[:, ::-1].transpose(0, 2, 1)
    np.testing.assert_array_equal(network.run(view), enlarged(view, 2))


def test_threads_share_an_engine(tmp_path: Path) -> None:
    network = opened(nearest(), tmp_path)
    pictures = [picture(40, width) for width in range(16, 48)]
    with ThreadPoolExecutor(4) as pool:
        for rgb, found in zip(pictures, pool.map(network.run, pictures), strict=True):
            np.testing.assert_array_equal(found, enlarged(rgb, 2))


def test_a_network_that_changes_its_mind_is_told(tmp_path: Path) -> None:
    data = model(
        node("Shape", "x", "all", start=2),
        node("Mul", "all two", "double"),
        node("Min", "double most", "sides"),
        node("Concat", "first sides", "sizes", axis=0),
        node("Resize", "x   sizes", mode="nearest"),
        two=np.array([2, 2]),
        most=np.array([400, 400]),
        first=np.array([1, 3]),
    )
    network = opened(data, tmp_path)
    assert network.geometry.scale == 2
    with pytest.raises(ItemError, match="the network returns 400x120 pixels for 240x60 pixels"):
        network.run(picture(60, 240))


@contextmanager
def little_memory() -> Iterator[None]:
    """Let this process have half a gigabyte more than it has."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + (1 << 29), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_a_picture_too_large_for_the_memory_is_told(tmp_path: Path) -> None:
    network = opened(nearest(16), tmp_path)
    with little_memory():
        for side in (1 << 10, 1 << 20):  # the output does not fit, and the picture itself
            with pytest.raises(ItemError, match=f"not enough memory for {side}x{side} pixels at"):
                network.run(np.broadcast_to(np.float32(0), (3, side, side)))


IDENTITY = node("Identity", "x")
HUGE = [
    node("ConstantOfShape", "n", "c"),
    node("ReduceMax", "c", "m", keepdims=1),
    node("Add", "x m"),
]
OTHERS: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "No graph was found"),
    "a text": (b"a text and no network" * 9, "rotobuf parsing failed"),
    "a truncated file": (nearest()[:-20], "rotobuf parsing failed"),
    "an unknown operator": (model(node("Evil", "x")), "Evil"),
    "an operator of others": (model(node("Evil", "x", domain="evil.example")), "evil.example"),
    "a broken graph": (model(node("Identity", "z")), "z"),
    "two outputs": (
        model(IDENTITY, node("Relu", "x", "z"), more=([], ["z"])),
        "it has inputs: 1, outputs: 2; not one each",
    ),
    "two inputs": (
        model(node("Add", "x z"), more=(["z"], [])),
        "it has inputs: 2, outputs: 1; not one each",
    ),
    "one channel": (nearest(takes=[1, 1, "h", "w"]), "it takes [1, 1, ?, ?], not [1, 3, h, w]"),
    "channels last": (
        model(IDENTITY, takes=[1, "h", 64, 3]),
        "it takes [1, ?, 64, 3], not [1, 3, h, w]",
    ),
    "a batch of two": (nearest(takes=[2, 3, "h", "w"]), "it takes [2, 3, ?, ?], not"),
    "three axes": (model(IDENTITY, takes=[3, "h", "w"], gives=["c", "h", "w"]), "[3, ?, ?], not"),
    "an oblong": (nearest(takes=[1, 3, 32, 64]), "it takes [1, 3, 32, 64], not"),
    "a vast square": (nearest(takes=[1, 3, 1 << 20, 1 << 20]), "it takes [1, 3, 1048576, "),
    "whole numbers": (model(IDENTITY, numbers=INT), "it takes tensor(int64), not float32"),
    "whole numbers out": (
        model(node("Cast", "x", to=INT), given=INT),
        "it does not return float32 or float16",
    ),
    "a sequence": (
        file_of(
            helper.make_graph(
                [node("SequenceConstruct", "x")],
                "g",
                [helper.make_tensor_value_info("x", F32, OPEN)],
                [helper.make_tensor_sequence_value_info("y", F32, OPEN)],
            )
        ),
        "it does not return float32 or float16",
    ),
    "a classifier": (
        model(node("GlobalAveragePool", "x", "m"), node("Flatten", "m"), gives=["n", "c"]),
        "it returns [1, 3], not [1, 3, H, W]",
    ),
    "a fixed classifier": (
        model(
            node("Flatten", "x", "f"),
            node("MatMul", "f w"),
            takes=[1, 3, 8, 8],
            gives=[1, 10],
            w=np.ones((192, 10), np.float32),
        ),
        "it returns [1, 10], not",
    ),
    "a batch out of one": (model(node("Concat", "x x", axis=0)), "it returns [2, 3, 64, 192], not"),
    "six channels": (
        model(node("Concat", "x x", axis=1), gives=["n", 6, "h", "w"]),
        "it returns [1, 6, 64, 192], not",
    ),
    "half as much again": (nearest(1.5), "it returns 288x96 pixels for 192x64 pixels"),
    "smaller": (nearest(0.5), "it returns 96x32 pixels for 192x64 pixels"),
    "always the same": (
        model(
            node("Resize", "x   s", mode="nearest"),
            s=np.array([1, 3, 64, 64]),
        ),
        "it returns 64x64 pixels for 192x64",
    ),
    "a frame around it": (
        model(node("Pad", "x p"), p=np.array([0, 0, 2, 2, 0, 0, 2, 2])),
        "it returns 196x68 pixels for 192x64",
    ),
    "wider than high": (
        model(resizing("x", "y", "s"), s=np.array([1, 1, 2, 4], np.float32)),
        "it returns 768x128 pixels for 192x64",
    ),
    "a fixed square that loses its border": (
        model(
            node("Conv", "x w", group=3),
            takes=[1, 3, 32, 32],
            gives=[1, 3, 30, 30],
            w=np.ones((3, 1, 3, 3), np.float32),
        ),
        "it returns 30x30 pixels for 32x32 pixels, the only size it takes",
    ),
    "seventeenfold": (nearest(17), "it returns 3264x1088 pixels for"),
    "NaN": (
        model(node("Div", "x zero", "i"), node("Sub", "i i"), zero=np.zeros(1, np.float32)),
        "its output holds NaN or infinite",
    ),
    "infinity": (model(node("Div", "x zero"), zero=np.zeros(1, np.float32)), "NaN or infinite"),
    "a terabyte": (model(*HUGE, n=np.array([1 << 40])), "not enough memory for"),
    "a negative size": (model(*HUGE, n=np.array([-1])), "not a usable ONNX file: "),
    "what cannot be run": (
        model(node("Reshape", "x s"), s=np.array([1, 3, 7, 7])),
        "enlarges pictures: it cannot be run: ",
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_files_are_refused_with_the_reason(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, reason = OTHERS[kind]
    assert reason in refused(data, tmp_path)
    assert capfd.readouterr() == ("", "")


def outside(location: str) -> bytes:
    """A network whose only weight lies in another file."""
    weight = TensorProto(name="w", data_type=F32, dims=[1], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node("Add", "x w")], "g", [value("x", F32, OPEN)], [value("y", F32, OPEN)], [weight]
    )
    return file_of(graph)


def test_weights_may_lie_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for place in (folder, tmp_path):
        (place / "w.data").write_bytes(np.float32(1).tobytes())
    (folder / "link").symlink_to("../w.data")
    rgb = picture(8, 8)
    np.testing.assert_array_equal(opened(outside("w.data"), folder).run(rgb), rgb + 1)
    for location in ("none.data", "../w.data", f"{folder}/w.data", "link", "/dev/zero", "."):
        refused(outside(location), folder)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    for name, reason in {
        "none.onnx": "cannot be read: No such file or directory",
        "": "is not a file",
        "fifo": "is not a file",
        "\udcff.onnx": "onnxruntime takes names in UTF-8 only: rename it",
    }.items():
        if name == "fifo":
            os.mkfifo(tmp_path / name)
        elif name.startswith("\udcff"):
            (tmp_path / name).write_bytes(nearest())
        with pytest.raises(FatalError, match=reason):
            open_onnx(str(tmp_path / name), "cpu")


def test_names_of_any_other_kind_will_do(tmp_path: Path) -> None:
    for name in ("a.ort", "a\nb", "ä .onnx", "a"):
        (tmp_path / name).write_bytes(nearest())
        assert open_onnx(str(tmp_path / name), "cpu").geometry.scale == 2


def test_without_onnxruntime_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(FatalError, match=r"pip install 'animetools\[upscale\]'"):
        open_onnx("a.onnx", "cpu")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="there is CUDA"
)
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_card_is_used_or_its_lack_told(device: str, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(nearest())
    with pytest.raises(FatalError, match=f"--device {device}: .* use --device cpu"):
        open_onnx(str(tmp_path / "a.onnx"), device)


def test_opening_needs_no_torch() -> None:
    line = "import sys, animetools.upscaling.onnxfile; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", line]).returncode == 0


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    content = nearest()
    name = onnx.load_from_string(content).graph.input[0].name.encode()
    with pytest.raises(FatalError, match="names that are not UTF-8"):
        opened(content.replace(name, b"\x80" * len(name)), tmp_path)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damage_is_refused_or_does_no_harm(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(nearest())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with little_memory():
        try:
            network = opened(bytes(content), tmp_path_factory.getbasetemp())
        except FatalError as why:
            assert "\n" not in str(why)
        else:
            side = network.geometry.fixed or 64
            with suppress(ItemError):
                assert network.run(picture(side, side)).ndim == 3
