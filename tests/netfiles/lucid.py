"""The golden networks of tests/golden/lucidrains: files as their program writes them, and its results."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.conftest import ROOT

FOLDER = ROOT / "tests/golden/lucidrains"
NAMES = ("plain", "rich", "old")


def golden(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """How a network was made, and what came out of it."""
    with np.load(FOLDER / f"{name}.npz") as results:
        found = {key: torch.tensor(results[key]) for key in results.files}
    return json.loads((FOLDER / f"{name}.json").read_text()), found


def value(name: str, shape: list[int]) -> Tensor:
    """The numbers of a tensor, which follow from its name."""
    if name.endswith(".f"):
        return torch.tensor([1.0, 2.0, 1.0])
    name, scale = name.removeprefix("D_aug."), 1.0
    if ".net." in name and name.split(".")[0] in ("S", "SE"):
        scale = 3.0 if name.endswith("weight") else 1.0
    elif name.endswith((".bias", ".b", "to_noise1.weight", "to_noise2.weight")):
        scale = 0.3
    elif name.endswith(".weight"):
        scale = float((2 / np.prod(shape[1:])) ** 0.5)
    drawn = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    drawn = drawn * scale + (1.0 if name.endswith("norm.g") else 0.0)
    return torch.tensor(np.asarray(drawn, np.float32))


def content(name: str) -> dict[str, Any]:
    """What the program gives torch.save."""
    info, _ = golden(name)
    state = {key: value(key, shape) for key, shape in info["shapes"].items()}
    return {"GAN": state} if name == "old" else {"GAN": state, "version": "1.9.0"}


def written(folder: Path, name: str) -> str:
    """The path of a file in a folder, with the .config.json of its run beside it."""
    info, _ = golden(name)
    settings = {key: info["given"][key] for key in ("image_size", "network_capacity")}
    settings["lr_mlp"] = info["given"].get("lr_mlp", 0.1)
    (folder / ".config.json").write_text(json.dumps(settings))
    torch.save(content(name), folder / "model_1.pt")
    return str(folder / "model_1.pt")


def normal(noise: Tensor) -> list[Tensor]:
    """The noise [n, S, S] that the program was given, 0..1, as our generator takes it."""
    noise = torch.special.ndtri(noise.double()).float()
    sides = [4 << i for i in range(noise.shape[1].bit_length() - 2)]
    return [noise[:, :side, :side].transpose(1, 2)[:, None].contiguous() for side in sides]
