"""Upscalers and taggers on a CPU: ours, and the same networks by other engines, one thread on all sides.

A picture at a time, of the size that animeupscale or animetag gives the network. Each result is compared
with that of plain torch in fp32, in grey levels or in hundredths of a probability.
"""

import logging
import math
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import ncnn
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from animetools.images.files import read_rgb
from animetools.networks.devices import DTYPES
from animetools.tagging.default import DefaultTagger
from animetools.tagging.onnx import OnnxTagger
from animetools.upscaling.models import open_model, waifu2x
from animetools.upscaling.ncnn_card import CardNetwork
from animetools.upscaling.ncnn_cpu import CpuNetwork
from animetools.upscaling.ncnn_graph import Graph, read_graph
from tests.benchmarks.against.turns import ROOT, Turn, compare, peer, timed
from tests.conftest import REAL

PACKAGES = ["openvino==2026.4.1", "onnxruntime==1.32.0", "numpy"]
PEERS = "openvino fp32", "openvino bf16", "onnxruntime fp32"
ANIMEVIDEO = REAL.parent / "found/upscalers/realesr-animevideov3-x2.param"  # where it is there
SIDES = {"art": 128, "cunet": 256, "animevideo": 128}  # of tiles, or of a picture without any
TAGS = 10_861
SIDE = 448
CPU = torch.device("cpu")

Planes = NDArray[np.float32]
Run = Callable[[Planes], Any]


def upscaling(python: Path) -> None:
    """waifu2x's networks, and Real-ESRGAN's for films, from ncnn's files."""
    torch.set_num_threads(1)
    params = {name: waifu2x(name, None, 2) for name in ("art", "cunet")}
    if ANIMEVIDEO.exists():
        params["animevideo"] = str(ANIMEVIDEO)
    picture = cv2.resize(read_rgb(str(ROOT / "docs/faces.jpg")), (512, 512)) / np.float32(255)
    for name, param in params.items():
        bin = f"{param.removesuffix('.param')}.bin"
        graph = read_graph(param, bin)
        side = SIDES[name] + 2 * (graph.geometry.border + graph.geometry.overlap)
        given = np.ascontiguousarray(picture[:side, :side].transpose(2, 0, 1))
        ours: dict[str, Run] = {"ours (ncnn fp32)": open_model(param, None, "fp32").run}
        ours["ncnn bf16"] = _ncnn_bf16(graph, param, bin)
        for dtype in ("fp32", "bf16"):
            ours[f"torch {dtype}"] = CardNetwork(graph, CPU, DTYPES[dtype]).run
        _measure(f"{name}, {side} px", python, _AsModule(graph), given[None], ours)


def tagging(python: Path) -> None:
    """The tagger that ships, and a network of random weights with the form and size of a WD tagger."""
    torch.set_num_threads(1)
    shipped = DefaultTagger()
    small = cv2.resize(read_rgb(str(ROOT / "docs/faces.jpg")), (shipped.side, shipped.side))
    given = small.transpose(2, 0, 1)[None] / np.float32(127.5) - 1
    ours: dict[str, Run] = {"ours": lambda picture: shipped([(picture + 1) * 127.5])}
    network = nn.Sequential(shipped.network, nn.Sigmoid()).eval()
    ours["torch"] = lambda picture: network(torch.from_numpy(picture[None])).numpy()
    _measure("the shipped tagger", python, network, given, ours)

    torch.manual_seed(0)
    large = ConvNeXt().eval()
    pixels = cv2.resize(read_rgb(str(ROOT / "docs/faces.jpg")), (SIDE, SIDE))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        _export(large, pixels[None].astype(np.float32), path)
        names = "".join(f"{n},tag_{n},{9 if n < 4 else 0},1\n" for n in range(TAGS))
        path.with_name("selected_tags.csv").write_text("tag_id,name,category,count\n" + names)
        taggers = {dtype: OnnxTagger(str(path), "", "cpu", 1, dtype) for dtype in ("bf16", "fp32")}
        ours = {f"ours {dtype}": partial(_tagged, tagger) for dtype, tagger in taggers.items()}
        _measure("a WD tagger", python, large, pixels[None].astype(np.float32), ours)


