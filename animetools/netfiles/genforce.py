"""The .pth files of GenForce (genforce, sefa, idinvert): StyleGAN 1 and 2 under names of its own.

{"generator": state, "generator_smooth": state, "discriminator": state}, in training within "models".
Its networks were converted from TensorFlow's, or trained as these are, so they are of our families;
what the programs were told besides, such as how labels or 128 pixels are treated, is as there.
"""

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from animetools.netfiles.machine import refuse
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork, shape_of
from animetools.netfiles.renaming import (
    Renamed,
    both,
    check_all_tensors,
    check_none_left,
    counted,
    taken,
)
from animetools.networks import ops
from animetools.networks.config import MOST, Architecture, MappingConfig
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

NAMES = {"generator_smooth": "G_ema", "generator": "G", "discriminator": "D"}
KERNELS = {"blur": (1.0, 2.0, 1.0), "": (1.0, 3.0, 3.0, 1.0)}  # by the module that has it
State = dict[str, Tensor]


def is_of(value: Any) -> bool:
    """Whether this, as `pickles` made it of a file, has networks of this layout."""
    return bool(_states(value))


def read(value: Any) -> NetworkFile:
    """The networks in what `pickles` made of a file that `is_of` this layout.

    Raises ItemError for networks that are not whole, and for a PGGAN.
    """
    networks = {}
    for name, state in _states(value).items():
        check_all_tensors(state)
        left = dict(state)
        _take_kernels(left, gain=1 if name == "D" else 4)
        if name == "D":
            networks[name] = _discriminator(left)
        elif "synthesis.early_layer.const" in left:
            networks[name] = _stylegan2(left)
        else:
            networks[name] = _stylegan1(left)
        check_none_left(left)
    done = value.get("running_metadata")
    seen = done.get("seen_img") if type(done) is dict else None
    facts = {"kimg": seen / 1000} if type(seen) is int and 0 <= seen <= MOST else {}
    return NetworkFile("genforce", networks, facts)


def _states(value: Any) -> dict[str, dict[str, Any]]:
    """The states of the networks, by our names; empty if none of them is of this layout.

    Raises ItemError for a PGGAN.
    """
    if type(value) is not dict:
        return {}
    inside = value.get("models", value)
    if type(inside) is not dict or not NAMES.keys() & inside.keys():
        inside = {"generator_smooth": value, "discriminator": value}  # the state of one alone
    found = {}
    for theirs, ours in NAMES.items():
        state = inside.get(theirs)
        if type(state) is dict and (inner := _inner(state, is_judge=ours == "D")):
            found[ours] = inner
    return found


def _inner(state: dict[Any, Any], *, is_judge: bool) -> dict[str, Any]:
    """The state, without "module." before its names; empty if it is not of this layout."""
    if not all(type(name) is str for name in state):
        return {}
    inner = {name.removeprefix("module."): value for name, value in state.items()}
    first, last = ("input0", "layer2") if is_judge else ("layer0", "output0")
    is_flat = {f"{first}.weight", f"{last}.weight"} <= inner.keys()
    grows = is_flat and "lod" in inner
    if grows and "layer1.blur.kernel" not in inner:
        refuse("a PGGAN in GenForce's layout, not a StyleGAN")
    known = is_flat if is_judge else {"mapping.dense0.weight", "truncation.w_avg"} <= inner.keys()
    return inner if known else {}


def _take_kernels(left: State, gain: float) -> None:
    """Take the filters out of `left`, which are always the same."""
    for name in [name for name in left if name.endswith(".kernel")]:
        module = name.split(".")[-2]
        taps = KERNELS.get(module, KERNELS[""])
        usual = ops.low_pass(taps) * (1 if module == "blur" else gain)
        found = left.pop(name)
        fits = found.dim() == 4 and found.shape[1:] == (1, *usual.shape)
        if not fits or not torch.allclose(found.float(), usual, atol=1e-6):
            refuse(f"the network has a filter other than {[*map(int, taps)]}, {name:.80}")


# Generators


def _mapping(left: State, state: State) -> MappingConfig:
    layers = counted(left, r"mapping\.dense\d+\.weight")
    names = [("truncation.w_avg", "mapping.w_avg", 0, 0)]
    for i in range(layers):
        names += both(f"mapping.dense{i}", f"mapping.fc{i}")
    has_labels = "mapping.label_weight" in left
    if has_labels:
        names += [("mapping.label_weight", "mapping.embed.weight", 0, 0)]
    state |= taken(left, names)
    width, z_dim = shape_of(state, "mapping.fc0.weight", 2)
    c_dim = 0
    if has_labels:
        c_dim, z_dim = shape_of(state, "mapping.embed.weight", 2)
        state["mapping.embed.weight"] = state["mapping.embed.weight"].T
    w_dim = shape_of(state, f"mapping.fc{layers - 1}.weight", 2)[0]
    return MappingConfig(z_dim, c_dim, w_dim, layers, width, labels="concat" if c_dim else "embed")


def _stylegan1(left: State) -> SavedNetwork:
    blocks = counted(left, r"synthesis\.output\d+\.weight")
    state: State = {}
    mapping = _mapping(left, state)
    state |= taken(left, _stylegan1_names(blocks))
    config = StyleGAN1GeneratorConfig(
        mapping,
        channels=_channels(state, range(blocks), "synthesis.b{}.conv1.bias"),
        image_channels=shape_of(state, f"synthesis.b{2 << blocks}.torgb.bias", 1)[0],
    )
    return SavedNetwork(config, state)


