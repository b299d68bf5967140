"""A model's folder: its best weights, and snapshots of the run that they come from.

Each is an ordinary Hugging Face folder. A snapshot also holds all that the run needs to resume.
"""

import copy
import json
import os
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from animetools import atomic
from animetools.errors import FatalError
from animetools.runs.snapshots import part_of, replace

STATE = "training.safetensors"
CONFIG, WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class State:
    """All that a snapshot holds besides its model."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]


def write(
    out: str, step: int, model: Any, tokenizer: Any, tensors: dict[str, Tensor], facts: Any
) -> str:
    """Write the snapshot of a step below a model's folder, whole or not at all; returns its path."""
    path, part = os.path.join(out, named(step)), part_of(out)
    _save(part, model, tokenizer, save(tensors, {"run": json.dumps(facts)}))
    replace(part, path)
    return path


def named(step: int) -> str:
    """The name of the snapshot after so many steps."""
    return f"snapshot-{step:06d}"


def publish(out: str, model: Any, tokenizer: Any) -> None:
    """Have the folder hold this model, in half precision: the weights change last, and at once."""
    part = part_of(out)
    _save(part, copy.deepcopy(model).half(), tokenizer)
    for name in sorted(os.listdir(part), key=lambda name: name == WEIGHTS):
        os.replace(os.path.join(part, name), os.path.join(out, name))
    os.rmdir(part)


def read(path: str) -> State:
    """The state of the run in a snapshot.

    Raises FatalError if it is missing or damaged.
    """
    try:
        with safe_open(os.path.join(path, STATE), "pt") as file:
            facts = json.loads((file.metadata() or {}).get("run", ""))
            if not isinstance(facts, dict):
                raise ValueError("no settings")
            return State(facts, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, RecursionError) as why:
        raise FatalError(f"{path}: it holds no state of a run to resume: {why}") from why


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
