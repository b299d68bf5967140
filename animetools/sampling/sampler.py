"""A network file, and how pictures are drawn with it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Literal, Self

import torch

from animetools.download import sha256_of
from animetools.errors import ItemError
from animetools.netfiles import checkpoints
from animetools.netfiles.classes import (
    Lists,
    classes_in_record,
    classes_of,
    examples_of,
    labels_in_record,
    labels_of_record,
)
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.devices import DTYPES
from animetools.networks.families import kind_of
from animetools.networks.generator import Generator
from animetools.networks.stylegan3.transform import transform_of
from animetools.options import given
from animetools.sampling import latent_files
from animetools.sampling.labels import PossibleLabels
from animetools.sampling.latents import (
    Floats,
    Latent,
    Picture,
    SynthesisInput,
    synthesis_input,
)
from animetools.sampling.options import SamplingOptions
from animetools.sampling.render import Renderer
from animetools.sampling.seeds import Psis, Seeds, compact


@dataclass(frozen=True)
class OpenNetwork:
    """The generator of a network file. `classes` are the names of its labels, or their numbers.

    With `takes_tags` a label is a list of them; `examples` are such lists.
    """

    path: str
    generator: Generator
    classes: tuple[str, ...]
    examples: Lists | None
    sha256: str

    @property
    def takes_tags(self) -> bool:
        """Whether a label is a list of tags; else it is one class."""
        return self.examples is not None

    def labels(
        self, class_: str = "", tags: Sequence[str] = (), *, exact: bool = False
    ) -> PossibleLabels | None:
        """The labels of pictures. As `PossibleLabels.of_network`; `exact` completes no tags."""
        examples = None if exact and tags else self.examples
        return PossibleLabels.of_network(self.classes, examples, class_, tags)

    @property
    def file(self) -> NetworkFile:
        """All that is in the file, read again: samplers do not keep other networks in memory."""
        return checkpoints.read(self.path)


@lru_cache(2)  # not all: of a long run's snapshots each is opened in turn
def open_network(path: str) -> OpenNetwork:
    """The generator of a network file, and what belongs to it; the last two stay open.

    Raises OSError, and ItemError for a file that is damaged or has no generator.
    """
    file = checkpoints.read(path)
    generator = file.generator.build()
    assert isinstance(generator, Generator)
    c_dim = generator.config.mapping.c_dim
    classes, examples = classes_of(file.facts, c_dim), examples_of(file.facts, c_dim)
    return OpenNetwork(path, generator, classes, examples, sha256_of(path))


@dataclass(frozen=True)
class Sampler:
    """How pictures are drawn with a network file; it survives pickling, without the network.

    A CPU draws `batch` pictures at once, with so many `cores`; see `Renderer`.
    """

    path: str
    options: SamplingOptions
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    batch: int = 0
    cores: int = 1
    expected: int | None = None

    def opened(self) -> Self:
        """The same with the network's own cutoff where none is given.

        Raises OSError and ItemError as `open_network`, and ItemError for an unknown class, and for a
        transform that the network does not take.
        """
        self.labels()
        if moved := given(self.options, {"translate", "rotate"}):
            self.must_move(moved[0])
        if self.options.cutoff is not None:
            return self
        cutoff = self.generator.config.truncation.cutoff
        return replace(self, options=replace(self.options, cutoff=cutoff))

    def must_move(self, what: str) -> None:
        """Raise ItemError if the network does not move its images, which `what` asks for."""
        if not self.generator.moves:
            family = kind_of(self.generator.config).family
            raise ItemError(f"{what} is for StyleGAN 3, and this is a {family}")

    @property
    def network(self) -> OpenNetwork:
        """What the network file holds."""
        return open_network(self.path)

    @property
    def generator(self) -> Generator:
        """The generator, on the CPU."""
        return self.network.generator

    def renderer(self, device: torch.device) -> Renderer:
        """The generator's synthesis on a device; once in a process."""
        return _renderer(self, device)

    def new_renderer(self, device: torch.device) -> Renderer:
        """The same, for the caller to close."""
        return Renderer(
            self.generator,
            device,
            DTYPES[self.dtype],
            batch=self.batch,
            cores=self.cores,
            expected=self.expected,
        )

    def labels(self) -> PossibleLabels | None:
        """The labels of pictures; None for a network without classes.

        Raises ItemError for an unknown class.
        """
        return _labels(self.path, self.options.class_, self.options.tags)

    @property
    def has_labels(self) -> bool:
        """Whether classes are asked of all pictures."""
        return bool(self.options.class_ or self.options.tags)

    def of_seed(self, seed: int, record: dict[str, Any]) -> Latent:
        """The latent of a seed, with the class that a record names where none is asked of all.

        The record of a sheet has the query that each of its seeds completes.

        Raises ItemError for an unknown class.
        """
        names, given = self.network.classes, record.get("query")
        query = (
            given if isinstance(given, list) and all(type(each) is str for each in given) else []
        )
        if not names or self.has_labels:
            return Latent(seed)
        if query:
            found = labels_in_record(names, self._completed(seed, query))
            record = found | {"tags": [tag.name for tag in found["tags"]]}
        words = classes_in_record(record, names)
        if words == self._usual_words(Latent(seed)):
            return Latent(seed)
        if not words and (query or self.network.takes_tags) and record.get("tags") == []:
            words = (f"{names[0]}:0",)  # no tags, where the usual ones are those of an image
        labels_of_record(names, words)
        return Latent(seed, classes=words)

    def of_seeds(self, text: str, record: dict[str, Any]) -> Iterator[Latent]:
        """The latents of seeds, as `Seeds.parse` reads them.

        Raises ValueError for malformed seeds, and ItemError as `of_seed`.
        """
        for seed in Seeds.parse(text):
            yield self.of_seed(seed, record)

    def of_file(self, path: str) -> Iterator[Latent]:
        """The latents of a file.

        Raises as `latent_files.read`, and ItemError where z would be drawn again.
        """
        found = latent_files.read(path, self.generator, self.options.latents)
        if self.options.truncate == "z":
            raise ItemError(
                "only z of a seed can be truncated: latents in files are not drawn again"
            )
        return iter(found)

    @property
    def usual_psi(self) -> Psis:
        """The network's own psi."""
        return Psis([self.generator.config.truncation.psi])

    def psis(self, latent: Latent, psis: Psis | None) -> Psis:
        """At which psi a latent is drawn; if none are given w is not truncated."""
        return psis or (Psis([1.0]) if latent.kind == "w" else self.usual_psi)

    def label(self, latent: Latent) -> Floats | None:
        """The labels [c_dim] of one picture; None for a network without classes."""
        if latent.classes:
            return labels_of_record(self.network.classes, latent.classes)
        options = self.options
        labels = _labels(self.path, options.class_, options.tags, exact=latent.in_file)
        return None if labels is None else labels.of([latent])[0]

    def input(self, picture: Picture) -> SynthesisInput:
        """What the synthesis takes for a picture.

        Raises ItemError as `synthesis_input`.
        """
        options, labels = self.options, self.label(picture.latent)
        made = synthesis_input(self.generator, picture.latent, picture.psi, options, labels)
        if options.translate is None and options.rotate is None:
            return made
        x, y = options.translate or (0, 0)
        moved = transform_of(x, y, options.rotate or 0)
        return replace(made, transform=moved[None])

    def facts(self, pictures: Sequence[Picture]) -> dict[str, Any]:
        """Where a picture, or a sheet of them, comes from: enough to draw it again."""
        facts: dict[str, Any] = {}
        seeds = [p.latent.seed for p in pictures if p.latent.seed is not None]
        psis = list(dict.fromkeys(picture.psi for picture in pictures))
        if len(pictures) > 1:
            facts["pictures"] = len(pictures)
        if seeds:
            facts |= {"seed": seeds[0]} if len(pictures) == 1 else {"seeds": compact(seeds)}
        facts["psi"] = psis[0] if len(psis) == 1 else psis
        latent, names = pictures[0].latent, self.network.classes
        if names and not self.has_labels and latent.kind == "z" and len(pictures) == 1:
            words = latent.classes or self._usual_words(latent)
            if len(words) == 1 and words[0] in names and not self.network.takes_tags:
                facts["class"] = words[0]
            else:
                facts |= labels_in_record(names, labels_of_record(names, words))
        options = self.options
        facts |= {"class": options.class_} if options.class_ else {}
        if options.tags and len(pictures) > 1:
            facts["query"] = [*options.tags]
        elif options.tags and (chosen := self.label(latent)) is not None:
            facts |= labels_in_record(names, chosen)
        if options.truncate == "z":
            facts["truncate"] = "z"
        elif options.cutoff is not None:
            facts["cutoff"] = options.cutoff
        facts |= {"translate": [*options.translate]} if options.translate else {}
        facts |= {"rotate": options.rotate} if options.rotate is not None else {}
        facts |= {"noise": options.noise, "dtype": self.dtype}
        return facts | {"network": os.path.basename(self.path), "sha256": self.network.sha256}

    def _completed(self, seed: int, query: Sequence[str]) -> Floats:
        """The labels [c_dim] of a seed for what a record asks for."""
        try:
            labels = _labels(self.path, "", tuple(query))
        except ItemError as why:
            raise ItemError(f"its record: {why}") from None
        assert labels
        made: Floats = labels.of([Latent(seed)])[0]
        return made

    def _usual_words(self, latent: Latent) -> tuple[str, ...]:
        """The classes of a latent where nobody chose any."""
        labels = self.network.labels()
        assert labels
        numbers = labels.words(latent.random_class(labels.count))
        return tuple(self.network.classes[number] for number in numbers)


@lru_cache(8)
def _labels(
    path: str, class_: str, tags: tuple[str, ...], exact: bool = False
) -> PossibleLabels | None:
    return open_network(path).labels(class_, tags, exact=exact)


@cache
def _renderer(sampler: Sampler, device: torch.device) -> Renderer:
    return sampler.new_renderer(device)
