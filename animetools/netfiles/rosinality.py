"""The .pt files that GANSpace, e4e, StyleCLIP and others take: rosinality's StyleGAN 2 in PyTorch.

{"g_ema": state, "latent_avg": w}, in training also "g", "d" and "args"; e4e keeps its generator as
"decoder." within a "state_dict"; others save a bare state, or one under a name of their own. Only
the skip generator and the resnet discriminator, both square and without labels, exist there.
"""

import re
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from animetools.errors import Advice, ItemError
from animetools.netfiles.foreign import refuse_foreign
from animetools.netfiles.machine import refuse
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork, shape_of
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

KERNEL = (1.0, 3.0, 3.0, 1.0)
LRMUL = 0.01
MOST_PARTS = 64  # blocks, or layers of a mapping network
SAMPLES = 4096  # for an average w that a file lacks
MOST_DRAWN = 10  # blocks whose noise is drawn where a file lacks it: 2048 pixels a side

# A tensor's name there and here, and how many axes of 1 it has more there, in front and behind.
Pair = tuple[str, str, int, int]


def read(value: Any) -> NetworkFile:
    """The networks in what `pickles` made of a file that `is_of` this layout.

    The average w of a file that has none is that of 4096 seeds, as the programs of this layout
    take it; noise maps that it lacks are drawn. An Advice says so.
    Raises ItemError for networks that are not whole.
    """
    networks = {}
    for name, left in _states(value).items():
        if not all(isinstance(part, Tensor) for part in left.values()):
            refuse("the file holds a network that is no dict of tensors")
        networks[name] = _discriminator(left) if name == "D" else _generator(left, value)
        if left:
            refuse(f"the network has the tensor {next(iter(left))!a:.80}: this layout has no such")
    return NetworkFile("rosinality", networks, {})


def is_of(value: Any) -> bool:
    """Whether this, as `pickles` made it of a file, holds networks of this layout."""
    return bool(_states(value))


def _states(value: Any) -> dict[str, dict[str, Any]]:
    """The states of the networks, by our names; none if no network shows that it is of this layout."""
    if type(value) is not dict:
        return {}
    named = {ours: value[theirs] for theirs, ours in _KEYS.items() if theirs in value}
    if any(_inner(name, state) for name, state in named.items()):  # then all must be
        return {
            name: _inner(name, state) or (state if type(state) is dict else {"": state})
            for name, state in named.items()
            if state is not None
        }
    # A bare state, or one under a name of somebody's own: the average before others.
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


def content(snapshot: NetworkFile) -> dict[str, Any]:
    """What the .pt of a snapshot holds.

    A discriminator that does not fit is left out, and that is told.
    Raises ItemError, with the reason, if the generator does not fit.
    """
    generator = snapshot.generator
    networks = {"G_ema": generator} | snapshot.networks
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
    """The network of the tensors, which are taken away."""
    blocks = 1 + _count(left, r"to_rgbs\.\d+\.bias")
    layers = _count(left, r"style\.\d+\.weight")
    if blocks <= MOST_DRAWN and not any(name.startswith("noises.") for name in left):
        left |= _drawn_noises(blocks)
    state = _taken(left, _generator_pairs(blocks, layers))
    _take_filters(left, _generator_filters(blocks), gain=4)
    width, z_dim = shape_of(state, "mapping.fc0.weight", 2)
    if z_dim != width:
        refuse(f"the layout of this file has z as wide as w, not {z_dim} and {width}")
    mapping = MappingConfig(z_dim, 0, width, layers, width, LRMUL)
    channels = [shape_of(state, f"synthesis.b{4 << i}.conv1.bias", 1)[0] for i in range(blocks)]
    config = StyleGAN2GeneratorConfig(mapping, tuple(channels))
    average = value.get("latent_avg")
    if isinstance(average, Tensor) and average.numel() >= width and average.shape[-1] == width:
        state["mapping.w_avg"] = average.reshape(-1, width)[0].clone()
    else:
        text = f"the file lacks the average w: that of {SAMPLES} seeds is taken"
        warnings.warn(text, Advice, stacklevel=2)
        state["mapping.w_avg"] = torch.zeros(width)
        module = SavedNetwork(config, state).build()
        z = torch.randn(SAMPLES, z_dim, generator=torch.Generator().manual_seed(0))
        state["mapping.w_avg"] = module.get_submodule("mapping")(z)[:, 0].mean(0)
    return SavedNetwork(config, state)


