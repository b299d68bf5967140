"""A model's folder: its best weights, and snapshots of the run that they come from.

Each is an ordinary Hugging Face folder. A snapshot holds all that the run needs to go on, too.
"""

import copy
import json
import os
import re
import shutil
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from animetools import atomic
from animetools.errors import FatalError

STATE = "training.safetensors"
NAME = re.compile(r"snapshot-(\d{6,9})")
CONFIG, WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class State:
    """What a run had in mind when a snapshot was written, besides its model."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]


def write(
    out: str, step: int, model: Any, tokenizer: Any, tensors: dict[str, Tensor], facts: Any
) -> str:
    """Write the snapshot of a step below a model's folder, whole or not at all; gives its path."""
    path = os.path.join(out, f"snapshot-{step:06d}")
    part = _part(out)
    _save(part, model, tokenizer, save(tensors, {"run": json.dumps(facts)}))
    if os.path.isdir(path):  # of the same step: the run has gone back
        shutil.rmtree(path)
    os.rename(part, path)
    return path


def publish(out: str, model: Any, tokenizer: Any) -> None:
    """Have the folder hold this model, in half precision: the weights change last, and at once."""
    part = _part(out)
    _save(part, copy.deepcopy(model).half(), tokenizer)
    for name in sorted(os.listdir(part), key=lambda name: name == WEIGHTS):
        os.replace(os.path.join(part, name), os.path.join(out, name))
    os.rmdir(part)


def read(path: str) -> State:
    """The state of the run in a snapshot.

    Raises FatalError if there is none, or it is damaged.
    """
    try:
        with safe_open(os.path.join(path, STATE), "pt") as file:
            facts = json.loads((file.metadata() or {}).get("run", ""))
            if not isinstance(facts, dict):
                raise ValueError("no settings")
            return State(facts, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as why:
        raise FatalError(f"{path}: no state of a run to resume is in it: {why}") from why


def all_of(out: str) -> list[str]:
    """The snapshots in a folder, oldest first."""
    try:
        names = os.listdir(out)
    except FileNotFoundError:
        return []
    found = [(int(name[1]), name[0]) for name in map(NAME.fullmatch, names) if name]
    return [os.path.join(out, name) for _, name in sorted(found)]


def remove(out: str, paths: list[str]) -> None:
    """Remove these snapshots of a folder, each as a whole."""
    for path in paths:
        gone = _part(out)
        os.rename(path, gone)  # so that no half of it is taken for a snapshot
        shutil.rmtree(gone)


def _part(out: str) -> str:
    """A place for a folder on its way, where nothing is: a killed run may have left some."""
    part = os.path.join(out, ".snapshot.part")
    if os.path.isdir(part):
        shutil.rmtree(part)
    return part


def _save(part: str, model: Any, tokenizer: Any, state: bytes = b"") -> None:
    """Write a model's files, and wait until the disk has them."""
    try:
        model.save_pretrained(part, max_shard_size="100GB")
        tokenizer.save_pretrained(part)
    except SafetensorError as why:  # what it says of a full disk, too
        raise FatalError(f"{os.path.dirname(part)} cannot be written: {why}") from why
    if state:
        atomic.write(os.path.join(part, STATE), state)
    mode = os.stat(os.path.join(part, CONFIG)).st_mode  # safetensors' files are their owner's alone
    for name in os.listdir(part):
        os.chmod(os.path.join(part, name), mode)
        with open(os.path.join(part, name), "rb") as file:
            os.fsync(file.fileno())
