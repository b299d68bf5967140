"""From options and examples to a file of directions."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from animetools.editing.directions import Direction, Directions, checked_name
from animetools.editing.examples import probabilities_of
from animetools.editing.linear import fit
from animetools.editing.moments import Moments, moments
from animetools.editing.options import LearningOptions
from animetools.editing.teaching import MEASURED, taught
from animetools.editing.unsupervised import (
    components_of_features,
    components_of_w,
    factors,
    mirrored,
    w_samples,
)
from animetools.errors import FatalError, ItemError
from animetools.inversion.network import ProjectingNetwork
from animetools.inversion.options import ProjectionOptions
from animetools.sampling.labels import PossibleLabels
from animetools.sampling.latents import Floats
from animetools.sampling.layers import Rows
from animetools.sampling.sampler import Sampler

SPREAD_OF = 10_000  # samples by which spreads are measured
OF_PCA, OF_MIRROR = 100_000, 100  # samples, where no number is given
PROJECTED = ProjectionOptions(space="w", steps=60, realism=0.01)

Tell = Callable[[float, float], None]
Found = list[tuple[str, Floats, float | None]]  # name, vector, accuracy


@dataclass(frozen=True)
class Learner:
    """What directions are learned from: a network, the options, and where progress is told."""

    sampler: Sampler
    options: LearningOptions
    device: torch.device
    tell: Tell
    note: Callable[[str], None]

    def directions(self, examples: Sequence[tuple[Floats, Mapping[str, Any]]]) -> Directions:
        """The directions, of examples: the w [w_dim] of pictures, and their records, if there are any.

        Raises FatalError if they cannot be learned, ItemError for an unknown class.
        """
        options, generator = self.options, self.sampler.generator
        rows = options.layers or Rows(0, generator.num_ws - 1)
        if rows.last >= generator.num_ws:
            raise FatalError(
                f"--layers {rows}: this network has the rows 0-{generator.num_ws - 1} of w"
            )
        way, found = self._found(examples, rows)
        facts: dict[str, Any] = {"learned": way}
        if examples:
            facts["examples"] = len(examples)
        network = self.sampler.network
        facts |= {"network": os.path.basename(self.sampler.path), "sha256": network.sha256}
        return Directions(
            tuple(
                Direction(
                    checked_name(name),
                    vector,
                    self._spread(name, vector),
                    options.layers,
                    accuracy,
                )
                for name, vector, accuracy in found
            ),
            facts,
        )

    def _found(
        self, examples: Sequence[tuple[Floats, Mapping[str, Any]]], rows: Rows
    ) -> tuple[str, Found]:
        options, generator, labels = self.options, self.sampler.generator, self._labels
        if options.pca:
            of = options.samples or OF_PCA
            how = generator, labels, options.seed, self._count(options.pca), of
            if options.of:
                return f"pca of {options.of} pixels", numbered(
                    "pca", components_of_features(*how, options.of)
                )
            return "pca", numbered("pca", components_of_w(*how))
        if options.sefa:
            return "sefa", numbered("sefa", factors(generator, rows, self._count(options.sefa)))
        if options.mirror:
            of = options.samples or OF_MIRROR
            how_found = replace(PROJECTED, class_=options.class_, seed=options.seed)
            network = ProjectingNetwork(self.sampler.path, how_found)
            done = self._counter(of)
            count = self._count(options.mirror)
            return "mirror", numbered("mirror", mirrored(network, self.device, count, of, done))
        if examples:
            return self._of_examples(examples)
        return "tagger", list(self._taught(rows))

    def _of_examples(
        self, examples: Sequence[tuple[Floats, Mapping[str, Any]]]
    ) -> tuple[str, Found]:
        options = self.options
        wanted = options.wanted or [name_of(options.positive)]
        try:
            names, probabilities = probabilities_of([record for _, record in examples])
        except ItemError as why:
            raise FatalError(f"a record: {why}") from None
        w = np.array([w for w, _ in examples], np.float32)
        fitted = fit(w, probabilities, names, wanted)
        for name, (_, accuracy) in zip(wanted, fitted, strict=True):
            if accuracy is not None:
                self.note(f"{name}: accuracy {accuracy:.3f} on held-out examples (0.5 is chance)")
        way = "tags" if options.tags else "folders"
        return way, [(name, *one) for name, one in zip(wanted, fitted, strict=True)]

    def _taught(self, rows: Rows) -> Iterator[tuple[str, Floats, float | None]]:
        options, generator = self.options, self.sampler.generator
        psi = (options.psi or self.sampler.usual_psi)[0]
        done = self._counter(options.steps * len(options.wanted))
        for name in options.wanted:
            how = options.steps, options.seed, psi, done
            made = taught(generator, self._labels, self.device, name, rows, *how)
            length = float(np.linalg.norm(made.step))
            vector = made.step / np.float32(max(length, 1e-12))
            self.note(
                f"{name}={length / self._spread(name, vector):.2f}: {made.share:.0%} of"
                f" {MEASURED} samples have it, {made.before:.0%} did"
            )
            yield name, vector, None

    @cached_property
    def _space(self) -> Moments:
        """The network's own w."""
        generator, options = self.sampler.generator, self.options
        return moments(w_samples(generator, self._labels, options.seed, SPREAD_OF))

    def _spread(self, name: str, vector: Floats) -> float:
        spread = self._space.spread(vector)
        if not spread > 0:
            raise FatalError(f"{name}: the network's w do not differ along it")
        return spread

    @property
    def _labels(self) -> PossibleLabels | None:
        return self.sampler.labels()

    def _count(self, wanted: int) -> int:
        return min(wanted, self.sampler.generator.config.mapping.w_dim)

    def _counter(self, total: int) -> Callable[[int], None]:
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            self.tell(done, total)

        return count


def numbered(name: str, vectors: Sequence[Floats]) -> Found:
    """Vectors with names such as pca0."""
    return [(f"{name}{n}", vector, None) for n, vector in enumerate(vectors)]


def name_of(folder: str) -> str:
    """The name of a direction that is learned from a folder."""
    return os.path.basename(os.path.normpath(folder))
