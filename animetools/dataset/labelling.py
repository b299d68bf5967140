"""Labels for the images of a dataset: from their tags, or the folders that they come from."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import starmap
from typing import Any

from animetools.dataset.labels import LONGEST_SUMMARY, MOST_CLASSES, Label
from animetools.errors import FatalError
from animetools.tags import Tag, content_of

ENTRY_BYTES = 30  # of an image in dataset.json, besides its label

Facts = dict[str, Any]
Lines = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Labelling:
    """How images get labels.

    With `classes`, tags, each image is of the first class that it has; with `by_folder` of that of
    its folder. Otherwise its label is a vector of 1 for each tag that it has and 0 for the others:
    of these `tags`, or of all that are in `least` images or more.
    """

    classes: tuple[str, ...] = ()
    by_folder: bool = False
    tags: tuple[str, ...] = ()
    least: int = 1

    @property
    def needs_tags(self) -> bool:
        """Whether labels are made of tags."""
        return not self.by_folder

    def words(self, facts: Facts) -> list[str]:
        """The names that the label of an image is made of: tags, or one class if it has any.

        The tags of these facts are known to be well-formed.
        """
        if self.by_folder:
            return [os.path.basename(os.path.dirname(os.path.abspath(facts["path"])))]
        if self.classes:
            has = {name for name, *_ in facts["tags"]}
            return [name for name in self.classes if name in has][:1]
        return list(dict.fromkeys(tag.name for tag in content_of(starmap(Tag, facts["tags"]))))

    def count(self, records: Iterable[Facts]) -> Counter[str]:
        """How many images have each name."""
        return Counter(word for facts in records for word in self.words(facts))

    def names(self, counts: Counter[str], images: int) -> list[str]:
        """The names of the classes or of the numbers in a vector, in order.

        Raises FatalError if there are none, or too many to be read again.
        """
        if self.classes:
            return list(self.classes)
        if self.by_folder:
            names = sorted(counts)
        elif self.tags:
            names = list(self.tags)
        else:
            names = [name for name in counts if counts[name] >= self.least]
            names.sort(key=lambda name: (-counts[name], name))
        if not names:
            if not counts:
                raise FatalError("no image has a tag to make labels of")
            raise FatalError(f"no tag is in {self.least} images or more: lower --min-count")
        length = images * (ENTRY_BYTES + (0 if self.by_folder else 2 * len(names)))
        if len(names) > MOST_CLASSES or length > LONGEST_SUMMARY:
            what = "folders" if self.by_folder else "tags: raise --min-count"
            raise FatalError(f"labels of {images} images cannot have {len(names)} {what}")
        return names

    def entries(self, lines: Lines, names: list[str]) -> Iterator[tuple[str, Label]]:
        """The name and the label of each image, of the lines of its metadata."""
        numbers = {name: number for number, name in enumerate(names)}
        for line in lines():
            facts = json.loads(line)
            found = [numbers[word] for word in self.words(facts) if word in numbers]
            if self.classes or self.by_folder:
                yield facts["file_name"], found[0]
            else:
                vector: list[float] = [0] * len(names)
                for number in found:
                    vector[number] = 1
                yield facts["file_name"], vector


def summary_lines(
    facts: Facts, lines: Lines, images: int, how: Labelling | None
) -> Iterator[bytes]:
    """dataset.json: facts about the dataset, and the labels in the form of StyleGAN2-ADA."""
    if how is None:
        yield _dumped(facts | {"labels": None})
        return
    names = how.names(how.count(map(json.loads, lines())), images)
    yield _dumped(facts | {"label_names": names})[:-1] + b',"labels":['
    comma = b"\n"
    for entry in how.entries(lines, names):
        yield comma + _dumped(entry)
        comma = b",\n"
    yield b"\n]}"


def _dumped(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
