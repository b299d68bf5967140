"""Directions that a network's own tags teach: what they do to w."""

from collections.abc import Sequence

import numpy as np
import torch

from animetools.editing.teaching import excludes
from animetools.networks.layers import Mapping
from animetools.sampling.labels import PossibleLabels
from animetools.sampling.latents import Floats

CHUNK = 250  # samples that are computed at once
OF = 4000  # samples, in a fraction of a second
SURPRISING = 10.0  # examples with two tags, by chance, where it means something that there are none


@torch.inference_mode()
def step_of_tag(
    mapping: Mapping,
    labels: PossibleLabels,
    names: Sequence[str],
    name: str,
    seed: int,
    count: int = OF,
) -> Floats:
    """The mean step [w_dim] in w from the tags of examples to the same tags and one more.

    z stays, and so do all other tags, except those that exclude it. Examples are those of the
    network, without the tag; `names` are its tags, of which `name` is one.
    """
    rows = labels.rows(np.arange(labels.count))
    tag = names.index(name)
    lacking = rows[rows[:, tag] == 0]
    without = lacking if len(lacking) else rows
    without[:, tag] = 0
    kept = 1 - excluded(rows, names, tag)
    stream = np.random.default_rng(seed)
    total = np.zeros(mapping.config.w_dim, np.float64)
    for first in range(0, count, CHUNK):
        size = min(CHUNK, count - first)
        z = torch.from_numpy(stream.standard_normal((size, mapping.config.z_dim), np.float32))
        before = without[stream.integers(len(without), size=size)]
        after = before * kept
        after[:, tag] = 1
        w, moved = (mapping(z, torch.from_numpy(c))[:, 0] for c in (before, after))
        total += (moved - w).sum(0, dtype=torch.float64).numpy()
    return np.asarray(total / count, np.float32)


def excluded(rows: Floats, names: Sequence[str], tag: int) -> Floats:
    """1 for each tag that never comes with another one, else 0, [tags].

    Those are colors of the same thing, and all that no example has with it although chance would
    give some of them both, such as an open and a closed mouth. `rows` [n, tags] are the labels of
    examples.
    """
    counts = rows.sum(0)
    by_chance = counts * counts[tag] / len(rows)
    never = (rows.T @ rows[:, tag] == 0) & (by_chance >= SURPRISING)
    colors = np.array([excludes(names[tag], other) for other in names])
    found = never | colors
    found[tag] = False
    return np.asarray(found, np.float32)