def _tagged(tagger: OnnxTagger, picture: Planes) -> Planes:
    return tagger([picture.astype(np.uint8)])


def _measure(
    what: str,
    python: Path,
    network: nn.Module,
    given: Planes,
    ours: Mapping[str, Run],
) -> None:
    """Time all engines by turns, then say how far they are from the `network` itself."""
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        files = Path(folder, "network")
        _export(network, given, files.with_suffix(".onnx"))
        np.save(files.with_suffix(".npy"), given)
        wanted = network(torch.from_numpy(given)).numpy()
        inner = given[0]
        made = {name: run(inner) for name, run in ours.items()}
        turns: dict[str, Turn] = {name: timed(partial(run, inner)) for name, run in ours.items()}
        for name in PEERS:
            turns[name] = peer(python, "tests.benchmarks.against.onnx_engines", name, str(files))
        compare(what, turns)
        for name in PEERS:
            made[name] = np.load(f"{files}.{name}.npy")
    for name, result in made.items():
        error = np.abs(np.asarray(result).reshape(wanted.shape) - wanted)
        decibels = -20 * math.log10(max(float(np.sqrt(np.mean(error**2))), 1e-9))
        line = f"{what:24} {name:24} off by {error.max():.6f} at most, {decibels:.0f} dB"
        sys.stdout.write(f"{line}\n")


def _export(network: nn.Module, given: Planes, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision is missing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.from_numpy(given),), path, dynamo=True, verbose=False)


def _ncnn_bf16(graph: Graph, param: str, bin: str) -> Run:
    network = CpuNetwork(graph, param, bin)
    network.net = ncnn.Net()
    options = network.net.opt
    options.num_threads, options.use_vulkan_compute = 1, False
    options.use_bf16_storage = options.use_bf16_packed = True
    network.net.load_param(param)
    network.net.load_model(bin)
    return network.run


class _AsModule(nn.Module):
    """A graph in torch's operations."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph, self.steps = graph, CardNetwork(graph, CPU, torch.float32).steps

    def forward(self, rgb: Tensor) -> Tensor:
        """The enlarged picture [1, 3, H, W] of rgb [1, 3, h, w]."""
        blobs = {self.graph.entry: rgb}
        for layer, compute in self.steps:
            made = compute(*[blobs.pop(name) for name in layer.bottoms])
            blobs |= dict.fromkeys(layer.tops, made)
        return blobs[self.graph.exit]


class ConvNeXt(nn.Module):
    """ConvNeXt-B with the input and output of a WD tagger. Source: Liu et al. 2022, figure 4, section 3."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 128, 4, 4), _Norm(128)]
        for channels, depth in ((128, 3), (256, 3), (512, 27), (1024, 3)):
            if channels > 128:
                layers += [_Norm(channels // 2), nn.Conv2d(channels // 2, channels, 2, 2)]
            layers += [_Block(channels) for _ in range(depth)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.LayerNorm(1024), nn.Linear(1024, TAGS), nn.Sigmoid())

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities [n, tags] of pictures [n, side, side, 3] in 0..255."""
        x: Tensor = self.body(pictures.permute(0, 3, 1, 2) / 127.5 - 1)
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


class _Norm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide, self.narrow = (
            nn.Linear(channels, 4 * channels),
            nn.Linear(4 * channels, channels),
        )
        self.scale = nn.Parameter(torch.full((channels,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.spatial(x).permute(0, 2, 3, 1))
        y = self.narrow(functional.gelu(self.wide(y))) * self.scale
        return x.add(y.permute(0, 3, 1, 2))
