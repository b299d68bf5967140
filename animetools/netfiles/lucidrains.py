"""The model_N.pt of lucidrains' stylegan2_pytorch: all its networks in one state.

{"GAN": state, "version": "1.9.0"}: in the state S and G are the style network and the generator, SE
and GE their averages, with which its program samples, and D the discriminator. The file lacks an
average w and noise, which the program draws anew each time; what scales the style network's
learning rate, lr_mlp, is in the run's .config.json only.
"""

import json
import math
import os
import re
import stat
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from animetools.errors import Advice
from animetools.netfiles.machine import refuse
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork, average_w, shape_of
from animetools.netfiles.renaming import (
    Renamed,
    both,
    check_all_tensors,
    check_equal_widths,
    check_none_left,
    counted,
    taken,
)
from animetools.networks.config import MappingConfig
from animetools.networks.lucidrains.config import (
    LucidrainsDiscriminatorConfig,
    LucidrainsGeneratorConfig,
)

GENERATORS = {"G_ema": ("SE", "GE"), "G": ("S", "G")}
MARKS = {  # tensors that show a network
    "GE.blocks.0.to_style1.weight",
    "G.blocks.0.to_style1.weight",
    "D.blocks.0.conv_res.weight",
}
COPIES = ("D_aug.", "D_cl.")  # the discriminator once more, and what contrasts its features
LR_MLP = 0.1  # where a run does not say it
SAMPLES = 2000  # for the average w, as its program takes them
MOST_BLOCKS = 10  # 2048 pixels a side, for which noise is drawn
ATTENTION_SINCE = (1, 8, 7)  # in earlier versions its parts have the same names and other sums
LONGEST_CONFIG = 1 << 16  # bytes
TAPS = (1.0, 2.0, 1.0)


def is_of(value: Any) -> bool:
    """Whether this, as `pickles` made it of a file, has networks of this layout."""
    return not MARKS.isdisjoint(_state(value))


def _state(value: Any) -> dict[str, Any]:
    state = value.get("GAN", value) if type(value) is dict else None  # old files have no "GAN"
    return state if type(state) is dict else {}


def read(value: Any, folder: str) -> NetworkFile:
    """The networks in what `pickles` made of a file, in this folder, that `is_of` this layout.

    An Advice says so where no .config.json of its run is beside it.

    Raises ItemError for networks that are not whole, and for those of versions that compute otherwise.
    """
    found = _state(value)
    check_all_tensors(found)
    left = {str(name): value for name, value in found.items()}
    left = {name: value for name, value in left.items() if not name.startswith(COPIES)}
    has_attention = _version(value) >= ATTENTION_SINCE
    if not has_attention and any(re.match(r"\w+\.attn(s|_blocks)\.", name) for name in left):
        refuse(
            "a StyleGAN2 of lucidrains with attention from before version 1.8.7 of"
            " stylegan2_pytorch, which is not supported"
        )
    networks: dict[str, SavedNetwork] = {}
    lrmul: float | None = None
    for name, (s, g) in GENERATORS.items():
        if any(key.startswith(f"{g}.") for key in left):
            blocks = counted(left, rf"{g}\.blocks\.\d+\.conv1\.weight")
            lrmul = _lr_mlp(folder, 2 << blocks) if lrmul is None else lrmul
            networks[name] = _generator(left, s, g, blocks, lrmul)
    if any(key.startswith("D.") for key in left):
        networks["D"] = _discriminator(left)
    check_none_left(left)
    return NetworkFile("lucidrains", networks, {})


def _version(value: Any) -> tuple[int, ...]:
    """The version that wrote the file, which earlier ones did not say."""
    text = value.get("version")
    known = type(text) is str and re.fullmatch(r"\d{1,4}(\.\d{1,4}){1,3}", text, re.ASCII)
    return tuple(map(int, text.split("."))) if known else (0,)


