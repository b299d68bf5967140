"""ncnn's files: what is read out of them, and all that is refused."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from animetools.errors import FatalError
from animetools.upscaling.ncnn_graph import FARTHEST, MOST_LAYERS, MOST_TEXT, read_graph
from animetools.upscaling.network import Geometry, GlobalPool
from tests.upscaling.graphs import (
    COMPACT,
    CUGAN,
    CUGAN4,
    CUNET,
    DENSE,
    HALF,
    NETWORKS,
    SPAN,
    Ncnn,
    picture,
    text,
    waifu2x,
    weights,
    write,
)

WAIFU2X = waifu2x()
ONE = "Input in 0 1 data\nConvolution c 1 1 data out 0=3 1=1 5=1 6=9\n"


# What is read


def test_a_graph_holds_the_layers_in_order(tmp_path: Path) -> None:
    graph = read_graph(*write(tmp_path, COMPACT))
    assert (graph.entry, graph.exit) == ("data", "out")
    assert [layer.kind for layer in graph.layers] == [
        line.split()[0] for line in COMPACT.splitlines()
    ]
    copies, convolution = graph.layers[1], graph.layers[6]
    assert copies.tops == ("one", "other")
    assert copies.weight is None
    assert (convolution.name, convolution.bottoms, convolution.tops) == ("c3", ("d",), ("e",))
    assert convolution.params == {0: 48, 1: 3, 3: 1, 4: 1, 5: 1, 6: 3456, 9: 0, 10: ()}
    assert convolution.weight is not None
    assert convolution.weight.shape == (48, 8, 3, 3)
    assert convolution.bias is not None
    assert convolution.bias.shape == (48,)


@pytest.mark.parametrize("half", [False, True])
def test_weights_are_those_of_the_file(half: bool, tmp_path: Path) -> None:
    param, bin = write(tmp_path, ONE)
    weight, bias = np.arange(9).reshape(3, 3, 1, 1) / 8, np.array([1.0, 2.0, 3.0])
    stored = weight.astype("<f2").tobytes() + bytes(2) if half else weight.astype("<f4").tobytes()
    tag = (HALF if half else 0).to_bytes(4, "little")
    Path(bin).write_bytes(tag + stored + bias.astype("<f4").tobytes())
    layer = read_graph(param, bin).layers[1]
    for found, wanted in ((layer.weight, weight), (layer.bias, bias)):
        assert found is not None
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, wanted)


def test_lines_may_end_as_in_windows(tmp_path: Path) -> None:
    param, bin = write(tmp_path, DENSE)
    wanted = read_graph(param, bin).geometry
    Path(param).write_bytes(text(DENSE).replace("\n", "\r\n").encode())
    assert read_graph(param, bin).geometry == wanted


def test_no_heavy_library_is_loaded_for_it() -> None:
    check = "import sys, animetools.upscaling.ncnn_graph; print({'torch', 'ncnn'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


# The geometry


def test_forms_of_made_up_networks(tmp_path: Path) -> None:
    # Three convolutions see 3 pixels far, and bicubic two samples of a fourth of a pixel more.
    assert read_graph(*write(tmp_path, COMPACT)).geometry == Geometry(2, overlap=4, tile=128)
    # Four convolutions 4 pixels, bilinear one more, and the last half a pixel.
    assert read_graph(*write(tmp_path, DENSE)).geometry == Geometry(2, overlap=6, tile=128)
    assert read_graph(*write(tmp_path, SPAN)).geometry == Geometry(2, overlap=3, tile=128)
    # Only Real-CUGAN's 4x networks leave the last addition to others.
    geometry = read_graph(*write(tmp_path, CUGAN4)).geometry
    assert (geometry.scale, geometry.border, geometry.residual) == (4, 2, True)
    assert read_graph(*write(tmp_path, CUGAN)).geometry == Geometry(
        2, border=5, align=2, tile=128, pools=(GlobalPool("c", "gap0", Fraction(1, 2)),)
    )
    assert read_graph(*write(tmp_path, CUNET)).geometry == Geometry(
        2,
        border=4,
        align=2,
        tile=128,
        pools=(GlobalPool("c", "mean1", Fraction(1, 2)), GlobalPool("g", "mean2", Fraction(1))),
    )


@pytest.mark.skipif(not WAIFU2X, reason="waifu2x is not installed")
@pytest.mark.parametrize("name", WAIFU2X)
def test_forms_of_waifu2x(name: str) -> None:
    geometry = read_graph(*WAIFU2X[name]).geometry
    if "cunet" not in name:
        assert geometry == Geometry(2, border=7, tile=128)
        return
    half = Fraction(1, 2)
    if "scale2.0x" in name:
        assert (geometry.scale, geometry.border, geometry.align) == (2, 18, 2)
        ratios = [half, 1, half, 1]
    else:
        assert (geometry.scale, geometry.border, geometry.align) == (1, 28, 4)
        ratios = [half, half, half / 2, half]
    assert [(pool.mean, pool.ratio) for pool in geometry.pools] == [
        (f"Pooling{number}", ratio) for number, ratio in enumerate(ratios, 1)
    ]
    assert geometry.pools[0].of == "Convolution5_ReLU5"  # which ncnn copies for two others
    assert (geometry.overlap, geometry.tile) == (0, 128)


kernels = st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(0, 3))
chains = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["Convolution", "Deconvolution"]), kernels),
        st.tuples(st.just("Interp"), st.sampled_from([(1, 2.0), (2, 1.5), (3, 0.5), (2, 0.75)])),
        st.tuples(st.just("PixelShuffle"), st.just((2,))),
    ),
    max_size=5,
)


def chain(steps: list[tuple[str, tuple[float, ...]]]) -> str:
    """The layers of a network that does these one behind the other, with 3 channels at its ends."""
    lines = ["Input in 0 1 b0"]

    def add(kind: str, params: str) -> None:
        lines.append(f"{kind} l{len(lines)} 1 1 b{len(lines) - 1} b{len(lines)} {params}")

    channels = 3
    for kind, numbers in steps:
        if kind == "Interp":
            add(kind, "0={} 1={:e} 2={:e}".format(numbers[0], *numbers[1:] * 2))
        elif kind == "PixelShuffle":
            add("Convolution", f"0=16 1=1 6={channels * 16}")
            add(kind, "0=2")
            channels = 4
        else:
            kernel, stride, pad = numbers
            add(kind, f"0=4 1={kernel} 3={stride} 4={pad} 6={channels * 4 * kernel**2}")
            channels = 4
    add("Convolution", f"0=3 1=1 6={channels * 3}")
    return "\n".join(lines) + "\n"


@settings(max_examples=200, deadline=None)
@given(chains, st.integers(1, 9), st.integers(1, 9))
@example(
    [("Convolution", (2, 2, 0)), ("Convolution", (3, 1, 0)), ("Deconvolution", (4, 2, 1))], 3, 2
)
@example([("Convolution", (3, 1, 1)), ("Interp", (2, 2.0)), ("Convolution", (3, 1, 1))], 3, 1)
@example([("PixelShuffle", (2,)), ("PixelShuffle", (2,)), ("Interp", (2, 0.75))], 1, 4)
@example([("Convolution", (4, 2, 1)), ("PixelShuffle", (2,))], 1, 1)
def test_a_form_says_how_outputs_lie_and_what_they_depend_on(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, tuple[float, ...]]],
    height: int,
    width: int,
) -> None:
    param, bin = write(tmp_path_factory.mktemp("chain"), chain(steps))
    try:
        graph = read_graph(param, bin)
    except FatalError:
        return
    geometry, network = graph.geometry, Ncnn(param, bin)
    assert geometry.overlap < FARTHEST

    def up(side: int) -> int:
        return -(-side // geometry.align) * geometry.align

    # A window of a picture, and the picture: more lies around the window than is asked for.
    around = geometry.border + geometry.overlap
    height, width = up(2 * around + height), up(2 * around + width)
    more = 2 * geometry.align
    whole = picture(height + 2 * more, width + 3 * more)
    window = whole[:, more : more + height, more : more + width]
    large, small = (network.run({graph.entry: rgb}, graph.exit) for rgb in (whole, window))
    for rgb, out in ((whole, large), (window, small)):
        sides = [geometry.scale * (side - 2 * geometry.border) for side in rgb.shape[1:]]
        assert out.shape == (3, *sides)
    inner = slice(geometry.overlap * geometry.scale, -geometry.overlap * geometry.scale or None)
    at = more * geometry.scale
    same = large[:, at : at + small.shape[1], at : at + small.shape[2]]
    np.testing.assert_allclose(small[:, inner, inner], same[:, inner, inner], atol=1e-4)


# What is refused


def refusal(param: str, bin: str) -> str:
    with pytest.raises(FatalError) as caught:
        read_graph(param, bin)
    return str(caught.value)


def changed(layers: str, old: str, new: str) -> str:
    assert old in layers
    return layers.replace(old, new, 1)


@pytest.mark.parametrize(
    ("layers", "old", "new", "why"),
    [
        (COMPACT, "PReLU ", "Softmax ", "layer 4 'p1' is a Softmax, which is not supported"),
        (COMPACT, "6=576", "6=576 7=2", "has the parameter '7=2', which is not supported"),
        (COMPACT, "6=576", "6=576 8=1", "has the parameter 8=1, and only 0 is supported"),
        (COMPACT, "6=576", "6=576 18=1.0", "has the parameter 18=1.0, and only 0.0 is supported"),
        (COMPACT, "6=576", "6=576 19=1", "has the parameter 19=1, and only 0"),
        (COMPACT, "6=576", "6=576 5=1", "has parameter 5 twice"),
        (COMPACT, "6=576", "6=576 -23330=4,3,8,8,8", "'-23330=4,3,8,8,8', which is not supported"),
        (COMPACT, "2=1 12=1", "2=2 12=2", "has the parameter 2=2, and only 1"),
        (COMPACT, "12=1", "12=2", "has the parameter 12=2, and only 1"),
        (COMPACT, "11=3", "11=1", "has the parameter 11=1, and only 3"),
        (COMPACT, "16=1", "16=0", "has the parameter 16=0, and only 1"),
        (COMPACT, "4=1 5=1 6=216", "4=-233 5=1 6=216", "padding -233"),
        (COMPACT, "4=1 5=1 6=216", "4=3 5=1 6=216", "padding 3"),
        (COMPACT, "6=576", "6=577", "declares 577 weights"),
        (COMPACT, "5=1 6=576", "5=2 6=576", "biases 2"),
        (COMPACT, "6=576", "6=576 9=3 -23310=2,0.0,1.0", "activation 3 with 2 numbers"),
        (COMPACT, "6=576", "6=576 9=2", "activation 2 with 0 numbers"),
        (COMPACT, "b 0=8", "b 0=7", "has 7 slopes for 8 channels"),
        (COMPACT, "f 0=4", "f 0=5", "5 times as long"),
        (COMPACT, "f 0=4", "f 0=4 1=1", "has the parameter 1=1, and only 0"),
        (COMPACT, "2=4.000000e+00", "2=2.000000e+00", "does not resize by one factor"),
        (COMPACT, "2=4.000000e+00", "2=4", "has the parameter '2=4', which is not supported"),
        (COMPACT, "0=3 1=5.0", "0=4 1=5.0", "does not resize by one factor"),
        (COMPACT, "1=5.000000e-01 2=5.000000e-01", "1=0.4 2=0.4", "layer 11 'down' (Interp)"),
        (COMPACT, "1=5.000000e-01 2=5.000000e-01", "1=1e9 2=1e9", "too large or too small"),
        (COMPACT, "1=5.000000e-01 2=5.000000e-01", "1=nan 2=nan", "'nan' where"),
        (COMPACT, "1=5.000000e-01 2=5.000000e-01", "1=1e99 2=1e99", "'1e99' where"),
        (COMPACT, "2=5.000000e-01", "2=5.000000e-01 6=1", "has the parameter 6=1, and only 0"),
        (COMPACT, "2=5.000000e-01", "2=5.000000e-01 3=80", "has the parameter 3=80, and only 0"),
        (COMPACT, "h 0=0", "h 0=6", "does operation 6"),
        (COMPACT, "h 0=0", "h 0=0 1=1", "does operation 0 with 2 blobs"),
        (
            COMPACT,
            "other g 0=1 1=4.000000e+00 2=4",
            "other g 0=1 1=2.000000e+00 2=2",
            "different sizes",
        ),
        (COMPACT, "2=3", "2=1", "has 1 channels, not RGB"),
        (
            COMPACT,
            "1 2 data one other",
            "1 2 data one one",
            "outputs the blob 'one', which already exists",
        ),
        (COMPACT, "1 2 data one other", "1 0 data", "outputs 0 blobs"),
        (COMPACT, "1 1 one a", "1 1 zero a", "takes the blob 'zero', which does not exist"),
        (COMPACT, "1 1 one a", "1 9 one a", "is not followed by a name, numbers of blobs"),
        (
            COMPACT,
            "2 1 f g h",
            "2 1 f f h",
            "takes the blob 'f', which does not exist or is already used",
        ),
        (COMPACT, "data 0=64", "data x=64", "'x=64' where a parameter belongs"),
        (COMPACT, "data 0=64", "data 0=99999999999", "where a 32-bit number"),
        (COMPACT, "0=48 1=3 11=3 3=1 13=1", "0=48 1=3 3=1 13=2", "13=2, and only 1"),
        (DENSE, "xa 0=0", "xa 0=1", "has the parameter 0=1, and only 0"),
        (DENSE, "-23301=2,2.000000e-01,1.000000e+00", "-23301=1,2.000000e-01", "is not a sum"),
        (DENSE, "-23301=2,2.000000e-01", "-23301=3,2.000000e-01", "where a parameter belongs"),
        (DENSE, "-23310=1,2.000000e-01", "-23310=1,1", "the parameter '-23310=1,1', which is not"),
        (DENSE, "y 0=1", "y 0=0", "is not a sum"),
        (DENSE, "out 0=3 1=3 4=1 5=1 6=216", "out 0=1 1=3 4=1 5=1 6=72", "is not an RGB picture"),
        (DENSE, "1=2.000000e+00 2=2.000000e+00", "1=1.5 2=1.5", "enlarged by a whole number"),
        (DENSE, "1=3 4=1 5=1 6=432", "1=3 5=1 6=432", "takes blobs of different sizes"),
        (CUNET, "mean1 0=1 4=1", "mean1 0=0 4=1", "is not global average pooling"),
        (CUNET, "mean1 0=1 4=1", "mean1 0=1 4=0 1=2", "'1=2', which is not supported"),
        (CUNET, "c0 j d 0=-233", "c0 j d 0=8", "does not multiply each channel"),
        (CUNET, "c0 j d 0=-233", "c0 j d 0=-233 1=1", "has the parameter 1=1, and only 0"),
        (CUNET, "c0 j d", "j c0 d", "or a vector instead of a picture"),
        (CUNET, "f 0=2 1=2", "f 0=2", "does not crop all four sides"),
        (CUNET, "f 0=2 1=2", "f 0=1 1=1", "does not crop all four sides"),
        (CUNET, "f 0=2 1=2", "f 0=2 1=2 3=4", "'3=4', which is not supported"),
        (CUNET, "1=4 3=2 4=3 5=1", "1=4 3=2 4=3 5=1 18=1", "has the parameter 18=1, and only 0"),
        (
            CUNET,
            "1=4 3=2 4=3 5=1 6=384",
            "1=3 3=2 4=1 5=1 6=216",
            "does not crop a whole number of pixels",
        ),
        (CUNET, "b 0=8 1=2 3=2 5=1 6=256", "b 0=8 1=3 3=2 5=1 6=576", "does not divide the sides"),
        (
            CUGAN,
            "-23310=2,-2,-2",
            "-23310=2,-2,-1",
            "layer 11 'cut' (Crop) does not crop all four sides",
        ),
        (CUGAN, "-23309=2,2,2", "-23309=2,-2,-2", "does not crop all four sides"),
        (CUGAN, "-23309=2,2,2", "-23309=1,2", "does not crop all four sides"),
        (CUGAN, "-23309=2,2,2", "0=2 1=2", "does not crop all four sides"),
        (CUGAN, "-23309=2,2,2", "-23309=2,2.0,2.0", "'-23309=2,2.0,2.0', which is not supported"),
        (CUGAN, "-23311=2,-2,-1", "-23311=2,0,1", "does not crop rows and columns"),
        (CUGAN, "-23309=2,2,2 -23310=2,-2,-2", "-23309=2,9,9 -23310=2,-9,-9", "different sizes"),
        (CUGAN, "i j 0=8 1=1 2=32", "i j 0=7 1=1 2=28", "takes 7 numbers for 8 channels"),
        (CUNET, "f 0=2 1=2", "f 0=2 1=2 -23309=2,2,2", "crops in two ways at once"),
        (SPAN, "mean 0=1 1=1 2=3", "mean 0=3", "is not one number for each channel"),
        (SPAN, "mean 0=1 1=1 2=3", "mean 0=1 1=1 2=3 21=0", "21=0, and only 1"),
        (SPAN, "mean 0=1 1=1 2=3", "mean 0=1 1=1 2=2000000000", "takes 2000000000 numbers for 3"),
        (SPAN, "mean 0=1 1=1 2=3", "mean 0=1 1=1 2=0", "too large or too small"),
        (SPAN, "data mean a", "mean data a", "or a vector instead of a picture"),
        (SPAN, "Swish         act", "Deconvolution3D act", "is a Deconvolution3D, which is not"),
        (ONE, "1=1", "1=1 3=0", "stride 0"),
        (ONE, "0=3 1=1 5=1 6=9", "0=2000000000 1=1 5=1 6=9", "declares 9 weights"),
        (ONE, "0=3 1=1 5=1 6=9", "0=200000000 1=1 5=1 6=600000000", "is not an RGB picture"),
    ],
)
def test_what_is_not_known_is_refused_by_name(
    layers: str, old: str, new: str, why: str, tmp_path: Path
) -> None:
    param, bin = write(tmp_path, layers)
    Path(param).write_text(text(changed(layers, old, new)))
    said = refusal(param, bin)
    assert said.startswith(f"{param} cannot be used: ")
    assert why in said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "does not begin with 7767517"),
        (b"7767517", "does not begin with 7767517"),
        (b"7767517\n0 0\n", "0 inputs and 0 outputs"),
        (b"7767518" + text(ONE).encode()[7:], "does not begin with 7767517"),
        (text(ONE).replace("2 2", "2 3").encode(), "its second line"),
        (text(ONE).replace("2 2", "-2 2").encode(), "its second line"),
        (text(ONE).encode() + b"\xff", "not UTF-8 text"),
        (text(ONE).replace("in 0", "i\0n 0").encode(), "a NUL"),
        (text(ONE).replace("in 0", "i" * 256 + " 0").encode(), "more than 255 bytes"),
        (text("Input in 0 1 a\nInput in 0 1 b\n").encode(), "2 inputs and 2 outputs"),
        (text("Input in 0 1 a\n" * (MOST_LAYERS + 1)).encode(), f"more than {MOST_LAYERS} layers"),
        (text(ONE).encode() + b" " * MOST_TEXT, f"longer than the {MOST_TEXT} bytes"),
    ],
)
def test_what_is_no_network_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    param, bin = write(tmp_path, ONE)
    Path(param).write_bytes(content)
    said = refusal(param, bin)
    assert said.startswith(f"{param} cannot be used: ")
    assert why in said


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        (
            "Convolution c 1 1 a b 0=8 1=1 6=24\nInterp i 1 1 b c 0=1 1=64.0 2=64.0\n"
            "Interp j 1 1 c d 0=1 1=0.25 2=0.25\nConvolution e 1 1 d f 0=3 1=1 6=24\n",
            "needs too much memory",
        ),
        (
            "Convolution c 1 1 a b 0=50000000 1=1 6=150000000\n"
            "Convolution d 1 1 b c 0=3 1=1 6=150000000\n",
            "needs too much memory",
        ),
        ("Convolution c 1 1 a b 0=3 1=8001 6=576144009\n", "its weights take more than 512 MiB"),
    ],
)
def test_absurd_memory_is_refused_before_it_is_taken(layers: str, why: str, tmp_path: Path) -> None:
    param, bin = write(tmp_path, ONE)
    Path(param).write_text(text("Input in 0 1 a\n" + layers))
    assert why in refusal(param, bin)


def test_a_network_that_small_pictures_do_not_pass_is_refused(tmp_path: Path) -> None:
    around = (
        "Input in 0 1 a\nConvolution c 1 1 a b 0=3 1=3 6=81\nDeconvolution d 1 1 b c 0=3 1=3 6=81\n"
    )
    assert "small pictures" in refusal(*write(tmp_path, around))


@pytest.mark.parametrize("half", [False, True])
def test_weights_that_do_not_fit_are_refused(half: bool, tmp_path: Path) -> None:
    param, bin = write(tmp_path, CUNET, half=half)
    content = weights(CUNET, half=half)
    for wrong, why in (
        (content[:-1], "it is shorter than its layers need"),
        (content[:2], "it is shorter than its layers need"),
        (b"", "it is shorter than its layers need"),
        (content + b"\0", "longer than"),
        (content + bytes(100_000), "longer than"),
        (b"\1" + content[1:], "the weights of 'c1' are neither float16 nor float32"),
        (content[:-4] + b"\0\0\xc0\x7f", "NaN or infinite weights"),
        (content[:-4] + b"\0\0\x80\x7f", "NaN or infinite weights"),
        (content[:4] + b"\xff\xff\xff\xff" + content[8:], "NaN or infinite weights"),
    ):
        Path(bin).write_bytes(wrong)
        said = refusal(param, bin)
        assert said.startswith(f"{bin} cannot be used: ")
        assert why in said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    param, bin = write(tmp_path, ONE)
    assert refusal(param, f"{bin}2") == f"{bin}2 cannot be read: No such file or directory"
    assert refusal(str(tmp_path), bin) == f"{tmp_path} cannot be read: Is a directory"
    os.mkfifo(tmp_path / "fifo")
    assert refusal(str(tmp_path / "fifo"), bin).endswith("it is not a regular file")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([*NETWORKS.values()]),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4), st.binary(max_size=4)), max_size=3),
)
def test_mutants_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    layers: str,
    of_weights: bool,
    changes: list[tuple[float, int, bytes]],
) -> None:
    files = write(tmp_path_factory.mktemp("mutant"), layers, half=True)
    content = Path(files[of_weights]).read_bytes()
    for place, less, more in changes:
        at = int(place * len(content))
        content = content[:at] + more + content[at + less :]
    Path(files[of_weights]).write_bytes(content)
    try:
        graph = read_graph(*files)
    except FatalError as why:
        assert str(why).startswith(files[of_weights]) or str(why).startswith(files[1])
        assert "\n" not in str(why)
    else:
        assert len(graph.layers) == layers.count("\n")
