"""The parts of cuda.py: what is measured on a card, and how near it comes to the CPU."""

import inspect
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from animetools.networks import fast
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from animetools.networks.stylegan2.modules import Generator
from animetools.sampling.render import GROUP_PIXELS, LARGEST_GROUP, to_pixels
from animetools.text.models.inference import load_for_inference
from animetools.text.models.loading import SHIPPED
from animetools.text.writing.batch import SLOTS, Batch
from animetools.text.writing.generation import Generation
from animetools.text.writing.sampler import Sampler
from animetools.training.architecture import networks
from animetools.training.augment import Ada
from animetools.training.config import preset
from animetools.training.draw import Draw
from animetools.training.gan import GAN
from animetools.training.networks import new_networks
from animetools.upscaling.models import open_model, waifu2x
from animetools.upscaling.network import UpscalingNetwork
from animetools.upscaling.tiles import enlarge

CPU = torch.device("cpu")
COMPARED = 2  # images, drawn by the CPU too


@dataclass(frozen=True)
class Row:
    """One line: what was measured, how fast, and how near it comes to the CPU in single precision."""

    what: str
    speed: str
    near: str = ""


@dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    channels: int = 512  # of networks, at most
    seconds: float = 3.0  # that a speed is measured for
    batch: int = 32  # of training
    picture: int = 512  # side of what is enlarged
    blocks: int = 23  # of ESRGAN's trunk
    layers: int = 12  # of the language model
    width: int = 768
    tokens: int = 200  # of each text
    cycle: int = 16  # steps of training, after which every regularization has had its turn


Rows = Iterator[Row]  # each as soon as it is known
QUICK = Sizes(
    channels=8, seconds=0, batch=4, picture=8, blocks=1, layers=2, width=64, tokens=4, cycle=1
)


