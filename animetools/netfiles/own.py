"""Our own layout: plain dicts, numbers and tensors in torch's format.

    {"format": "animetools", "version": 1, "facts": {...},
     "networks": {"G": {"config": {...}, "state": {...}}, "D": ..., "G_ema": ...},
     "training": {...}}

`training`, only in snapshots of a run, is what the run continues from. torch.load with
weights_only=True reads such a file too.
"""

import json
from typing import Any

from torch import Tensor

from animetools.netfiles.configs import config_from_json, config_to_json
from animetools.netfiles.machine import refuse
from animetools.netfiles.networkfile import Layout, NetworkFile, SavedNetwork
from animetools.networks.config import DiscriminatorConfig

FORMAT, VERSION = "animetools", 1
NAMES = ("G", "D", "G_ema")
MOST_FACTS = 1 << 18  # more than a dataset has names of labels
LONGEST_FACTS = 1 << 22  # characters of all facts


def is_of(value: Any) -> bool:
    """Whether this, as `pickles` made it of a file, is of our layout."""
    match value:
        case {"format": "animetools", "version": int(), "networks": dict()}:
            return True
    return False


def read(value: dict[str, Any], layout: Layout = "animetools") -> NetworkFile:
    """The networks in a value that `is_of` our layout.

    Raises ItemError for networks that are not whole, and for files of later versions.
    """
    if value["version"] > VERSION:
        refuse("written by a later version of animetools: upgrade animetools")
    networks: dict[str, SavedNetwork] = {}
    for name, entry in value["networks"].items():
        if name not in NAMES:
            refuse(f"the file has a network of the unknown name {name!a:.40}")
        networks[name] = _network(name, entry)
    if not networks:
        refuse("the file has no network in it")
    if type(facts := value.get("facts")) is not dict or not _are_plain(facts):
        refuse("the facts in the file are not plain JSON, or too long")
    training = value.get("training")
    return NetworkFile(layout, networks, facts, training if type(training) is dict else None)


def _network(name: str, entry: Any) -> SavedNetwork:
    match entry:
        case {"config": config, "state": dict(state)}:
            network = SavedNetwork(config_from_json(config), state)
        case _:
            refuse(f"the file lacks the config or the state of {name}")
    for key, value in network.state.items():
        if type(key) is not str or not isinstance(value, Tensor):
            refuse(f"the state of {name} has values that are not tensors")
    if isinstance(network.config, DiscriminatorConfig) != (name == "D"):
        refuse(f"{name} is a network of the wrong kind")
    return network


def content(file: NetworkFile) -> dict[str, Any]:
    """What is written of a file, in our layout."""
    made = {
        "format": FORMAT,
        "version": VERSION,
        "facts": file.facts,
        "networks": {
            name: {"config": config_to_json(network.config), "state": owned(network.state)}
            for name, network in file.networks.items()
        },
    }
    return made if file.training is None else made | {"training": _on_cpu(file.training)}


def owned(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in memory of their own: of a view torch would write all that it is a view of.

    It is the CPU's: torch.load would look for the card that a tensor was on. Most tensors of files have
    such memory already, and are not copied.
    """
    made: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in state.items():
        storage = value.untyped_storage()
        whole = value.is_contiguous() and value.device.type == "cpu"
        alone = whole and storage.nbytes() == value.nbytes and storage.data_ptr() not in seen
        seen.add(storage.data_ptr())
        made[name] = value.detach() if alone else value.detach().to("cpu", copy=True).contiguous()
    return made


def _on_cpu(value: Any) -> Any:
    """A value of plain containers, whose tensors are on the CPU."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {key: _on_cpu(part) for key, part in value.items()}
    return value


def _are_plain(facts: dict[Any, Any]) -> bool:
    """Whether these are JSON values, and no more than a few hundred thousand."""
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
