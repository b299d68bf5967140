"""Network files: any is read, by what is in it; ours and the layout of others are written.

Ours is torch's own format of plain dicts, numbers and tensors, which
torch.load(weights_only=True) reads too:

    {"format": "animetools", "version": 1, "facts": {...},
     "networks": {"G": {"config": {...}, "state": {...}}, "D": ..., "G_ema": ...},
     "training": {...}}

whose last part, only in snapshots of a run, is what that goes on from.
A .safetensors holds the same: its tensors as G.mapping.w_avg and so on, the rest as JSON.
"""

import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from animetools import atomic
from animetools.netfiles import pickles, pytorch, rosinality, tensorflow
from animetools.netfiles.configs import config_from_json, config_to_json
from animetools.netfiles.foreign import refuse_foreign
from animetools.netfiles.machine import refuse
from animetools.netfiles.networkfile import Layout, NetworkFile, SavedNetwork
from animetools.networks.config import DiscriminatorConfig

FORMAT, VERSION = "animetools", 1
NAMES = ("G", "D", "G_ema")
MOST_FACTS = 10_000
LONGEST_FACTS = 1 << 20  # characters of all facts
LONGEST_HEADER = 1 << 20  # bytes; of safetensors, in memory it takes many times as much


def read(path: str) -> NetworkFile:
    """The networks of a file, whoever wrote it.

    Nothing in it is executed, and no tensor is copied that the file can be mapped for. Configs are
    such as networks can have; they are held against the tensors where a network is built.

    Raises OSError if the file cannot be opened, ItemError, one sentence, if it is no network file.
    """
    snapshot = _read(path, pickles.mapped(path))
    for network in snapshot.networks.values():
        config_from_json(config_to_json(network.config))  # for its checks
    # The original programs say how far they were in the name only.
    if name := re.search(r"network-snapshot-(\d{6,9})", os.path.basename(path)):
        snapshot.facts.setdefault("kimg", int(name[1]))
    return snapshot


def write(path: str, snapshot: NetworkFile) -> None:
    """Write a file of the layout that the end of its name tells: one of WRITERS.

    Raises ItemError for what the layout cannot hold.
    """
    encode = WRITERS[os.path.splitext(path)[1]]
    with atomic.writing(path) as file:
        encode(snapshot, file)


def _read(path: str, data: memoryview) -> NetworkFile:
    head = bytes(data[:9])
    if head.startswith(b"PK\x03\x04"):
        return _of_torch(pickles.load_torch_zip(data))
    if pickles.is_torch_legacy(data):
        return _of_torch(pickles.load_torch_legacy(data))
    if head.endswith(b"{"):
        if int.from_bytes(head[:8], "little") > LONGEST_HEADER:
            refuse("a file that begins as safetensors do, with too long a header")
        return _of_safetensors(path)
    if not head.startswith(b"\x80"):  # as all pickles of StyleGANs
        refuse("no network file: neither a pickle, nor of torch, nor safetensors")
    value = pickles.load_pickle(data)
    return pytorch.read(value) if type(value) is dict else tensorflow.read(value)


def _of_torch(value: Any) -> NetworkFile:
    match value:
        case {"format": "animetools", "version": int(version), "networks": dict(networks)}:
            if version > VERSION:
                refuse("a file of a later animetools: install that")
            parts = [(name, *_entry(entry)) for name, entry in networks.items()]
            training = value.get("training")
            snapshot = _checked("animetools", parts, value.get("facts"))
            return replace(snapshot, training=training if type(training) is dict else None)
    if rosinality.is_of(value):
        return rosinality.read(value)
    refuse_foreign(value, "a torch checkpoint of something else: no StyleGAN is in it")


def _entry(entry: Any) -> tuple[Any, Any]:
    match entry:
        case {"config": config, "state": state}:
            return config, state
    refuse("the file holds a network without config and state")


