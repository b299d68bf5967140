"""Directions that a tagger teaches: by its gradients, through pictures that a network draws."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from animetools.errors import FatalError
from animetools.inversion.start import samples
from animetools.networks.generator import Generator
from animetools.sampling.labels import PossibleLabels
from animetools.sampling.latents import Floats
from animetools.sampling.layers import Rows
from animetools.tagging.default import DefaultTagger

BATCH = 6  # samples in a step
RATE = 0.012  # of Adam: how far a number of w moves in a step
MARGIN = 1.0  # in logits, beyond the threshold of the tag
KEPT = 2.0  # weight of what changes besides
COLORS = frozenset(
    [
        "aqua",
        "black",
        "blonde",
        "blue",
        "brown",
        "green",
        "grey",
        "orange",
        "pink",
        "purple",
        "red",
        "silver",
        "white",
        "yellow",
    ]
)
MEASURED = 9 * BATCH  # samples among which those with the tag are counted


@dataclass(frozen=True)
class Taught:
    """A step [w_dim] in w after which pictures have a tag, in which share of them, and before it."""

    step: Floats
    share: float
    before: float


def taught(
    generator: Generator,
    labels: PossibleLabels | None,
    device: torch.device,
    name: str,
    rows: Rows,
    steps: int,
    seed: int,
    psi: float,
    tell: Callable[[int], None],
) -> Taught:
    """The step in some rows of w by which a network's pictures get a tag of animetag's own tagger.

    The same step for all pictures; it is found by gradients, so that the tag holds, and all other
    tags stay as they are, those excepted that exclude it: colors, if it is a color. `tell` hears of
    each of the `steps` of the search, which runs on the device.

    Raises FatalError for a tag that the tagger does not know.
    Source: Goetschalckx et al. 2019 (GANalyze), section 3.1, with a tagger for their assessor.
    """
    if device.type == "mps":  # where torch has no gradient of an antialiased resize
        device = torch.device("cpu")
    tagger = DefaultTagger(str(device))
    names = [known for known, _ in tagger.names]
    if name not in names:
        raise FatalError(f"the tagger of animetools does not know {name}: give records of another")
    k = names.index(name)
    kept = torch.tensor([not excludes(name, other) for other in names], device=device)
    thresholds = torch.tensor([math.log(p / (1 - p)) for p in tagger.thresholds], device=device)
    mask = torch.zeros(generator.num_ws, 1, device=device)
    mask[rows.first : rows.last + 1] = 1
    chunks = samples(generator, labels, seed, BATCH)
    moved = generator if device.type == "cpu" else copy.deepcopy(generator).to(device)

    def logits(ws: Tensor) -> Tensor:
        found: Tensor = tagger.network(_seen(moved.synthesis(ws), tagger.side))
        return found - thresholds

    def next_ws() -> Tensor:
        _, w = next(chunks)
        w = w.clone().to(device)[:, None].expand(-1, generator.num_ws, -1)
        return moved.truncate(w, psi)

    step = torch.zeros(generator.config.mapping.w_dim, device=device, requires_grad=True)
    adam = torch.optim.Adam([step], betas=(0.9, 0.99))
    for number in range(steps):
        adam.param_groups[0]["lr"] = RATE * (0.5 + 0.5 * math.cos(math.pi * number / steps))
        ws = next_ws()
        with torch.no_grad():
            before = logits(ws).sigmoid()
        after = logits(ws + step * mask)
        missing = functional.softplus(MARGIN - after[:, k]).mean()
        changed = (after.sigmoid() - before)[:, kept].square().sum(1).mean()
        adam.zero_grad()
        (missing + KEPT * changed).backward()  # type: ignore[no-untyped-call]
        adam.step()
        tell(1)
    counts = np.zeros(2)
    with torch.no_grad():
        for _ in range(MEASURED // BATCH):
            ws = next_ws()
            counts += [float((logits(w)[:, k] > 0).sum()) for w in (ws, ws + step * mask)]
    before_, share = counts / MEASURED
    return Taught(step.detach().cpu().numpy(), float(share), float(before_))


def excludes(name: str, other: str) -> bool:
    """Whether a tag is the other, or rules it out: another color of the same thing."""
    return name == other or (_color_of(name) != "" and _color_of(name) == _color_of(other))


def _color_of(name: str) -> str:
    """What a tag such as blue_hair gives a color to, "" for another tag."""
    color, _, thing = name.partition("_")
    return thing if color in COLORS else ""


def _seen(images: Tensor, side: int) -> Tensor:
    """Images [n, C, H, W] as the tagger takes them, [n, 3, side, side], within white."""
    images = images[:, :3].expand(-1, 3, -1, -1).clamp(-1, 1)
    high, wide = images.shape[2:]
    across, down = max(high - wide, 0), max(wide - high, 0)
    edges = (across // 2, across - across // 2, down // 2, down - down // 2)
    square = functional.pad(images, edges, value=1.0)
    return functional.interpolate(square, (side, side), mode="bicubic", antialias=high > side)
