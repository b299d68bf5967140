"""The modules of a network in a pickle of PyTorch's StyleGANs.

Every module, down to a layer, is a persistent object: its source, which is never read, and its
`__dict__`, with the tensors under the names that they keep.
"""

import re
from typing import Any

import torch
from torch import Tensor

from animetools.netfiles import arguments
from animetools.netfiles.arguments import Settings
from animetools.netfiles.foreign import refuse_foreign
from animetools.netfiles.machine import Call, refuse
from animetools.netfiles.networkfile import shape_of
from animetools.networks.config import Architecture, MappingConfig
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig

OBJECT = "torch_utils.persistence._reconstruct_persistent_obj"
LONGEST_NAME = 200
PARTS = ("_parameters", "_buffers", "_modules")
GROUPS = {"synthesis": "synthesis_kwargs", "mapping": "mapping_kwargs", "b4": "epilogue_kwargs"}


class Modules:
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
        # A module that is in two places could be in a million.
        parts = {id(module), id(state), *(id(state.get(name)) for name in PARTS if state.get(name))}
        if parts & self._seen or len(path) > LONGEST_NAME:
            refuse("the pickle has a network with a module in two places")
        self._seen |= parts
        dot = path and path + "."
        for name, tensor in (
            plain_dict(state, "_parameters") | plain_dict(state, "_buffers")
        ).items():
            if isinstance(tensor, Tensor) and name == "resample_filter":
                if tensor.dim() > 2 or max(tensor.shape, default=0) > arguments.LONGEST_KERNEL:
                    refuse("malformed resample filter")
                self.filters.append(tensor)
            elif isinstance(tensor, Tensor):
                self.tensors[f"{dot}{name!s:.{LONGEST_NAME}}"] = tensor
            elif tensor is not None:
                refuse("the pickle has a network with a parameter that is not a tensor")
        for name, child in plain_dict(state, "_modules").items():
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
            given = plain_dict(state or {}, "_init_kwargs")
            found |= given
            if state is self.states[""]:
                found |= plain_dict(given, GROUPS.get(parts[0], "block_kwargs"))
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


def mapping_of(modules: Modules) -> MappingConfig:
    """The config of a generator's mapping, or of a discriminator's of its labels."""
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


def plain_dict(values: Any, name: str) -> dict[Any, Any]:
    """A dict within a dict; empty if it is missing or not a dict."""
    value = values.get(name)
    return value if type(value) is dict else {}