def _of_safetensors(path: str) -> NetworkFile:
    try:
        # The library takes names in UTF-8 only; this one is good for any.
        with (
            open(path, "rb") as named,
            safetensors.safe_open(f"/dev/fd/{named.fileno()}", "pt") as file,
        ):
            metadata = file.metadata() or {}
            names = [*file.keys()]
            is_ours = metadata.get("format") == FORMAT
            if not is_ours and not rosinality.is_of(dict.fromkeys(names)):
                said = "a safetensors file of something else: no StyleGAN is in it"
                refuse_foreign(dict.fromkeys(names, torch.empty(0)), said)
            tensors = {name: file.get_tensor(name) for name in names}
    except safetensors.SafetensorError:
        refuse("a broken or truncated safetensors file")
    if not is_ours:
        return rosinality.read(tensors)
    try:
        if int(metadata["version"]) > VERSION:
            refuse("a file of a later animetools: install that")
        configs, facts = json.loads(metadata["networks"]), json.loads(metadata["facts"])
    except (KeyError, ValueError, RecursionError):
        refuse("a safetensors file whose metadata is broken")
    states: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        network, _, key = name.partition(".")
        states.setdefault(network, {})[key] = tensor
    if type(configs) is not dict or set(configs) != set(states):
        refuse("a safetensors file with tensors that belong to no network")
    parts = [(name, config, states[name]) for name, config in configs.items()]
    return _checked("safetensors", parts, facts)


def _checked(layout: Layout, parts: list[tuple[Any, Any, Any]], facts: Any) -> NetworkFile:
    """The snapshot of networks (name, config, state) as a stranger's file gives them."""
    networks: dict[str, SavedNetwork] = {}
    for name, config, state in parts:
        if name not in NAMES:
            refuse(f"the file holds a network by the unknown name {name!a:.40}")
        if type(state) is not dict or not all(
            type(key) is str and isinstance(value, Tensor) for key, value in state.items()
        ):
            refuse(f"the state of {name} holds something else than tensors")
        networks[name] = SavedNetwork(config_from_json(config), state)
        if isinstance(networks[name].config, DiscriminatorConfig) != (name == "D"):
            refuse(f"{name} is a network of the wrong kind")
    if not networks:
        refuse("the file holds no network")
    if type(facts) is not dict or not _are_plain(facts):
        refuse("the facts of the file are not plain")
    return NetworkFile(layout, networks, facts)


def _are_plain(facts: dict[Any, Any]) -> bool:
    """Whether these are values as JSON has them, and not more than a few thousand."""
    waiting: list[Any] = [facts]
    room = LONGEST_FACTS
    for _ in range(MOST_FACTS):  # the same list may be in a pickle's lists a million times
        if not waiting or room < 0:
            break
        value = waiting.pop()
        if type(value) is dict:
            waiting += [*value, *value.values()]
        elif type(value) is list:
            waiting += value
        elif type(value) is str:
            room -= len(value)
    try:
        return not waiting and room >= 0 and bool(json.dumps(facts, allow_nan=False))
    except (TypeError, ValueError):
        return False


def _write_own(snapshot: NetworkFile, file: BinaryIO) -> None:
    networks = {
        name: {"config": config_to_json(network.config), "state": _owned(network.state)}
        for name, network in snapshot.networks.items()
    }
    content = {"format": FORMAT, "version": VERSION, "facts": snapshot.facts, "networks": networks}
    if snapshot.training is not None:
        content["training"] = snapshot.training
    _save(content, file)


def _write_safetensors(snapshot: NetworkFile, file: BinaryIO) -> None:
    tensors = {
        f"{name}.{key}": value
        for name, network in snapshot.networks.items()
        for key, value in _owned(network.state).items()
    }
    configs = {name: config_to_json(network.config) for name, network in snapshot.networks.items()}
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "networks": json.dumps(configs),
        "facts": json.dumps(snapshot.facts),
    }
    file.write(safetensors.torch.save(tensors, metadata))


def _write_rosinality(snapshot: NetworkFile, file: BinaryIO) -> None:
    _save(rosinality.content(snapshot), file)


def _save(content: dict[str, Any], file: BinaryIO) -> None:
    """torch.save, by way of memory: it does not say what is wrong with a file that it writes to."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    file.write(buffer.getbuffer())


def _owned(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in bytes of their own: a view would be written with all that it is a view of."""
    return {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }


WRITERS: dict[str, Callable[[NetworkFile, BinaryIO], None]] = {
    ".pkl": _write_own,
    ".safetensors": _write_safetensors,
    ".pt": _write_rosinality,
}
