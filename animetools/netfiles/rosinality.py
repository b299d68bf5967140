"""The .pt files of GANSpace, e4e, StyleCLIP and others: rosinality's StyleGAN 2 in PyTorch.

{"g_ema": state, "latent_avg": w}, in training also "g", "d" and "args"; e4e keeps its generator as
"decoder." within a "state_dict"; others save a bare state, or one under a name of their own. Only
the skip generator and the resnet discriminator, both square and without labels, exist there.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from animetools.errors import Advice, ItemError
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
from animetools.networks import ops
from animetools.networks.config import MappingConfig
from animetools.networks.families import kind_of
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

KERNEL = (1.0, 3.0, 3.0, 1.0)
LRMUL = 0.01
SAMPLES = 4096  # for an average w that the file lacks
MOST_DRAWN = 10  # blocks whose noise is drawn where the file lacks it: 2048 pixels a side


def read(value: Any) -> NetworkFile:
    """The networks in what `pickles` made of a file that `is_of` this layout.

    Where a file lacks the average w, it is computed from 4096 seeds, as the programs of this layout
    do; noise maps that it lacks are drawn. An Advice says so.

    Raises ItemError for networks that are not whole.
    """
    networks = {}
    for name, left in _states(value).items():
        check_all_tensors(left)
        networks[name] = _discriminator(left) if name == "D" else _generator(left, value)
        check_none_left(left)
    return NetworkFile("rosinality", networks, {})


def is_of(value: Any) -> bool:
    """Whether this, as `pickles` made it of a file, has networks of this layout."""
    return bool(_states(value))


def _states(value: Any) -> dict[str, dict[str, Any]]:
    """The states of the networks, by our names; empty if none of them is of this layout."""
    if type(value) is not dict:
        return {}
    named = {ours: value[theirs] for theirs, ours in _KEYS.items() if theirs in value}
    if any(_inner(name, state) for name, state in named.items()):  # then all must be
        return {
            name: _inner(name, state) or (state if type(state) is dict else {"": state})
            for name, state in named.items()
            if state is not None
        }
    # A bare state, or one under any other name: the average before others.
    others = sorted(value, key=lambda key: "ema" not in str(key).lower())
    parts = [value, *(value[key] for key in others)]
    found = {
        name: next(filter(None, (_inner(name, part) for part in parts)), {}) for name in _MARKS
    }
    return {name: state for name, state in found.items() if state}


def _inner(name: str, state: Any) -> dict[str, Any]:
    """The part of a state that is a network, without "decoder." or "module." before its names."""
    mark = _MARKS["D" if name == "D" else "G_ema"]
    keys = [key for key in state if type(key) is str] if type(state) is dict else []
    before = next((k.removesuffix(mark) for k in keys if f".{k}".endswith(f".{mark}")), None)
    if before is None:
        return {}
    inner = [key for key in keys if key.startswith(before) and key != "latent_avg"]
    return {key.removeprefix(before): state[key] for key in inner}


def content(file: NetworkFile) -> dict[str, Any]:
    """What is written of a file, in this layout.

    A discriminator that does not fit is left out, with an Advice.

    Raises ItemError, with the reason, if the generator does not fit.
    """
    generator = file.generator
    networks = {"G_ema": generator} | file.networks
    made: dict[str, Any] = {"latent_avg": generator.state["mapping.w_avg"].clone()}
    for theirs, ours in _KEYS.items():
        if ours not in networks:
            continue
        try:
            made[theirs] = _encoded(networks[ours])
        except ItemError as why:
            if ours != "D":
                raise
            warnings.warn(f"the discriminator is left out: {why}", Advice, stacklevel=2)
    return made


_KEYS = {"g_ema": "G_ema", "g": "G", "d": "D"}
_MARKS = {"G_ema": "input.input", "D": "final_linear.0.weight"}  # tensors that show a network


def _generator(left: dict[str, Tensor], value: dict[Any, Any]) -> SavedNetwork:
    """The network of the tensors, which are taken out of `left`."""
    blocks = 1 + counted(left, r"to_rgbs\.\d+\.bias")
    layers = counted(left, r"style\.\d+\.weight")
    if blocks <= MOST_DRAWN and not any(name.startswith("noises.") for name in left):
        left |= _drawn_noises(blocks)
    state = taken(left, _generator_names(blocks, layers))
    _take_filters(left, _generator_filters(blocks), gain=4)
    width, z_dim = shape_of(state, "mapping.fc0.weight", 2)
    check_equal_widths(z_dim, width)
    mapping = MappingConfig(z_dim, 0, width, layers, width, LRMUL)
    channels = [shape_of(state, f"synthesis.b{4 << i}.conv1.bias", 1)[0] for i in range(blocks)]
    config = StyleGAN2GeneratorConfig(mapping, tuple(channels))
    average = value.get("latent_avg")
    if isinstance(average, Tensor) and average.numel() >= width and average.shape[-1] == width:
        state["mapping.w_avg"] = average.reshape(-1, width)[0].clone()
    else:
        text = f"the file lacks the average w: it is computed from {SAMPLES} seeds"
        warnings.warn(text, Advice, stacklevel=2)
        state["mapping.w_avg"] = average_w(config, state, SAMPLES)
    return SavedNetwork(config, state)


def _drawn_noises(blocks: int) -> dict[str, Tensor]:
    """Noise maps like those of a new network, the same every time."""
    text = "the file lacks its noise maps: new ones are drawn, so fine detail may differ"
    warnings.warn(text, Advice, stacklevel=3)
    stream = torch.Generator().manual_seed(0)
    sides = {f"noises.noise_{i}": 4 << (i + 1) // 2 for i in range(2 * blocks - 1)}
    return {name: torch.randn(1, 1, side, side, generator=stream) for name, side in sides.items()}


def _discriminator(left: dict[str, Tensor]) -> SavedNetwork:
    blocks = 1 + counted(left, r"convs\.\d+\.conv1\.0\.weight")
    state = taken(left, _discriminator_names(blocks))
    _take_filters(left, _discriminator_filters(blocks), gain=1)
    channels = [shape_of(state, "b4.conv.bias", 1)[0]]
    channels += [shape_of(state, f"b{4 << i}.conv0.bias", 1)[0] for i in range(1, blocks)]
    dense = shape_of(state, "b4.fc.bias", 1)[0]
    return SavedNetwork(StyleGAN2DiscriminatorConfig(tuple(channels), dense=dense), state)


def _encoded(network: SavedNetwork) -> dict[str, Tensor]:
    """The tensors of a network by their names there."""
    config, state = network.config, network.state
    if unfit := _unfit(config):
        raise ItemError(f"a .pt cannot hold {unfit}: write a .pkl or .safetensors")
    if getattr(config, "clamp", None) is not None:
        warnings.warn(
            "a .pt cannot hold the clamp, which only matters in float16", Advice, stacklevel=3
        )
    blocks = len(config.channels)
    filters: list[str]
    if isinstance(config, StyleGAN2GeneratorConfig):
        names = _generator_names(blocks, config.mapping.layers)
        filters, gain = _generator_filters(blocks), 4
        scale = config.mapping.lrmul / LRMUL
    else:
        names = _discriminator_names(blocks)
        filters, gain = _discriminator_filters(blocks), 1
        scale = 1.0
    made = {}
    for theirs, ours, before, behind in names:
        value = state[ours] * (scale if ours.startswith("mapping.fc") else 1.0)
        made[theirs] = value.reshape((1,) * before + tuple(value.shape) + (1,) * behind)
    return made | {name: ops.low_pass(KERNEL) * gain for name in filters}


def _unfit(config: Any) -> str:
    """What this layout cannot hold of a network; empty if it fits."""
    if not isinstance(config, StyleGAN2GeneratorConfig | StyleGAN2DiscriminatorConfig):
        return f"a {kind_of(config).family}"
    if config.base != (4, 4):
        height, width = config.image_size
        return f"images of {width} x {height} pixels, only squares of 8, 16, 32, ... pixels"
    if config.image_channels != 3:
        return f"images of {config.image_channels} channels"
    if tuple(config.kernel) != KERNEL:
        return "a resample filter other than [1, 3, 3, 1]"
    if config.activation != "lrelu":
        return f"the activation {config.activation}"
    wanted = "skip" if isinstance(config, StyleGAN2GeneratorConfig) else "resnet"
    if config.architecture != wanted:
        return f"the architecture {config.architecture}, only {wanted}"
    if isinstance(config, StyleGAN2DiscriminatorConfig):
        if config.c_dim:
            return "labels"
        if (config.mbstd_group, config.mbstd_features) != (4, 1):
            return "a minibatch deviation other than 1 feature of groups of 4 images"
        return ""
    mapping = config.mapping
    if mapping.c_dim:
        return "labels"
    if not mapping.normalize:
        return "latents that are not normalized"
    if mapping.activation != "lrelu":
        return f"the activation {mapping.activation}"
    if not mapping.layers or {mapping.z_dim, mapping.width, mapping.w_dim} != {mapping.w_dim}:
        return "a mapping network whose layers differ in width"
    return ""


def _generator_names(blocks: int, layers: int) -> Iterator[Renamed]:
    for i in range(layers):
        yield from both(f"style.{i + 1}", f"mapping.fc{i}")
    yield "input.input", "synthesis.b4.const", 1, 0
    for i in range(2 * blocks - 1):
        there = f"convs.{i - 1}" if i else "conv1"
        here = f"synthesis.b{4 << (i + 1) // 2}.conv{(i + 1) % 2}"
        yield f"{there}.conv.weight", f"{here}.weight", 1, 0
        yield from both(f"{there}.conv.modulation", f"{here}.affine")
        yield f"{there}.noise.weight", f"{here}.noise_strength", 1, 0
        yield f"{there}.activate.bias", f"{here}.bias", 0, 0
        yield f"noises.noise_{i}", f"{here}.noise_const", 2, 0
    for i in range(blocks):
        there = f"to_rgbs.{i - 1}" if i else "to_rgb1"
        here = f"synthesis.b{4 << i}.torgb"
        yield f"{there}.conv.weight", f"{here}.weight", 1, 0
        yield from both(f"{there}.conv.modulation", f"{here}.affine")
        yield f"{there}.bias", f"{here}.bias", 1, 2


def _generator_filters(blocks: int) -> list[str]:
    ups = [f"convs.{2 * i}.conv.blur.kernel" for i in range(blocks - 1)]
    return ups + [f"to_rgbs.{i}.upsample.kernel" for i in range(blocks - 1)]


def _discriminator_names(blocks: int) -> Iterator[Renamed]:
    last = f"b{4 << blocks - 1}"
    yield "convs.0.0.weight", f"{last}.fromrgb.weight", 0, 0
    yield "convs.0.1.bias", f"{last}.fromrgb.bias", 0, 0
    for i in range(1, blocks):
        there, here = f"convs.{i}", f"b{4 << blocks - i}"
        yield f"{there}.conv1.0.weight", f"{here}.conv0.weight", 0, 0
        yield f"{there}.conv1.1.bias", f"{here}.conv0.bias", 0, 0
        yield f"{there}.conv2.1.weight", f"{here}.conv1.weight", 0, 0
        yield f"{there}.conv2.2.bias", f"{here}.conv1.bias", 0, 0
        yield f"{there}.skip.1.weight", f"{here}.skip.weight", 0, 0
    yield "final_conv.0.weight", "b4.conv.weight", 0, 0
    yield "final_conv.1.bias", "b4.conv.bias", 0, 0
    yield from both("final_linear.0", "b4.fc")
    yield from both("final_linear.1", "b4.out")


def _discriminator_filters(blocks: int) -> list[str]:
    return [f"convs.{i}.{place}.0.kernel" for i in range(1, blocks) for place in ("conv2", "skip")]


def _take_filters(left: dict[str, Tensor], names: list[str], gain: float) -> None:
    usual = ops.low_pass(KERNEL) * gain
    for name in names:
        if name in left:
            found = left.pop(name)
            if found.shape != usual.shape or not torch.allclose(found.float(), usual, atol=1e-6):
                refuse(
                    "the network has a resample filter other than [1, 3, 3, 1], which is not supported"
                )
