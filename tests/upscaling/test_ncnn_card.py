"""ncnn's networks by torch: what ncnn itself makes of a picture, and the parts that tiles ask for."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from animetools.errors import ItemError
from animetools.upscaling import ncnn_card
from animetools.upscaling.ncnn_card import TILE, CardNetwork
from animetools.upscaling.ncnn_graph import read_graph
from animetools.upscaling.network import Planes
from tests.upscaling.graphs import COMPACT, CUNET, NETWORKS, Ncnn, picture, waifu2x, write

torch.set_num_threads(1)  # networks as small as these are slower with more
WAIFU2X = waifu2x()
CPU = torch.device("cpu")
installed = pytest.mark.skipif(not WAIFU2X, reason="waifu2x is not installed")


def opened(files: tuple[str, str], dtype: torch.dtype = torch.float32) -> CardNetwork:
    return CardNetwork(read_graph(*files), CPU, dtype)


def enough(network: CardNetwork, height: int, width: int) -> Planes:
    """A picture with as much around it as the network cuts off."""
    geometry = network.geometry
    sides = (side + 2 * geometry.border for side in (height, width))
    return picture(*(-(-side // geometry.align) * geometry.align for side in sides))


def levels(one: Planes, other: Planes) -> float:
    """How far two pictures are from each other, in grey levels."""
    assert one.shape == other.shape
    assert one.dtype == other.dtype == np.float32
    return float(abs(one - other).max()) * 255


# The same as ncnn


@installed
@pytest.mark.parametrize("name", WAIFU2X)
def test_waifu2x_is_as_ncnn_has_it(name: str) -> None:
    network = opened(WAIFU2X[name])
    rgb = enough(network, 40, 44)
    out = network.run(rgb)
    scale = network.geometry.scale
    assert out.shape[1:] == tuple(
        (side - 2 * network.geometry.border) * scale for side in rgb.shape[1:]
    )
    assert levels(out, Ncnn(*WAIFU2X[name]).run({"Input1": rgb}, "Eltwise4")) < 0.1


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_layer_is_as_ncnn_has_it(name: str, half: bool, tmp_path: Path) -> None:
    files = write(tmp_path, NETWORKS[name], half=half)
    check_same(files, 40, 44)
    check_same(files, 2, 1)


RESIZED = "Interp i 1 1 a b 0={} 1={:e} 2={:e}\nInterp j 1 1 b out 0=1 1=2.0 2=2.0\n"
WITH_NUMBER = "BinaryOp o 1 1 a out 0={} 1=1 2=3.000000e-01\n"
WITH_CONSTANT = "MemoryData m 0 1 b 0=1 1=1 2=3\nBinaryOp o 2 1 a b out 0={}\n"
WITH_MEAN = "Split s 1 2 a b c\nPooling p 1 1 c d 0=1 4=1\nBinaryOp o 2 1 b d out 0={}\n"
CUT = "Crop c 1 1 a out -23309=2,3,3 -23310=2,-3,-3 -23311=2,{}\n"
WITH_ANOTHER = "Split s 1 2 a b c\nReLU r 1 1 b d 0=0.5\nBinaryOp o 2 1 c d out 0={}\n"
WEIGHTED = "Split s 1 3 a b c d\nEltwise e 3 1 b c d out 0=1 {}\n"
CONVOLVED = "Convolution c 1 1 a out 0=3 1=3 4={} 5={} 6=81 9={}\n"
ENLARGED = "Deconvolution d 1 1 a out 0=3 1=4 3=2 4={} 5={} 6=144 9={}\n"
ACTIVE = ("0", "1", "2 -23310=1,3.000000e-01", "4")


@pytest.mark.parametrize(
    "layers",
    [
        *(RESIZED.format(kind, by, by) for kind in (1, 2, 3) for by in (0.5, 1.5, 2, 3)),
        *(WITH_NUMBER.format(operation) for operation in range(6)),
        *(WITH_ANOTHER.format(operation) for operation in (0, 1, 2, 4, 5)),
        *(WITH_CONSTANT.format(operation) for operation in (0, 1, 2, 4, 5)),
        *(WITH_MEAN.format(operation) for operation in (0, 1, 2, 4, 5)),
        *(CUT.format(axes) for axes in ("1,2", "-2,-1")),
        *(WEIGHTED.format(factors) for factors in ("", "-23301=3,0.5,-1.0,2.0")),
        *(CONVOLVED.format(at % 2, at % 2, active) for at, active in enumerate(ACTIVE)),
        *(ENLARGED.format(at // 2 * 2 + 1, at % 2, active) for at, active in enumerate(ACTIVE)),
    ],
)
def test_every_operation_is_as_ncnn_has_it(layers: str, tmp_path: Path) -> None:
    before = "Input in 0 1 data\nConvolution mix 1 1 data a 0=3 1=1 5=1 6=9\n"
    check_same(write(tmp_path, before + layers), 10, 14)


def check_same(files: tuple[str, str], height: int, width: int) -> None:
    network = opened(files)
    rgb = enough(network, height, width)
    graph = network.graph
    assert levels(network.run(rgb), Ncnn(*files).run({graph.entry: rgb}, graph.exit)) < 0.01


# What the tiles ask for


@installed
@pytest.mark.parametrize("name", ["models-cunet/scale2.0x_model", "models-cunet/noise1_model"])
def test_parts_of_waifu2x_make_the_whole(name: str) -> None:
    check_parts(opened(WAIFU2X[name]), 40, 44)


def test_parts_make_the_whole(tmp_path: Path) -> None:
    check_parts(opened(write(tmp_path, CUNET)), 12, 14)


def check_parts(network: CardNetwork, height: int, width: int) -> None:
    rgb = enough(network, height, width)
    whole = network.run(rgb)
    known: dict[str, Planes] = {}
    for pool in network.geometry.pools:
        blob = network.run(rgb, known, pool.of)
        assert blob.ndim == 3
        mean = network.run(rgb, known, pool.mean)
        np.testing.assert_allclose(mean, blob.mean((1, 2)), rtol=1e-4, atol=1e-5)
        known[pool.mean] = mean
        assert levels(network.run(rgb, known), whole) < 0.01
        # All that comes before is not needed for what comes behind.
        np.testing.assert_array_equal(network.run(rgb, known | {pool.of: blob}, pool.mean), mean)
    brighter = {mean: planes * 2 for mean, planes in known.items()}
    assert levels(network.run(rgb, brighter), whole) > 1


def test_what_only_known_blobs_depend_on_is_not_computed(tmp_path: Path) -> None:
    network = opened(write(tmp_path, CUNET))
    rgb = enough(network, 12, 14)
    blob = network.run(rgb, None, "g")
    mean = network.run(rgb, {"g": blob}, "mean2")
    nothing = np.empty((3, 0, 0), np.float32)  # no convolution takes that
    np.testing.assert_array_equal(network.run(nothing, {"g": blob}, "mean2"), mean)
    np.testing.assert_array_equal(network.run(nothing, {"g": blob}), network.run(rgb))
    np.testing.assert_array_equal(network.run(nothing, {"mean1": mean}, "mean1"), mean)
    with pytest.raises(RuntimeError):
        network.run(nothing, {"c": network.run(rgb, None, "c")}, "g")  # which needs a1, too


def test_arrays_of_any_layout_are_taken(tmp_path: Path) -> None:
    network = opened(write(tmp_path, COMPACT))
    rgb = picture(20, 24)
    mirrored = rgb[:, ::-1].transpose(0, 2, 1)
    mirrored.flags.writeable = False
    np.testing.assert_array_equal(
        network.run(mirrored), network.run(np.ascontiguousarray(mirrored))
    )
    assert network.run(rgb).flags.c_contiguous


def test_threads_may_share_an_engine(tmp_path: Path) -> None:
    network = opened(write(tmp_path, CUNET))
    pictures = [enough(network, side, side) for side in (8, 20, 12, 16) * 3]
    with ThreadPoolExecutor(4) as workers:
        for found, rgb in zip(workers.map(network.run, pictures), pictures, strict=True):
            np.testing.assert_array_equal(found, network.run(rgb))


# Half the bits


@installed
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("models-upconv_7_anime_style_art_rgb/scale2.0x_model", torch.bfloat16),
        ("models-upconv_7_anime_style_art_rgb/scale2.0x_model", torch.float16),
        ("models-cunet/scale2.0x_model", torch.bfloat16),
        ("models-cunet/scale2.0x_model", torch.float16),
    ],
)
def test_half_the_bits_come_near(name: str, dtype: torch.dtype) -> None:
    exact, rough = opened(WAIFU2X[name]), opened(WAIFU2X[name], dtype)
    rgb = enough(exact, 32, 32)
    error = exact.run(rgb).clip(0, 1) - rough.run(rgb).clip(0, 1)
    assert 0 < (error**2).mean() < 10**-5  # 50 dB


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NETWORKS)
def test_half_the_bits_are_taken_by_every_layer(
    name: str, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(tmp_path, NETWORKS[name])
    exact = opened(files)
    monkeypatch.setattr(ncnn_card, "FEW", 0)  # these networks have few channels everywhere
    rough = opened(files, dtype)
    rgb = enough(exact, 24, 20)
    assert 0 < levels(rough.run(rgb), exact.run(rgb)) < 20


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_card_comes_near_the_cpu(
    name: str, dtype: torch.dtype, tmp_path: Path, card: torch.device
) -> None:
    graph = read_graph(*write(tmp_path, NETWORKS[name]))
    exact = CardNetwork(graph, CPU, torch.float32)
    rgb = enough(exact, 40, 44)
    out = CardNetwork(graph, card, dtype).run(rgb)
    assert levels(out, exact.run(rgb)) < 1


# Memory


def test_tiles_are_larger_on_a_card(tmp_path: Path) -> None:
    graph = read_graph(*write(tmp_path, COMPACT))
    assert CardNetwork(graph, CPU, torch.float32).geometry == graph.geometry
    assert CardNetwork(graph, torch.device("meta"), torch.float32).geometry == replace(
        graph.geometry, tile=TILE
    )


def test_a_card_without_memory_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = opened(write(tmp_path, COMPACT))
    rgb = picture(8, 8)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB.")

    with monkeypatch.context() as patch:
        patch.setattr(F, "pixel_shuffle", full)
        with pytest.raises(ItemError, match="try a smaller --tile") as caught:
            network.run(rgb)
    assert caught.value.__context__ is None  # it would keep what is on the card
    assert network.run(rgb).shape == (3, 16, 16)
