"""Network files as PyTorch's programs write them, and what a stranger might put into a pickle."""

import json
import os
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.netfiles import goldens

BUFFERS = ("resample_filter", "noise_const", "w_avg")
FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


class EasyDict(dict[str, Any]):
    """A dict, by the name that the files have for it."""

    __module__ = "dnnlib.util"


def _reconstruct_persistent_obj(meta: Any) -> Any:
    raise RuntimeError("never called")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Persistent:
    """What is pickled as a persistent object: its class, source text and `__dict__`."""

    def __init__(self, kind: str, state: dict[str, Any]) -> None:
        self.meta = EasyDict(
            type="class",
            version=6,
            module_src="raise RuntimeError('never executed')\n",
            class_name=kind,
            state=state,
        )

    def __reduce__(self) -> Any:
        return _reconstruct_persistent_obj, (self.meta,)


@contextmanager
def pretended(*things: Any) -> Iterator[None]:
    """Let pickle find classes and functions in the modules that they say they are of."""
    before = set(sys.modules)
    for thing in things:
        parts = thing.__module__.split(".")
        for i in range(len(parts)):
            sys.modules.setdefault(name := ".".join(parts[: i + 1]), ModuleType(name))
        setattr(sys.modules[thing.__module__], thing.__name__, thing)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]


def ada_module(
    tensors: dict[str, Tensor], given: dict[str, Any], kind: str = "Generator"
) -> Persistent:
    """A network of persistent objects with these tensors, by their dotted names."""
    inner: dict[str, dict[str, Tensor]] = {}
    parameters: OrderedDict[str, Any] = OrderedDict()
    buffers: OrderedDict[str, Any] = OrderedDict()
    for name, tensor in tensors.items():
        first, dot, rest = name.partition(".")
        if dot:
            inner.setdefault(first, {})[rest] = tensor
        elif name in BUFFERS:
            buffers[name] = tensor
        else:
            parameters[name] = torch.nn.Parameter(tensor)
    modules = OrderedDict((name, ada_module(part, {}, name)) for name, part in inner.items())
    state = {
        "training": False,
        "_parameters": parameters,
        "_buffers": buffers,
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": OrderedDict(),
        "_modules": modules,
        "_init_args": (),
        "_init_kwargs": EasyDict(given),
        "weight_gain": np.sqrt(2),
    }
    return Persistent(kind, state)


def ada_info(name: str) -> dict[str, Any]:
    """What a golden network is."""
    info: dict[str, Any] = json.loads((goldens.GOLDEN / "ada" / f"{name}.json").read_text())
    return info


def ada_network(name: str) -> Persistent:
    """A golden network, as a file holds it."""
    info = ada_info(name)
    state = goldens.ada_state(info)
    names = [name for name, _ in info["state"]]
    tensors = {name: FILTER if name.endswith("resample_filter") else state[name] for name in names}
    return ada_module(tensors, info["init_kwargs"])


def ada_pickle(**values: Any) -> bytes:
    """A file of these networks, and of what else is named."""
    with pretended(EasyDict, _reconstruct_persistent_obj):
        return pickle.dumps(values)


def ada_file(generator: str, discriminator: str) -> bytes:
    """Golden networks as the original program writes them, here G = G_ema."""
    g, d, ema = ada_network(generator), ada_network(discriminator), ada_network(generator)
    known = EasyDict(class_name="training.dataset.ImageFolderDataset", path="faces.zip", xflip=True)
    return ada_pickle(training_set_kwargs=known, G=g, D=d, G_ema=ema, augment_pipe=None)


class Evil:
    """What makes a file when it is unpickled as Python does it."""

    def __init__(self, flag: str) -> None:
        self.flag = flag

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.flag}",)