def _stylegan1_names(blocks: int) -> Iterator[Renamed]:
    yield "synthesis.lod", "synthesis.lod", 0, 0
    yield "synthesis.layer0.const", "synthesis.b4.const", 1, 0
    for i in range(2 * blocks):
        there, here = f"synthesis.layer{i}", f"synthesis.b{4 << i // 2}.conv{i % 2}"
        if i > 0:
            yield f"{there}.weight", f"{here}.weight", 0, 0
        yield f"{there}.bias", f"{here}.bias", 0, 0
        yield f"{there}.apply_noise.weight", f"{here}.noise_strength", 0, 0
        yield f"{there}.apply_noise.noise", f"{here}.noise_const", 2, 0
        yield from both(f"{there}.style", f"{here}.affine")
    for i in range(blocks):
        yield from both(f"synthesis.output{i}", f"synthesis.b{4 << i}.torgb")


def _stylegan2(left: State) -> SavedNetwork:
    layers = counted(left, r"synthesis\.layer\d+\.noise")
    blocks = (layers + 1) // 2
    architecture: Architecture = "skip" if "synthesis.output0.weight" in left else "orig"
    state: State = {}
    mapping = _mapping(left, state)
    colored = range(0 if architecture == "skip" else blocks - 1, blocks)
    state |= taken(left, _stylegan2_names(layers, colored))
    for name, value in state.items():
        if name.endswith("affine.bias"):
            state[name] = value + 1
        elif re.search(r"\.conv0\.weight$", name):  # it is turned when it enlarges
            state[name] = value.flip(-2, -1)
    config = StyleGAN2GeneratorConfig(
        mapping,
        channels=_channels(state, range(blocks), "synthesis.b{}.conv1.bias"),
        image_channels=shape_of(state, f"synthesis.b{2 << blocks}.torgb.bias", 1)[0],
        architecture=architecture,
    )
    return SavedNetwork(config, state)


def _stylegan2_names(layers: int, colored: range) -> Iterator[Renamed]:
    yield "synthesis.early_layer.const", "synthesis.b4.const", 1, 0
    for i in range(layers):
        there, here = f"synthesis.layer{i}", f"synthesis.b{4 << (i + 1) // 2}.conv{(i + 1) % 2}"
        yield from both(there, here)
        yield from both(f"{there}.style", f"{here}.affine")
        yield f"{there}.noise_strength", f"{here}.noise_strength", 0, 0
        yield f"{there}.noise", f"{here}.noise_const", 2, 0
    for i in colored:
        there, here = f"synthesis.output{i}", f"synthesis.b{4 << i}.torgb"
        yield from both(there, here)
        yield from both(f"{there}.style", f"{here}.affine")


# Discriminators


def _discriminator(left: State) -> SavedNetwork:
    """The network of the tensors, which are taken out of `left`."""
    grows = "lod" in left  # only StyleGAN 1's does
    layers = counted(left, r"layer\d+\.weight")
    blocks = (layers - 1) // 2
    architecture: Architecture = "resnet" if "skip_layer0.weight" in left else "orig"
    if "input1.weight" in left:
        architecture = "progressive" if grows else "skip"
    state = taken(left, _discriminator_names(blocks, architecture))
    channels, features = shape_of(state, "b4.conv.weight", 4)[:2]
    outputs, dense = shape_of(state, "b4.out.weight", 2)
    shared: dict[str, Any] = {
        "channels": (channels, *_channels(state, range(1, blocks), "b{}.conv0.bias")),
        "image_channels": shape_of(state, f"b{2 << blocks}.fromrgb.weight", 4)[1],
        "dense": dense,
        "c_dim": outputs if outputs > 1 else 0,
        "mbstd_features": features - channels,
    }
    if grows:
        return SavedNetwork(StyleGAN1DiscriminatorConfig(**shared), state)
    if outputs > 1:
        shared["labels"] = "output"
    return SavedNetwork(StyleGAN2DiscriminatorConfig(**shared, architecture=architecture), state)


def _discriminator_names(blocks: int, architecture: Architecture) -> Iterator[Renamed]:
    if architecture == "progressive":
        yield "lod", "lod", 0, 0
    for i in range(blocks):  # from the highest resolution
        here = f"b{2 << blocks - i}"
        if i == 0 or architecture in ("skip", "progressive"):
            yield from both(f"input{i}", f"{here}.fromrgb")
        last = i == blocks - 1
        yield from both(f"layer{2 * i}", f"{here}.conv{'' if last else 0}")
        yield from both(f"layer{2 * i + 1}", f"{here}.fc" if last else f"{here}.conv1")
        if architecture == "resnet" and not last:
            yield f"skip_layer{i}.weight", f"{here}.skip.weight", 0, 0
    yield from both(f"layer{2 * blocks}", "b4.out")


def _channels(state: State, blocks: range, name: str) -> tuple[int, ...]:
    """The channels of blocks, from the lowest, by the tensor of this name that each has."""
    return tuple(shape_of(state, name.format(4 << i), 1)[0] for i in blocks)