def _lr_mlp(folder: str, side: int) -> float:
    """The multiplier of the style network, as the run's .config.json beside the file has it."""
    settings = _beside(folder)
    if settings.get("image_size") == side:
        value = settings.get("lr_mlp", LR_MLP)
        if type(value) not in (int, float) or not 0 < value < math.inf:
            refuse("in the .config.json beside it, lr_mlp is not a number above 0")
        return float(value)
    text = f"no .config.json of its run is beside it: lr_mlp {LR_MLP}, the default, is assumed"
    warnings.warn(text, Advice, stacklevel=3)
    return LR_MLP


def _beside(folder: str) -> dict[str, Any]:
    """What is in the .config.json of a folder; nothing if there is none, or it is something else."""
    path = os.path.join(folder, ".config.json")
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return {}
        with open(path, "rb") as file:
            value = json.loads(file.read(LONGEST_CONFIG))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if type(value) is dict else {}


def _generator(left: dict[str, Tensor], s: str, g: str, blocks: int, lrmul: float) -> SavedNetwork:
    """The network of the tensors, which are taken out of `left`."""
    if f"{g}.initial_conv.weight" not in left:
        refuse(
            "a StyleGAN2 of lucidrains from before version 0.20 of stylegan2_pytorch, which is not"
            " supported"
        )
    if blocks > MOST_BLOCKS:
        refuse(f"a network of {2 << blocks} pixels a side, more than {2 << MOST_BLOCKS}")
    layers = counted(left, rf"{s}\.net\.\d+\.weight")
    constant = f"{g}.initial_block" in left
    attention = _attention_in(left, f"{g}.attns", blocks)
    blurs = [f"{g}.blocks.{i}.to_rgb.upsample.1.f" for i in range(blocks - 1)]
    blur = _take_filters(left, blurs)
    state = taken(left, _generator_names(s, g, blocks, layers, constant, attention))
    width, z_dim = shape_of(state, "mapping.fc0.weight", 2)
    check_equal_widths(z_dim, width)
    mapping = MappingConfig(z_dim, 0, width, layers, width, lrmul, normalize=False)
    places = [f"synthesis.b{4 << i}" for i in range(blocks)]
    config = LucidrainsGeneratorConfig(
        mapping,
        channels=tuple(shape_of(state, f"{block}.conv1.weight", 4)[0] for block in places),
        image_channels=shape_of(state, f"{places[-1]}.torgb.weight", 4)[0],
        constant=constant,
        blur=blur,
        attention=attention,
    )
    noise = torch.randn(2 << blocks, 2 << blocks, generator=torch.Generator().manual_seed(0))
    for i, block in enumerate(places):  # every resolution sees a corner of the same image
        state[f"{block}.noise_const"] = noise[: 4 << i, : 4 << i].clone()
    state["mapping.w_avg"] = average_w(config, state, SAMPLES)
    return SavedNetwork(config, state)


def _discriminator(left: dict[str, Tensor]) -> SavedNetwork:
    blocks = counted(left, r"D\.blocks\.\d+\.net\.0\.weight")
    attention = _attention_in(left, "D.attn_blocks", blocks)  # 0 is the highest resolution
    quantized = tuple(i for i in range(blocks) if f"D.quantize_blocks.{i}.fn.embed" in left)
    blur = _take_filters(left, [f"D.blocks.{i}.downsample.0.f" for i in range(blocks - 1)])
    for i in quantized:  # only of use to training
        for name in ("cluster_size", "embed_avg"):
            left.pop(f"D.quantize_blocks.{i}.fn.{name}", None)
    state = taken(left, _discriminator_names(blocks, blur, attention, quantized))
    codes = {shape_of(state, f"b{2 << blocks - 1 - i}.codebook.vectors", 2)[1] for i in quantized}
    if len(codes) > 1:
        refuse("the network has codebooks of different sizes")
    places = [f"b{2 << i}" for i in range(blocks)]
    config = LucidrainsDiscriminatorConfig(
        channels=tuple(shape_of(state, f"{block}.conv0.weight", 4)[0] for block in places),
        image_channels=shape_of(state, f"{places[-1]}.conv0.weight", 4)[1],
        blur=blur,
        attention=tuple(sorted(blocks - 1 - i for i in attention)),
        quantized=tuple(sorted(blocks - 1 - i for i in quantized)),
        codes=max(codes, default=LucidrainsDiscriminatorConfig.codes),
    )
    return SavedNetwork(config, state)