def rate(work: Callable[[], object], device: torch.device, least: float) -> float:
    """How often a second the device does some work that it has done before."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    wait()
    start, times = time.perf_counter(), 0
    while times == 0 or time.perf_counter() - start < least:
        work()
        wait()
        times += 1
    return times / (time.perf_counter() - start)


def decibels(found: Tensor, wanted: Tensor) -> str:
    """PSNR where images span six standard deviations, as those of random weights have any range."""
    error = (found.cpu().float() - wanted).square().mean().sqrt()
    return f"{20 * math.log10(6 * float(wanted.std()) / max(float(error), 1e-12)):.0f} dB"


def new_generator(size: int, most: int) -> Generator:
    """StyleGAN 2, config F, with at most so many channels."""
    torch.manual_seed(0)
    channels = tuple(min(32768 >> i, most) for i in range(2, int(math.log2(size)) + 1))
    config = StyleGAN2GeneratorConfig(MappingConfig(), channels, clamp=256.0)
    return Generator(config).eval().requires_grad_(False)


def pixels_of(draw: fast.Synthesis, ws: Tensor) -> Tensor:
    """Images as sggen wants them."""
    return to_pixels(draw(ws, "const")).cpu()


@torch.inference_mode()
def sampling(device: torch.device, sizes: Sizes, size: int) -> Rows:
    """Images a second in the groups of sggen, to pixels in memory, without their files."""
    generator = new_generator(size, sizes.channels)
    group = max(COMPARED, min(GROUP_PIXELS // size**2, LARGEST_GROUP, sizes.batch))
    ws = generator.mapping(torch.randn(group, 512))
    with fast.thread_pool(torch.get_num_threads()) as pool:
        wanted = fast.synthesis(generator, CPU, torch.float32, pool)(ws[:COMPARED], "const")
    for name, dtype, stance in (
        ("fp32", torch.float32, "force_eager"),
        ("fp16", torch.float16, "force_eager"),
        ("fp16 compiled", torch.float16, "default"),
    ):
        with torch.compiler.set_stance(stance):
            draw = fast._on_gpu(generator.synthesis, device, dtype)
            near = decibels(draw(ws, "const")[:COMPARED], wanted)
            often = rate(partial(pixels_of, draw, ws), device, sizes.seconds)
            if not inspect.getclosurevars(inspect.unwrap(draw)).nonlocals["compiles"]:
                name = f"{name.split()[0]}, which does not compile here"
        yield Row(f"sggen {size} px, {name}", f"{often * group:.4g} images/s", near)


def new_gan(size: int, device: torch.device, sizes: Sizes, dtype: str) -> GAN:
    """The preset ada at p 0.2."""
    config = replace(preset("ada", max(size, 32)), batch=f"{sizes.batch}", dtype=dtype, p=0.2)  # type: ignore[arg-type]
    config = replace(config, channel_max=sizes.channels)
    generator, discriminator = new_networks(*networks(config, size, size, 3, 0), 0)
    pair = generator.to(device), discriminator.to(device)
    half = torch.float16 if dtype == "fp16" else None
    return GAN(*pair, config, augment=Ada(), precision=half)


def training(device: torch.device, sizes: Sizes, size: int) -> Rows:
    """Seconds a kimg of sgtrain, without its loader, and the gradients of a small batch."""
    count = 4
    stream = torch.Generator().manual_seed(1)
    z, reals = torch.randn(count, 512, generator=stream), torch.rand(count, 3, size, size) * 2 - 1
    gradients: list[Tensor] = []
    for where, dtype in ((CPU, "fp32"), (device, "fp16")):
        gan = new_gan(size, where, sizes, dtype)
        gan.p = torch.tensor(0.0)  # the same images on both
        gan.g.begin()
        gan.phases.generator_gradients(Draw(z.to(where)))
        gan.d.begin()
        gan.phases.discriminator_gradients(Draw(z.to(where)), reals.to(where), None)
        gan.phases.r1_gradients(reals.to(where), None)
        gradients.append(torch.cat([gan.g.gradient, gan.d.gradient]).cpu())
    near = f"gradients' cosine {float(torch.cosine_similarity(gradients[0], gradients[1], 0)):.4f}"
    gan = new_gan(size, device, sizes, "fp16")
    reals = (torch.rand(sizes.batch, 3, size, size) * 2 - 1).to(device)

    def cycle() -> None:
        for _ in range(sizes.cycle):
            gan.step(reals)

    gan.step(reals)
    taken = 1 / rate(cycle, device, sizes.seconds)
    kimg = 1000 * taken / (sizes.cycle * sizes.batch)
    memory = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0
    speed = f"{kimg:.1f} s/kimg, {memory:.0f} GB"
    yield Row(f"sgtrain ada {size} px, batch {sizes.batch}, fp16", speed, near)


def upscaling(device: torch.device, sizes: Sizes) -> Rows:
    """Megapixels a second that are put out, in fp16."""
    from tests.upscaling.test_esrgan import rrdb

    rgb = np.random.default_rng(0).integers(0, 256, (sizes.picture, sizes.picture, 3), np.uint8)
    small = rgb[:64, :64]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as workers:
        esrgan = f"{folder}/esrgan.pth"
        torch.save(rrdb(features=64, growth=32, blocks=sizes.blocks), esrgan)
        for name, path in (("ESRGAN 4x", esrgan), ("waifu2x cunet 2x", waifu2x("cunet", None, 2))):
            network = open_model(path, device, "fp16")
            exact: UpscalingNetwork = open_model(path, CPU, "fp32")
            found, wanted = (
                np.asarray(enlarge(each, small, workers), np.float64) for each in (network, exact)
            )
            worst = np.abs(found - wanted).max()
            work = partial(enlarge, network, rgb, workers)
            work()  # which chooses kernels and takes memory
            often = rate(work, device, sizes.seconds)
            pixels = (sizes.picture * network.geometry.scale) ** 2 / 1e6
            near = f"at most {worst:.0f} of 255 levels"
            yield Row(f"animeupscale {name}, fp16", f"{often * pixels:.3g} megapixels/s", near)


def text(device: torch.device, sizes: Sizes) -> Rows:
    """Tokens a second of GPT-2 small, 32 texts at once."""
    from transformers import GPT2Config, GPT2LMHeadModel

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        config = GPT2Config(
            n_layer=sizes.layers,
            n_embd=sizes.width,
            n_head=sizes.width // 64,
            bos_token_id=0,
            eos_token_id=0,
        )
        GPT2LMHeadModel(config).save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            Path(folder, name).write_bytes(Path(SHIPPED, name).read_bytes())
        ids = torch.arange(64) % 200
        with torch.inference_mode():
            wanted = load_for_inference(folder, CPU, "fp32").network.logits(ids)
        for dtype in ("fp32", "bf16"):
            model = load_for_inference(folder, device, dtype)
            with torch.inference_mode():
                near = decibels(model.network.logits(ids.to(device)), wanted)
            batch = Batch(model, Sampler(), sizes.tokens)
            batch.ends = frozenset()
            write(batch)
            often = rate(partial(write, batch), device, sizes.seconds) * SLOTS * sizes.tokens
            yield Row(f"gptsnip GPT-2 {dtype}, {SLOTS} at once", f"{often:.4g} tokens/s", near)


def write(batch: Batch) -> None:
    """As many texts as there are slots."""
    for seed in range(SLOTS):
        batch.add(Generation("", np.random.default_rng([seed, 0])))
    while batch.texts:
        batch.step()
