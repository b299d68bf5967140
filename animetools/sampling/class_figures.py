"""Figures of classes, and of the clusters that a network has by itself."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from animetools.errors import FatalError
from animetools.netfiles.classes import labels_of, lists_of
from animetools.sampling.clusters import k_means
from animetools.sampling.figure import Figure
from animetools.sampling.latents import Latent, SynthesisInput, synthesis_input
from animetools.sampling.layouts import grid, wrapped
from animetools.sampling.subject import Subject

OF_CLUSTER = 50  # w that are drawn for each
AT_ONCE, MOST_LABELS = 256, 1 << 22  # w, and numbers of their labels


def classes(subject: Subject) -> Figure:
    """Each latent with each class, or each list of tags."""
    sampler = subject.sampler
    lists = _lists(subject)
    names = tuple(", ".join(words) or "no tags" for words in lists)

    def inputs() -> Iterator[SynthesisInput]:
        for each in subject.latents:
            picture = subject.picture(each.latent)
            for words in lists:  # of half a million tags not all labels are in memory
                labels = labels_of(sampler.network.classes, words)
                yield synthesis_input(
                    sampler.generator, picture.latent, picture.psi, sampler.options, labels
                )

    asked = subject.options.tags or subject.options.class_
    facts = ("classes", [",".join(words) for words in lists]) if asked else ("count", len(lists))
    if len(subject.latents) > 1:
        made = grid(subject, inputs, subject.sources, names, subject.names)
        return replace(made, facts=(facts,))
    return wrapped(subject, len(names), inputs, lambda: names, (facts,))


def _lists(subject: Subject) -> list[tuple[str, ...]]:
    """The words of each column: those that were asked for, or each class, as many as it may be.

    Raises FatalError for a network without classes, ItemError for an unknown class.
    """
    network, options = subject.sampler.network, subject.options
    if not network.classes:
        raise FatalError("this network has no classes: sgconvert --info shows what one has")
    wanted = list(lists_of(options.class_, options.tags))
    for words in wanted:
        labels_of(network.classes, words)
    none: list[tuple[str, ...]] = [()] if network.takes_tags else []
    return (
        wanted or [*none, *((name,) for name in network.classes[: subject.count])][: subject.count]
    )


def clusters(subject: Subject) -> Figure:
    """The means of clusters of w, the largest first, each with its share."""
    sampler, count, seed = subject.sampler, subject.count, subject.own_seed()
    total = OF_CLUSTER * count

    @cache
    def found() -> tuple[Tensor, list[int]]:
        return k_means(many_w(subject, seed, total), count, seed)

    def inputs() -> Iterator[SynthesisInput]:
        psi = subject.sources[0].psi
        for mean in found()[0]:
            latent = Latent(kind="w", values=mean.numpy())
            yield synthesis_input(sampler.generator, latent, psi, sampler.options)

    def captions() -> list[str]:
        return [f"{n}: {100 * size / total:.2f}%" for n, size in enumerate(found()[1], 1)]

    return wrapped(subject, count, inputs, captions, (("count", count),))


@torch.inference_mode()
def many_w(subject: Subject, seed: int, count: int) -> Tensor:
    """So many w [count, w_dim] of one stream of z, of random classes where none is given."""
    generator, labels = subject.sampler.generator, subject.sampler.labels()
    config = generator.config.mapping
    at_once = max(1, min(AT_ONCE, MOST_LABELS // max(1, config.c_dim)))
    stream = np.random.RandomState(seed)
    made = []
    for first in range(0, count, at_once):
        z = stream.randn(min(at_once, count - first), config.z_dim).astype(np.float32)
        c = labels and torch.from_numpy(labels.rows(stream.randint(labels.count, size=len(z))))
        ws = generator.mapping(torch.from_numpy(z), c)
        made.append(ws[:, 0])
    return torch.cat(made)
