"""From options and examples to a file of directions."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import torch

from animetools.editing.directions import Direction, Directions, checked_name
from animetools.editing.examples import probabilities_of
from animetools.editing.labelled import step_of_tag
from animetools.editing.linear import fit
from animetools.editing.moments import Moments, moments
from animetools.editing.options import LearningOptions
from animetools.editing.teaching import MEASURED, taught
from animetools.editing.unsupervised import (
    components_of_features,
    components_of_w,
    factors,
    mirrored,
    mirrored_by_encoder,
    w_samples,
)
from animetools.errors import FatalError, ItemError
from animetools.inversion.network import ProjectingNetwork
from animetools.inversion.options import ProjectionOptions
from animetools.options import given
from animetools.sampling.labels import PossibleLabels
from animetools.sampling.latents import Floats
from animetools.sampling.layers import Rows
from animetools.sampling.sampler import Sampler

SPREAD_OF = 10_000  # samples by which spreads are measured
OF_PCA, OF_MIRROR, OF_ENCODER = 100_000, 100, 1000  # samples, where no number is given
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
                return f"pca of {options.of} pixels", self._named(
                    "pca", components_of_features(*how, options.of)
                )
            return "pca", self._named("pca", components_of_w(*how))
        if options.sefa:
            return "sefa", self._named("sefa", factors(generator, rows, self._count(options.sefa)))
        if options.mirror:
            return "mirror", self._named("mirror", self._mirrored())
        if examples:
            return self._of_examples(examples)
        return self._of_tags(rows)

    def _mirrored(self) -> list[Floats]:
        options = self.options
        how = replace(PROJECTED, class_=options.class_, seed=options.seed)
        network = ProjectingNetwork(self.sampler.path, how)
        encoder = network.resolved().encoder()
        of = options.samples or (OF_ENCODER if encoder else OF_MIRROR)
        count, done = self._count(options.mirror), self._counter(of)
        if encoder:
            return mirrored_by_encoder(
                self.sampler.generator, encoder, network.labels(), options.seed, count, of, done
            )
        return mirrored(network, self.device, count, of, done)

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

    def _of_tags(self, rows: Rows) -> tuple[str, Found]:
        """The directions of tags without examples: by the network's own tags, or by the tagger."""
        options, network = self.options, self.sampler.network
        own = network.classes if network.takes_tags and options.teacher != "tagger" else ()
        labelled = [name for name in options.wanted if name in own]
        others = [name for name in options.wanted if name not in own]
        if options.teacher == "labels" and others:
            raise FatalError(f"--teacher labels: this network does not take {others[0]} as a tag")
        if not others and (useless := given(options, {"steps", "psi"})):
            raise FatalError(
                f"{useless[0]} is for --teacher tagger: this network takes {labelled[0]} as a tag"
            )
        found = {
            each[0]: each for each in chain(self._labelled(labelled), self._taught(others, rows))
        }
        way = " and ".join(["labels"] * bool(labelled) + ["tagger"] * bool(others))
        return way, [found[name] for name in options.wanted]

    def _labelled(self, names: Sequence[str]) -> Iterator[tuple[str, Floats, float | None]]:
        network, labels = self.sampler.network, self._labels
        mapping = network.generator.mapping
        for name in names:
            assert labels
            step = step_of_tag(mapping, labels, network.classes, name, self.options.seed)
            vector, length = unit(step)
            self.note(f"{name}={length / self._spread(name, vector):.2f} is what the tag does")
            yield name, vector, None

    def _taught(
        self, names: Sequence[str], rows: Rows
    ) -> Iterator[tuple[str, Floats, float | None]]:
        options, generator = self.options, self.sampler.generator
        psi = (options.psi or self.sampler.usual_psi)[0]
        done = self._counter(options.steps * len(names))
        for name in names:
            how = options.steps, options.seed, psi, done
            made = taught(generator, self._labels, self.device, name, rows, *how)
            vector, length = unit(made.step)
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

    def _named(self, way: str, vectors: Sequence[Floats]) -> Found:
        """Vectors with the chosen names, or such as pca0."""
        names = self.options.chosen_names or [f"{way}{n}" for n in range(len(vectors))]
        return [(name, vector, None) for name, vector in zip(names, vectors, strict=False)]

    def _count(self, wanted: int) -> int:
        return min(wanted, self.sampler.generator.config.mapping.w_dim)

    def _counter(self, total: int) -> Callable[[int], None]:
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            self.tell(done, total)

        return count


def unit(step: Floats) -> tuple[Floats, float]:
    """The unit vector [w_dim] of a step, and its length."""
    length = float(np.linalg.norm(step))
    return step / np.float32(max(length, 1e-12)), length


def name_of(folder: str) -> str:
    """The name of a direction that is learned from a folder."""
    return os.path.basename(os.path.normpath(folder))
