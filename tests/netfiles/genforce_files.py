"""The golden networks of tests/golden/genforce: files as GenForce writes them, and its results."""

import json
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.conftest import ROOT

FOLDER = ROOT / "tests/golden/genforce"
NAMES = ("s2", "s2_labels", "s1", "s1_lod1.5")


def golden(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a network is, and what came out of it."""
    with np.load(FOLDER / f"{name}.npz") as results:
        found = {key: torch.tensor(results[key]) for key in results.files}
    return json.loads((FOLDER / f"{name}.json").read_text()), found


def content(name: str) -> dict[str, dict[str, Tensor]]:
    """The states in a file, whose generator and its average are the same."""
    info, _ = golden(name)
    made = {
        part: {key: value(key, shape, info["lod"], part) for key, shape in shapes.items()}
        for part, shapes in info["shapes"].items()
    }
    return made | {"generator_smooth": made["generator"]}


def value(name: str, shape: list[int], lod: float, part: str) -> Tensor:
    """The numbers of a tensor."""
    leaf, scale = name.rpartition(".")[2], 1.0
    if leaf == "lod":
        return torch.tensor(lod)
    if leaf == "kernel":
        taps = torch.tensor([1.0, 2, 1] if ".blur." in name else [1.0, 3, 3, 1])
        gain = 4 if part == "generator" and ".blur." not in name else 1
        return (torch.outer(taps, taps) / taps.sum() ** 2 * gain).expand(shape).clone()
    if name.startswith("mapping.dense"):
        scale = (1.0 if leaf == "weight" else 0.2) / 0.01
    elif leaf in ("bias", "noise_strength", "w_avg") or name.endswith("apply_noise.weight"):
        scale = 0.2
    drawn = np.asarray(np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape))
    return torch.tensor((drawn * scale).astype(np.float32))
