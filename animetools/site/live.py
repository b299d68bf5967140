"""A network for a page: as ONNX in two parts, and what a page must know to draw with them."""

import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from animetools.errors import Advice, ItemError
from animetools.estimate import size
from animetools.netfiles import checkpoints, onnx
from animetools.netfiles.networkfile import SavedNetwork
from animetools.networks.generator import Generator

MOST_BYTES = 200_000_000  # that a visitor may wait for
USUAL_PSI = 0.7  # where the file suggests none
LEVELS = 127.5  # grey levels of a unit of an image
CLOSE = 1.0  # grey level: how far half precision may change a picture


@dataclass(frozen=True)
class Live:
    """The files of a network for a page: ONNX models, and their facts as JSON."""

    mapping: bytes
    synthesis: bytes
    facts: bytes


def exported(path: str, name: str, sha256: str) -> Live | None:
    """The generator in a network file, in half precision if that keeps its pictures.

    None, after a warning, if it is too large for a page.

    Raises FatalError if libraries for ONNX are missing; ItemError, OSError.
    """
    file = checkpoints.read(path)
    network = file.generator
    count = sum(value.numel() for value in network.state.values())
    if _is_too_large(name, 2 * count):  # in half precision
        return None
    generator = network.build()
    assert isinstance(generator, Generator)
    if generator.config.image_channels not in (1, 3):
        raise ItemError(f"{name} draws {generator.config.image_channels} channels: a page shows 3")
    mapping, synthesis = _models(network, generator)
    if _is_too_large(name, len(mapping) + len(synthesis)):
        return None
    facts = _facts(generator, file.facts.get("labels"))
    facts |= {"network": name, "sha256": sha256}
    return Live(mapping, synthesis, json.dumps(facts).encode())


def _is_too_large(name: str, count: int) -> bool:
    if count > MOST_BYTES:
        warnings.warn(
            f"{name} would be {size(count)} in a page, more than {size(MOST_BYTES)}: the site"
            " is made without live.html",
            Advice,
            stacklevel=1,
        )
    return count > MOST_BYTES


def _models(network: SavedNetwork, generator: Generator) -> tuple[bytes, bytes]:
    whole = onnx.encode(network, "mapping"), onnx.encode(network, "w")
    halves = onnx.halved(whole[0]), onnx.halved(whole[1])
    return halves if _difference(generator, *halves) <= CLOSE else whole


@torch.no_grad()
def _difference(generator: Generator, mapping: bytes, synthesis: bytes) -> float:
    """The largest difference to torch's pictures of a few faces, in grey levels."""
    import onnxruntime

    config = generator.config.mapping
    z = np.random.RandomState(0).randn(4, config.z_dim).astype(np.float32)
    given = {"z": z} | ({"c": np.zeros((4, config.c_dim), np.float32)} if config.c_dim else {})
    session = [
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        for model in (mapping, synthesis)
    ]
    (w,) = session[0].run(None, given)
    truncated = generator.truncate(torch.from_numpy(w), USUAL_PSI)
    (found,) = session[1].run(None, {"w": truncated.contiguous().numpy()})
    labels = torch.from_numpy(given["c"]) if config.c_dim else None
    wanted = generator(torch.from_numpy(z), labels, USUAL_PSI).numpy()
    return float(np.abs(found.clip(-1, 1) - wanted.clip(-1, 1)).max() * LEVELS)


def _facts(generator: Generator, labels: Any) -> dict[str, Any]:
    """Sizes, the average w, the truncation that the file suggests, and names of classes."""
    config = generator.config
    rows = generator.truncated if config.truncation.cutoff is None else config.truncation.cutoff
    average = generator.mapping.w_avg
    assert isinstance(average, torch.Tensor)
    count = config.mapping.c_dim
    names = labels if isinstance(labels, list) and len(labels) == count else range(count)
    return {
        "height": generator.height,
        "width": generator.width,
        "channels": config.image_channels,
        "z_dim": config.mapping.z_dim,
        "w_dim": config.mapping.w_dim,
        "rows": generator.num_ws,
        "truncated": rows,
        "psi": USUAL_PSI if config.truncation.psi == 1 else config.truncation.psi,
        "average": average.flatten()[: config.mapping.w_dim].tolist(),
        "classes": [str(name) for name in names],
    }
