"""A network for a page: as ONNX in two parts, and what a page must know to draw with them."""

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from animetools.editing.available import available
from animetools.editing.directions import Direction
from animetools.errors import Advice, FatalError, ItemError
from animetools.estimate import size
from animetools.netfiles import onnx
from animetools.netfiles.networkfile import SavedNetwork
from animetools.networks.generator import Generator
from animetools.sampling.latents import Floats
from animetools.sampling.layers import Rows
from animetools.sampling.sampler import OpenNetwork, open_network

MOST_BYTES = 200_000_000  # that a visitor may wait for
MOST_DIRECTIONS = 150  # sliders that a person may look through
USUAL_PSI = 0.7  # where the file suggests none
LEVELS = 127.5  # grey levels of a unit of an image
CLOSE = 1.0  # grey level: how far half precision may change a picture


@dataclass(frozen=True)
class Live:
    """The files of a network for a page: ONNX models, and their facts as JSON."""

    mapping: bytes
    synthesis: bytes
    facts: bytes


def checked(path: str, directions: Sequence[str]) -> tuple[OpenNetwork, tuple[Direction, ...]]:
    """The network in a file, and its directions, those in files of `sgedit --learn` first, for a page.

    Raises FatalError as `available`, or for too many; ItemError, OSError.
    """
    opened = open_network(path)
    channels = opened.generator.config.image_channels
    if channels not in (1, 3):
        raise ItemError(f"it draws {channels} channels: a page shows 3")
    found = available(directions, opened).found
    if len(found) > MOST_DIRECTIONS:
        raise FatalError(
            f"{len(found):,} directions, and a page has sliders for {MOST_DIRECTIONS}: name files with"
            " fewer in --directions"
        )
    return opened, found


def exported(path: str, directions: Sequence[str] = ()) -> Live | None:
    """The generator in a network file, in half precision if that keeps its pictures.

    The page edits along the directions. None, after a warning, if the network is too large for a
    page.

    Raises FatalError if libraries for ONNX are missing, and all that `checked` does.
    """
    name = os.path.basename(path)
    opened, found = checked(path, directions)
    network, generator = opened.file.generator, opened.generator
    count = sum(value.numel() for value in network.state.values())
    if _is_too_large(name, 2 * count):  # in half precision
        return None
    mapping, synthesis = _models(network, generator)
    if _is_too_large(name, len(mapping) + len(synthesis)):
        return None
    facts = _facts(opened) | {
        "directions": [_along(each, generator.num_ws) for each in found],
        "network": name,
        "sha256": opened.sha256,
    }
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


def _facts(network: OpenNetwork) -> dict[str, Any]:
    """Sizes, the average w, the truncation that the file suggests, and names of classes."""
    generator = network.generator
    config = generator.config
    rows = generator.truncated if config.truncation.cutoff is None else config.truncation.cutoff
    average = generator.mapping.w_avg
    assert isinstance(average, torch.Tensor)
    return {
        "height": generator.height,
        "width": generator.width,
        "channels": config.image_channels,
        "z_dim": config.mapping.z_dim,
        "w_dim": config.mapping.w_dim,
        "rows": generator.num_ws,
        "truncated": rows,
        "psi": USUAL_PSI if config.truncation.psi == 1 else config.truncation.psi,
        "average": _numbers(average.flatten()[: config.mapping.w_dim].numpy()),
        "classes": network.classes,
        "tags": network.takes_tags,
        "first": labels.words(0) if (labels := network.labels()) else [],
    }


def _along(direction: Direction, num_ws: int) -> dict[str, Any]:
    """A direction by its name, its rows of w, and what one of its spreads adds to them."""
    rows = direction.rows or Rows(0, num_ws - 1)
    step = _numbers(direction.spread * direction.vector)
    return {"name": direction.name, "first": rows.first, "last": rows.last, "step": step}


def _numbers(values: Floats) -> list[float]:
    """Float32 numbers with no more digits than they need."""
    return [float(str(value)) for value in values]
