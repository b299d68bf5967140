"""Labels for the images of a dataset: from their tags, or the folders that they come from."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import starmap
from typing import Any

from animetools.dataset.labels import LONGEST_SUMMARY, MOST_CLASSES, Label, label_names
from animetools.dataset.pictures import Reader
from animetools.errors import FatalError
from animetools.tags import Tag, content_of

ENTRY_BYTES = 30  # of an image in dataset.json, besides its label
TAG_BYTES, KEPT_BYTES = 2, 4  # of a number in a vector there, about: 0 or 1, or any, mostly 0.0

Facts = dict[str, Any]
Lines = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Counts:
    """What the labels of some images are: how many images have each name, and their kind."""

    words: Counter[str]
    are_classes: bool  # or else vectors
    width: int = 0  # of vectors without names


@dataclass(frozen=True)
class Labelling:
    """How images get labels.

    With `classes`, tags, each image is of the first class that it has; with `by_folder` of that of
    its folder. With `kept` it has the fact `label`, which it had in another dataset: the name of a
    class, or {name: number}; without names a class number or a vector. Otherwise its label is a
    vector of 1 for each tag that it has and 0 for the others: of these `tags`, or of all that are in
    `least` images or more.

    The names `before` come first, in this order, whether an image has them or not.
    """

    classes: tuple[str, ...] = ()
    by_folder: bool = False
    tags: tuple[str, ...] = ()
    least: int = 1
    kept: bool = False
    before: tuple[str, ...] = ()

    @property
    def needs_tags(self) -> bool:
        """Whether labels are made of tags."""
        return not self.by_folder and not self.kept

    def words(self, facts: Facts) -> list[str]:
        """The names that the label of an image is made of: tags, or one class if it has any.

        The tags of these facts are known to be well-formed.
        """
        if self.by_folder:
            return [os.path.basename(os.path.dirname(os.path.abspath(facts["path"])))]
        if self.kept:
            label = facts.get("label")
            if isinstance(label, dict):
                return list(label)
            return [label] if isinstance(label, str) else []
        if self.classes:
            has = {name for name, *_ in facts["tags"]}
            return [name for name in self.classes if name in has][:1]
        return list(dict.fromkeys(tag.name for tag in content_of(starmap(Tag, facts["tags"]))))

    def count(self, records: Iterable[Facts]) -> Counts:
        """How many images have each name, and what kind of labels.

        Raises FatalError if their labels are of several kinds.
        """
        counts: Counter[str] = Counter()
        kinds = set[tuple[type, int]]()
        for facts in records:
            label = facts.get("label") if self.kept else None
            kinds.add((type(label), len(label) if isinstance(label, list) else 0))
            if len(kinds) > 1:
                raise FatalError(
                    "labels of several kinds cannot be in one dataset: class numbers and vectors, of"
                    " one length each, with names or without"
                )
            counts.update(self.words(facts))
        kind, width = next(iter(kinds), (type(None), 0))
        are_classes = (
            issubclass(kind, int | str) if self.kept else bool(self.classes or self.by_folder)
        )
        return Counts(counts, are_classes, width)

    def names(self, counted: Counts, images: int, *, apart: bool = False) -> list[str]:
        """The names of the classes or of the numbers in a vector, in order.

        Raises FatalError if there are none, or too many to be read again: from dataset.json, unless
        labels are `apart`.
        """
        counts = counted.words
        if self.classes:
            return list(self.classes)
        if self.by_folder or self.kept:
            names = sorted(counts)
        elif self.tags:
            names = list(self.tags)
        else:
            names = [name for name in counts if counts[name] >= self.least]
            names.sort(key=lambda name: (-counts[name], name))
        names = list(dict.fromkeys((*self.before, *names)))
        if not names and not self.kept:
            if not counts:
                raise FatalError("no image has a tag to make labels of")
            raise FatalError(f"no tag is in {self.least} images or more: lower --min-count")
        width = max(len(names), counted.width)
        each = 0 if counted.are_classes else KEPT_BYTES if self.kept else TAG_BYTES
        length = 0 if apart else images * (ENTRY_BYTES + each * width)
        if width > MOST_CLASSES or length > LONGEST_SUMMARY:
            what = "tags: raise --min-count" if self.needs_tags else "folders"
            if self.kept:
                what = "names" if counted.are_classes else "numbers: --format tfrecords takes more"
            raise FatalError(f"labels of {images} images cannot have {width} {what}")
        return names

    def label(self, facts: Facts, numbers: dict[str, int]) -> Label:
        """The label of an image, where each name has this number."""
        label = facts["label"] if self.kept else None
        if isinstance(label, int | list):
            return label
        words = self.words(facts)
        if self.classes or self.by_folder or isinstance(label, str):
            return numbers[words[0]]
        vector: list[float] = [0] * len(numbers)
        for word, value in (label or dict.fromkeys(words, 1)).items():
            if word in numbers:
                vector[numbers[word]] = value
        return vector

    def entries(self, names: list[str], lines: Lines) -> Iterator[tuple[str, Label]]:
        """The name and the label of each image, of the lines of its metadata."""
        numbers = {name: number for number, name in enumerate(names)}
        for line in lines():
            facts = json.loads(line)
            yield facts["file_name"], self.label(facts, numbers)


def summary_lines(
    facts: Facts, lines: Lines, names: list[str], how: Labelling | None
) -> Iterator[bytes]:
    """dataset.json: facts about the dataset, and the labels in the form of StyleGAN2-ADA."""
    if how is None:
        yield _dumped(facts | {"labels": None})
        return
    yield _dumped(facts | {"label_names": names})[:-1] + b',"labels":['
    comma = b"\n"
    for entry in how.entries(names, lines):
        yield comma + _dumped(entry)
        comma = b",\n"
    yield b"\n]}"


def with_names_of(grown: Reader, how: Labelling | None) -> Labelling | None:
    """How images get labels that are added to a dataset: its names keep their numbers.

    Raises FatalError if it has labels and they do not, or the other way round.
    """
    if grown.labels_found() and not how:
        raise FatalError(
            f"{grown.path} has labels: what is added needs some too: of a dataset, or by the options"
            " that it was made with"
        )
    if how and not grown.labels_found():
        raise FatalError(f"{grown.path} has no labels, and what is to be added has")
    return replace(how, before=(*label_names(grown), *how.before)) if how else None


def _dumped(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
