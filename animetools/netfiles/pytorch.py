"""The files of PyTorch's StyleGAN2-ADA: a pickle of a dict with G, D and G_ema.

Every module, down to a layer, is a persistent object: its source, which is never read, and its
`__dict__`. The tensors are there under the names that they keep; their shapes show what a network
is, and for the rest the arguments of the module or of one around it.
"""

import math
import re
from typing import Any

import torch
from torch import Tensor

from animetools.netfiles import arguments
from animetools.netfiles.arguments import Settings
from animetools.netfiles.foreign import refuse_foreign
from animetools.netfiles.machine import Call, refuse
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork, shape_of
from animetools.networks.config import Architecture, MappingConfig
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

OBJECT = "torch_utils.persistence._reconstruct_persistent_obj"
LONGEST_NAME = 200
PARTS = ("_parameters", "_buffers", "_modules")
LONGEST_FACT = 1000
GROUPS = {"synthesis": "synthesis_kwargs", "mapping": "mapping_kwargs", "b4": "epilogue_kwargs"}


def read(value: Any) -> NetworkFile:
    """The networks in what `load_pickle` gave.

    Raises ItemError for another file, and for networks of StyleGAN3.
    """
    if type(value) is not dict:
        refuse("the pickle has no StyleGAN in it")
    names = [name for name in ("G_ema", "G", "D") if value.get(name) is not None]
    if not names:
        refuse_foreign(value, "a pickle without G, D and G_ema: no StyleGAN is in it")
    modules = {name: _Modules(value[name], value) for name in names}
    networks = {}
    base = (4, 4)
    for name in [name for name in names if name != "D"]:
        generator = _generator(modules[name])
        base = generator.base
        networks[name] = SavedNetwork(generator, modules[name].tensors)
    if "D" in modules:
        networks["D"] = SavedNetwork(_discriminator(modules["D"], base), modules["D"].tensors)
    return NetworkFile(layout="pytorch", networks=networks, facts=_facts(value, modules[names[0]]))


class _Modules:
    """A network's modules and tensors, by their dotted names; "" is the network itself."""

    def __init__(self, network: Any, file: Any) -> None:
        self.file = file
        self.states: dict[str, dict[str, Any]] = {}
        self.tensors: dict[str, Tensor] = {}
        self.filters: list[Tensor] = []
        self._seen: set[int] = set()
        self._enter("", network)

    def _enter(self, path: str, module: Any) -> None:
        match module:
            case Call(args=({"state": dict(state)},)) if module.path == OBJECT:
                self.states[path] = state
            case _:
                refuse("the pickle has a network that is not one of PyTorch's StyleGANs")
        if re.match(r"synthesis\.(input$|L\d+_)", path):
            refuse_foreign(self.file, "a network of StyleGAN3")
        # A module that is in two places could be in a million.
        parts = {id(module), id(state), *(id(state.get(name)) for name in PARTS if state.get(name))}
        if parts & self._seen or len(path) > LONGEST_NAME:
            refuse("the pickle has a network with a module in two places")
        self._seen |= parts
        dot = path and path + "."
        for name, tensor in (_dict(state, "_parameters") | _dict(state, "_buffers")).items():
            if isinstance(tensor, Tensor) and name == "resample_filter":
                if tensor.dim() > 2 or max(tensor.shape, default=0) > arguments.LONGEST_KERNEL:
                    refuse("malformed resample filter")
                self.filters.append(tensor)
            elif isinstance(tensor, Tensor):
                self.tensors[f"{dot}{name!s:.{LONGEST_NAME}}"] = tensor
            elif tensor is not None:
                refuse("the pickle has a network with a parameter that is not a tensor")
        for name, child in _dict(state, "_modules").items():
            if child is not None:
                self._enter(f"{dot}{name!s:.{LONGEST_NAME}}", child)

    def shape(self, name: str, axes: int) -> tuple[int, ...]:
        """The shape of a tensor that must have that many axes."""
        return shape_of(self.tensors, name, axes)

    def settings(self, path: str) -> Settings:
        """The arguments of a module and of the modules around it: the innermost wins."""
        parts = path.split(".")
        found: Settings = {}
        for state in (self.states.get(".".join(parts[:i])) for i in range(len(parts) + 1)):
            given = _dict(state or {}, "_init_kwargs")
            found |= given
            if state is self.states[""]:
                found |= _dict(given, GROUPS.get(parts[0], "block_kwargs"))
        return found

    def blocks(self, prefix: str) -> list[str]:
        """The names of the blocks, from the lowest upwards."""
        matches = (re.match(rf"{prefix}b(\d{{1,5}})\.", name) for name in self.tensors)
        sizes = {int(match[1]) for match in matches if match}
        if len(sizes) < 2 or sizes != {4 << i for i in range(len(sizes))}:
            lacking = "the network lacks the blocks of a StyleGAN2"
            if sizes:  # a StyleGAN2 all the same
                refuse(lacking)
            refuse_foreign(self.file, lacking)
        return [f"{prefix}b{size}" for size in sorted(sizes)]

    def architecture(self, blocks: list[str], kind: str) -> Architecture:
        """As the blocks show it that have a torgb or fromrgb."""
        having = [block for block in blocks if f"{block}.{kind}.weight" in self.tensors]
        if having == blocks:
            return "skip"
        if having != blocks[-1:]:
            refuse(f"the network has {kind} in only some of its blocks, which no StyleGAN2 has")
        return "resnet" if f"{blocks[1]}.skip.weight" in self.tensors else "orig"

    def kernel(self) -> tuple[float, ...]:
        """The taps of the low-pass filter, of which every layer has a copy."""
        if not self.filters:
            return StyleGAN2GeneratorConfig.kernel
        square, *others = [tensor.float() for tensor in self.filters]
        size = len(square) if square.dim() else 0
        if not 0 < size <= arguments.LONGEST_KERNEL or square.shape != (size, size):
            refuse("malformed resample filter")
        taps = square.sum(0)
        if not taps.sum() > 0:
            refuse("malformed resample filter")
        if not torch.allclose(torch.outer(taps, taps) / taps.sum(), square, atol=1e-6) or not all(
            torch.equal(square, other) for other in others
        ):
            refuse("the network has different resample filters, which is not supported")
        kernel = taps / taps[0] if taps[0] else taps
        return tuple(round(tap, 5) for tap in kernel.tolist())


