"""Networks on a CPU, ours and as ONNX by other engines: an image at a time, one thread on all sides.

StyleGAN 2 (config-f) of random weights, its generator as `sgconvert --input w` writes it, and the
features of its discriminator. Each engine's result is compared with that of the plain module: 42 dB are
wanted of bf16, and of fp32 an error of 1e-4 of the largest value.
"""

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks import fast
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from tests.benchmarks.against.turns import ROOT, Turn, compare, peer, timed

PACKAGES = ["openvino==2026.4.1", "onnxruntime==1.32.0", "numpy"]
SIZES = 256, 512
CPU = torch.device("cpu")
OURS = {"ours fp32": torch.float32, "ours bf16": torch.bfloat16}
PEERS = "openvino fp32", "openvino bf16", "onnxruntime fp32"
FP32, BF16 = 1e-4, 42.0


def measure(python: Path) -> None:
    """Both networks at both sizes."""
    torch.set_num_threads(1)
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
            generator, ws = _generator(size)
            _export_generator(generator, Path(folder))
            draw = {name: fast.synthesis(generator, CPU, dtype) for name, dtype in OURS.items()}
            images = generator.synthesis(ws, "const")
            _turns(f"generator {size} px", python, Path(folder, "G"), draw, ws, images)

            discriminator = _discriminator(size)
            _export_discriminator(discriminator, images, Path(folder))
            look = {name: fast.features(discriminator, CPU, dtype) for name, dtype in OURS.items()}
            seen = discriminator.features(images)
            _turns(f"discriminator {size} px", python, Path(folder, "D"), look, images, seen)


def _turns(
    what: str,
    python: Path,
    files: Path,
    ours: dict[str, Callable[[Tensor], Tensor]],
    given: Tensor,
    wanted: Tensor,
) -> None:
    """Time all engines by turns, then compare what they made."""
    np.save(files.with_suffix(".npy"), given.numpy())
    made: dict[str, Tensor] = {name: run(given) for name, run in ours.items()}
    turns: dict[str, Turn] = {name: timed(partial(run, given)) for name, run in ours.items()}
    for name in PEERS:
        turns[name] = peer(python, "tests.benchmarks.against.onnx_engines", name, str(files))
    compare(what, turns)
    for name in PEERS:
        made[name] = torch.from_numpy(np.load(f"{files}.{name}.npy"))
    for name, result in made.items():
        error = (result - wanted).abs().max() / wanted.abs().max()
        # Of random weights: their range is taken to be three deviations each way.
        rms = (result - wanted).square().mean().sqrt()
        decibels = 20 * math.log10(6 * wanted.std() / rms)
        well = error < FP32 if name.endswith("fp32") else decibels > BF16
        verdict = "" if well else "  TOO FAR"
        sys.stdout.write(f"{what:24} {name:24} off by {error:.0e}, {decibels:.0f} dB{verdict}\n")


def _generator(size: int) -> tuple[stylegan2.Generator, Tensor]:
    """A network whose noise shows, and the w of an image."""
    torch.manual_seed(0)
    made = stylegan2.Generator(StyleGAN2GeneratorConfig(MappingConfig(), _channels(size))).eval()
    for name, parameter in made.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.1)
    return made, made.mapping(torch.randn(1, 512)).contiguous()


def _discriminator(size: int) -> stylegan2.Discriminator:
    return stylegan2.Discriminator(StyleGAN2DiscriminatorConfig(_channels(size))).eval()


def _channels(size: int) -> tuple[int, ...]:
    return tuple(min(32768 >> i, 512) for i in range(2, size.bit_length()))


def _export_generator(generator: stylegan2.Generator, folder: Path) -> None:
    """G.onnx, by the command itself."""
    network = SavedNetwork(generator.config, generator.state_dict())
    checkpoints.write(str(folder / "G.pkl"), NetworkFile("animetools", {"G_ema": network}, {}))
    made = [str(folder / "G.pkl"), str(folder / "G.onnx")]
    command = [str(ROOT / "bin" / "sgconvert"), "--input", "w", *made]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _export_discriminator(
    discriminator: stylegan2.Discriminator, images: Tensor, folder: Path
) -> None:
    """D.onnx: what sgconvert has no form for."""

    class Features(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return discriminator.features(images)

    torch.onnx.export(
        Features().eval(), (images,), folder / "D.onnx", dynamo=True, verbose=False, optimize=False
    )