def _attention_in(left: dict[str, Tensor], prefix: str, blocks: int) -> tuple[int, ...]:
    """The blocks, by their numbers there, that have attention."""
    return tuple(i for i in range(blocks) if f"{prefix}.{i}.0.fn.fn.to_q.weight" in left)


def _take_filters(left: dict[str, Tensor], names: list[str]) -> bool:
    """Whether there are filters of these names, which are all the same, or none."""
    found = [left.pop(name) for name in names if name in left]
    if any(taps.shape != (3,) or taps.tolist() != [*TAPS] for taps in found):
        refuse("the network has a filter other than [1, 2, 1], which is not supported")
    if found and len(found) < len(names):
        refuse("the network has filters in only some of its blocks, which no version has")
    return bool(found) or not names


def _generator_names(
    s: str, g: str, blocks: int, layers: int, constant: bool, attention: tuple[int, ...]
) -> Iterator[Renamed]:
    for i in range(layers):
        yield from both(f"{s}.net.{2 * i}", f"mapping.fc{i}")
    if constant:
        yield f"{g}.initial_block", "synthesis.b4.const", 1, 0
    else:
        yield f"{g}.to_initial_block.weight", "synthesis.b4.dense", 0, 0
    yield from both(f"{g}.initial_conv", "synthesis.b4.first")
    for i in range(blocks):
        there, here = f"{g}.blocks.{i}", f"synthesis.b{4 << i}"
        if i in attention:
            yield from _attention_names(f"{g}.attns.{i}", f"{here}.attention")
        for n in range(2):
            yield f"{there}.conv{n + 1}.weight", f"{here}.conv{n}.weight", 0, 0
            yield from both(f"{there}.to_style{n + 1}", f"{here}.conv{n}.affine")
            yield f"{there}.to_noise{n + 1}.weight", f"{here}.conv{n}.noise_strength", 0, 1
            yield f"{there}.to_noise{n + 1}.bias", f"{here}.conv{n}.bias", 0, 0
        yield f"{there}.to_rgb.conv.weight", f"{here}.torgb.weight", 0, 0
        yield from both(f"{there}.to_rgb.to_style", f"{here}.torgb.affine")


def _discriminator_names(
    blocks: int, blur: bool, attention: tuple[int, ...], quantized: tuple[int, ...]
) -> Iterator[Renamed]:
    for i in range(blocks):
        there, here = f"D.blocks.{i}", f"b{2 << blocks - 1 - i}"
        yield from both(f"{there}.net.0", f"{here}.conv0")
        yield from both(f"{there}.net.2", f"{here}.conv1")
        yield from both(f"{there}.conv_res", f"{here}.skip")
        if i < blocks - 1:
            yield from both(f"{there}.downsample{'.1' * blur}", f"{here}.down")
        if i in attention:
            yield from _attention_names(f"D.attn_blocks.{i}", f"{here}.attention")
        if i in quantized:
            yield f"D.quantize_blocks.{i}.fn.embed", f"{here}.codebook.vectors", 0, 0
    yield from both("D.final_conv", "conv")
    yield from both("D.to_logit", "out")


def _attention_names(there: str, here: str) -> Iterator[Renamed]:
    for i in range(2):
        yield f"{there}.{i}.fn.norm.g", f"{here}.norm{i}.gain", 1, 2
        yield f"{there}.{i}.fn.norm.b", f"{here}.norm{i}.bias", 1, 2
    yield f"{there}.0.fn.fn.to_q.weight", f"{here}.query.weight", 0, 0
    yield f"{there}.0.fn.fn.to_kv.net.0.weight", f"{here}.around", 0, 0
    yield f"{there}.0.fn.fn.to_kv.net.1.weight", f"{here}.key_value.weight", 0, 0
    yield from both(f"{there}.0.fn.fn.to_out", f"{here}.out")
    yield from both(f"{there}.1.fn.fn.0", f"{here}.wide")
    yield from both(f"{there}.1.fn.fn.2", f"{here}.narrow")