def _drawn_noises(blocks: int) -> dict[str, Tensor]:
    """Noise maps as a new network has them, the same every time."""
    text = "the file lacks its noise maps: they are drawn, and fine detail may differ"
    warnings.warn(text, Advice, stacklevel=3)
    stream = torch.Generator().manual_seed(0)
    sides = {f"noises.noise_{i}": 4 << (i + 1) // 2 for i in range(2 * blocks - 1)}
    return {name: torch.randn(1, 1, side, side, generator=stream) for name, side in sides.items()}


def _discriminator(left: dict[str, Tensor]) -> SavedNetwork:
    blocks = 1 + _count(left, r"convs\.\d+\.conv1\.0\.weight")
    state = _taken(left, _discriminator_pairs(blocks))
    _take_filters(left, _discriminator_filters(blocks), gain=1)
    channels = [shape_of(state, "b4.conv.bias", 1)[0]]
    channels += [shape_of(state, f"b{4 << i}.conv0.bias", 1)[0] for i in range(1, blocks)]
    dense = shape_of(state, "b4.fc.bias", 1)[0]
    return SavedNetwork(StyleGAN2DiscriminatorConfig(tuple(channels), dense=dense), state)


def _encoded(network: SavedNetwork) -> dict[str, Tensor]:
    """The tensors of a network by their names there."""
    config, state = network.config, network.state
    if unfit := _unfit(config):
        raise ItemError(f"the .pt layout has no {unfit}")
    if getattr(config, "clamp", None) is not None:
        warnings.warn(
            "the .pt layout has no clamp; it only matters in float16", Advice, stacklevel=3
        )
    blocks = len(config.channels)
    filters: list[str]
    if isinstance(config, StyleGAN2GeneratorConfig):
        pairs = _generator_pairs(blocks, config.mapping.layers)
        filters, gain = _generator_filters(blocks), 4
        scale = config.mapping.lrmul / LRMUL
    else:
        pairs = _discriminator_pairs(blocks)
        filters, gain = _discriminator_filters(blocks), 1
        scale = 1.0
    made = {}
    for theirs, ours, before, behind in pairs:
        value = state[ours] * (scale if ours.startswith("mapping.fc") else 1.0)
        made[theirs] = value.reshape((1,) * before + tuple(value.shape) + (1,) * behind)
    taps = torch.tensor(KERNEL)
    return made | {name: torch.outer(taps, taps) / 64 * gain for name in filters}


def _unfit(config: Any) -> str:
    """What of a network this layout has no room for; empty if it fits."""
    if not isinstance(config, StyleGAN2GeneratorConfig | StyleGAN2DiscriminatorConfig):
        return "StyleGAN 1"
    if config.base != (4, 4):
        height, width = config.image_size
        return f"images of {width} x {height} pixels, only of 8 x 8, 16 x 16, 32 x 32 and so on"
    if config.image_channels != 3:
        return f"images of {config.image_channels} channels"
    if tuple(config.kernel) != KERNEL:
        return "other low-pass filter than [1, 3, 3, 1]"
    if config.activation != "lrelu":
        return f"activation {config.activation}"
    wanted = "skip" if isinstance(config, StyleGAN2GeneratorConfig) else "resnet"
    if config.architecture != wanted:
        return f"{config.architecture} architecture, only {wanted}"
    if isinstance(config, StyleGAN2DiscriminatorConfig):
        if config.c_dim:
            return "labels"
        if (config.mbstd_group, config.mbstd_features) != (4, 1):
            return "other minibatch deviation than of 4 images in 1 feature"
        return ""
    mapping = config.mapping
    if mapping.c_dim:
        return "labels"
    if not mapping.normalize:
        return "latents that are not normalised"
    if mapping.activation != "lrelu":
        return f"activation {mapping.activation}"
    if not mapping.layers or {mapping.z_dim, mapping.width, mapping.w_dim} != {mapping.w_dim}:
        return "mapping network whose layers are not all of one width"
    return ""


def _generator_pairs(blocks: int, layers: int) -> Iterator[Pair]:
    for i in range(layers):
        yield f"style.{i + 1}.weight", f"mapping.fc{i}.weight", 0, 0
        yield f"style.{i + 1}.bias", f"mapping.fc{i}.bias", 0, 0
    yield "input.input", "synthesis.b4.const", 1, 0
    for i in range(2 * blocks - 1):
        there = f"convs.{i - 1}" if i else "conv1"
        here = f"synthesis.b{4 << (i + 1) // 2}.conv{(i + 1) % 2}"
        yield f"{there}.conv.weight", f"{here}.weight", 1, 0
        yield f"{there}.conv.modulation.weight", f"{here}.affine.weight", 0, 0
        yield f"{there}.conv.modulation.bias", f"{here}.affine.bias", 0, 0
        yield f"{there}.noise.weight", f"{here}.noise_strength", 1, 0
        yield f"{there}.activate.bias", f"{here}.bias", 0, 0
        yield f"noises.noise_{i}", f"{here}.noise_const", 2, 0
    for i in range(blocks):
        there = f"to_rgbs.{i - 1}" if i else "to_rgb1"
        here = f"synthesis.b{4 << i}.torgb"
        yield f"{there}.conv.weight", f"{here}.weight", 1, 0
        yield f"{there}.conv.modulation.weight", f"{here}.affine.weight", 0, 0
        yield f"{there}.conv.modulation.bias", f"{here}.affine.bias", 0, 0
        yield f"{there}.bias", f"{here}.bias", 1, 2


def _generator_filters(blocks: int) -> list[str]:
    ups = [f"convs.{2 * i}.conv.blur.kernel" for i in range(blocks - 1)]
    return ups + [f"to_rgbs.{i}.upsample.kernel" for i in range(blocks - 1)]


def _discriminator_pairs(blocks: int) -> Iterator[Pair]:
    names = [("convs.0.0.weight", f"b{4 << blocks - 1}.fromrgb.weight")]
    names += [("convs.0.1.bias", f"b{4 << blocks - 1}.fromrgb.bias")]
    for i in range(1, blocks):
        there, here = f"convs.{i}", f"b{4 << blocks - i}"
        names += [(f"{there}.conv1.0.weight", f"{here}.conv0.weight")]
        names += [(f"{there}.conv1.1.bias", f"{here}.conv0.bias")]
        names += [(f"{there}.conv2.1.weight", f"{here}.conv1.weight")]
        names += [(f"{there}.conv2.2.bias", f"{here}.conv1.bias")]
        names += [(f"{there}.skip.1.weight", f"{here}.skip.weight")]
    names += [("final_conv.0.weight", "b4.conv.weight"), ("final_conv.1.bias", "b4.conv.bias")]
    for i, here in enumerate(("b4.fc", "b4.out")):
        names += [(f"final_linear.{i}.{leaf}", f"{here}.{leaf}") for leaf in ("weight", "bias")]
    for there, here in names:
        yield there, here, 0, 0


def _discriminator_filters(blocks: int) -> list[str]:
    return [f"convs.{i}.{place}.0.kernel" for i in range(1, blocks) for place in ("conv2", "skip")]


def _taken(left: dict[str, Tensor], pairs: Iterator[Pair]) -> dict[str, Tensor]:
    """The tensors of the pairs by their names here, out of what is left."""
    state = {}
    for theirs, ours, before, behind in pairs:
        if theirs not in left:
            refuse(f"the network lacks the tensor {theirs}")
        value = left.pop(theirs)
        shape = tuple(value.shape)
        inner = shape[before : len(shape) - behind]
        if shape != (1,) * before + inner + (1,) * behind:
            refuse(f"the tensor {theirs} is {shape}: this layout has no such")
        state[ours] = value.reshape(inner)
    return state


def _take_filters(left: dict[str, Tensor], names: list[str], gain: float) -> None:
    taps = torch.tensor(KERNEL)
    usual = torch.outer(taps, taps) / 64 * gain
    for name in names:
        if name in left:
            found = left.pop(name)
            if found.shape != usual.shape or not torch.allclose(found.float(), usual, atol=1e-6):
                refuse("a network with another filter than [1, 3, 3, 1], which is not supported")


def _count(left: dict[str, Tensor], pattern: str) -> int:
    """How many tensors there are of a kind."""
    found = sum(1 for name in left if re.fullmatch(pattern, name))
    if not 0 < found <= MOST_PARTS:
        refuse_foreign(left, "a torch checkpoint of something else: no StyleGAN is in it")
    return found
