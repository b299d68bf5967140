"""The golden files of StyleGAN3's repository in tests/golden/sg3, and what came out of them.

They were written by the original's own pickling, with random weights; a .npz has what its program
computed.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from tests.conftest import ROOT

FOLDER = ROOT / "tests/golden/sg3"
STYLEGAN3 = ("t32x", "m32", "r64", "t64c")
STYLEGAN2 = ("sg2c_32",)


def path(name: str, suffix: str = "pkl") -> Path:
    """One of the three files of a network."""
    return FOLDER / f"{name}.{suffix}"


def read(name: str) -> tuple[NetworkFile, dict[str, Any], dict[str, Tensor]]:
    """A file, what it is, and its results in float32."""
    with np.load(path(name, "npz")) as results:
        found = {key: torch.tensor(results[key]) for key in results.files}
    tensors = {
        key: value if value.dtype == torch.uint8 else value.float() for key, value in found.items()
    }
    return checkpoints.read(str(path(name))), json.loads(path(name, "json").read_text()), tensors


def images(results: dict[str, Tensor]) -> Tensor:
    """What the golden discriminators look at."""
    like = results.get("img_psi1", results.get("img_psi1_const"))
    assert like is not None
    drawn = np.random.RandomState(7).randn(6, *like.shape[1:])
    return torch.tensor(drawn.astype(np.float32) * np.float32(0.5))