def _generator(modules: _Modules) -> StyleGAN2GeneratorConfig:
    blocks = modules.blocks("synthesis.")
    _, height, width = modules.shape("synthesis.b4.const", 3)
    settings = modules.settings(f"{blocks[-1]}.conv1")
    return StyleGAN2GeneratorConfig(
        mapping=_mapping(modules),
        channels=tuple(modules.shape(f"{block}.conv1.weight", 4)[0] for block in blocks),
        base=(height, width),
        image_channels=modules.shape(f"{blocks[-1]}.torgb.weight", 4)[0],
        architecture=modules.architecture(blocks, "torgb"),
        kernel=modules.kernel(),
        activation=arguments.activation(settings, "activation"),
        clamp=_clamp(settings),
    )


def _discriminator(modules: _Modules, base: tuple[int, int]) -> StyleGAN2DiscriminatorConfig:
    """`base` is the generator's: a discriminator shows only the number of pixels of its base."""
    blocks = modules.blocks("")
    settings, last = modules.settings(f"{blocks[-1]}.conv1"), modules.settings("b4")
    below, inputs = modules.shape("b4.conv.weight", 4)[:2]
    pixels = modules.shape("b4.fc.weight", 2)[1] / max(below, 1)
    projected = "mapping.embed.weight" in modules.tensors
    group = None
    if last.get("mbstd_group_size", 4) is not None:
        group = max(arguments.whole(last, "mbstd_group_size", 4), 1)
    return StyleGAN2DiscriminatorConfig(
        channels=(below, *(modules.shape(f"{block}.conv0.weight", 4)[1] for block in blocks[1:])),
        base=base if math.prod(base) == pixels else (4, 4),
        image_channels=modules.shape(f"{blocks[-1]}.fromrgb.weight", 4)[1],
        architecture=modules.architecture(blocks, "fromrgb"),
        kernel=modules.kernel(),
        activation=arguments.activation(settings, "activation"),
        clamp=_clamp(settings),
        dense=modules.shape("b4.fc.bias", 1)[0],
        c_dim=modules.shape("mapping.embed.weight", 2)[1] if projected else 0,
        mapping=_mapping(modules) if projected else None,
        mbstd_group=group,
        mbstd_features=inputs - below,
    )


def _mapping(modules: _Modules) -> MappingConfig:
    layers = 0
    while f"mapping.fc{layers}.weight" in modules.tensors:
        layers += 1
    width, inputs = modules.shape("mapping.fc0.weight", 2)
    c_dim = embedded = 0
    if "mapping.embed.weight" in modules.tensors:
        embedded, c_dim = modules.shape("mapping.embed.weight", 2)
    settings = modules.settings("mapping.fc0")
    return MappingConfig(
        z_dim=inputs - embedded,
        c_dim=c_dim,
        w_dim=modules.shape(f"mapping.fc{layers - 1}.weight", 2)[0],
        layers=layers,
        width=width,
        lrmul=arguments.number(settings, "lr_multiplier", 0.01),
        activation=arguments.activation(settings, "activation"),
    )


def _clamp(settings: Settings) -> float | None:
    if settings.get("conv_clamp") is None:
        return None
    return arguments.number(settings, "conv_clamp", 0)


def _facts(value: dict[Any, Any], modules: _Modules) -> dict[str, Any]:
    """The other facts in the file that are plain and short."""
    known = _dict(value, "training_set_kwargs")
    known = {name: v for name, v in known.items() if type(name) is str and _is_plain(v)}
    halves = modules.settings("synthesis").get("num_fp16_res")
    return {"training_set_kwargs": known} | (
        {"num_fp16_res": halves} if type(halves) is int else {}
    )


def _is_plain(value: Any) -> bool:
    if type(value) is str:
        return len(value) <= LONGEST_FACT
    return (
        value is None
        or type(value) in (bool, int)
        or (type(value) is float and math.isfinite(value))
    )


def _dict(values: Any, name: str) -> dict[Any, Any]:
    """A dict within a dict; empty if it is missing or not a dict."""
    value = values.get(name)
    return value if type(value) is dict else {}
