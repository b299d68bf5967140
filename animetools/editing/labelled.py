"""Directions that a network's own tags teach: what they do to w."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch

from animetools.editing.teaching import excludes
from animetools.networks.layers import Mapping
from animetools.sampling.labels import PossibleLabels
from animetools.sampling.latents import Floats

CHUNK = 250  # samples that are computed at once
OF = 4000  # samples, in a fraction of a second
SURPRISING = 10.0  # examples with two tags, by chance: that there are none then means something


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
    network, without the tag; `names` are its tags, of which `name` is one. `count` samples, 1 or more.
    """
    tag, lists = names.index(name), [labels.words(number) for number in range(labels.count)]
    lacking = [number for number, tags in enumerate(lists) if tag not in tags]
    without = np.array(lacking or range(labels.count))
    kept = 1 - excluded(lists, names, tag)
    stream = np.random.default_rng(seed)
    total = np.zeros(mapping.config.w_dim, np.float64)
    for first in range(0, count, CHUNK):
        size = min(CHUNK, count - first)
        z = torch.from_numpy(stream.standard_normal((size, mapping.config.z_dim), np.float32))
        before = labels.rows(without[stream.integers(len(without), size=size)])
        before[:, tag] = 0
        after = before * kept
        after[:, tag] = 1
        w, moved = (mapping(z, torch.from_numpy(c))[:, 0] for c in (before, after))
        total += (moved - w).sum(0, dtype=torch.float64).numpy()
    return np.asarray(total / count, np.float32)


def excluded(examples: Sequence[Sequence[int]], names: Sequence[str], tag: int) -> Floats:
    """1 for each tag that never comes with another one, else 0, [tags].

    Those are colors of the same thing, and all that no example has with it although chance would
    give some of them both, such as an open and a closed mouth. `examples` are the tags of images.
    """
    counts = Counter(chain(*examples))
    beside = Counter(chain(*(tags for tags in examples if tag in tags)))
    found = np.array([excludes(names[tag], other) for other in names], np.float32)
    for other, count in counts.items():
        if not beside[other] and count * counts[tag] >= SURPRISING * len(examples):
            found[other] = 1
    found[tag] = 0
    return found
