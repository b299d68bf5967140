"""The classes of conditional networks, by number or name."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from animetools.errors import FatalError
from animetools.sampling.latents import Floats

TOLD = 12  # names that a message lists


def classes_of(facts: dict[str, Any], c_dim: int) -> tuple[str, ...]:
    """What a network's labels are called: as its file says under "labels", else 0, 1, 2."""
    names = facts.get("labels")
    if (
        isinstance(names, list)
        and len(names) == c_dim
        and all(isinstance(n, str) and n.isprintable() for n in names)
    ):
        return tuple(names)
    return tuple(map(str, range(c_dim)))


def words_of(facts: dict[str, Any], classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that a record names: its class, else its tags as far as they are `classes`.

    Tags are text, as sggen's --tags, or a list of names or of [name, category, probability].
    """
    named, tags = facts.get("class"), facts.get("tags")
    if type(named) in (str, int) and named != "":
        return (str(named),)
    if type(tags) is str and tags:
        return tuple(tags.split(","))
    listed = tags if type(tags) is list else []
    names = [tag[0] if type(tag) is list and tag else tag for tag in listed]
    return tuple(name for name in names if name in classes)


def labels_of(classes: Sequence[str], wanted: Sequence[str], option: str) -> Floats:
    """The labels [c_dim], 1 for each class that is wanted by name or number, else 0.

    Raises FatalError, naming the option, for a class that is none.
    """
    if not classes:
        raise FatalError(f"{option}: this network knows no classes")
    labels = np.zeros(len(classes), np.float32)
    for word in wanted:
        if word in classes:
            labels[classes.index(word)] = 1
        elif word.isascii() and word.isdecimal() and int(word[:9]) < len(classes):
            labels[int(word[:9])] = 1
        else:
            names = ", ".join(classes[:TOLD]) + ", ..." * (len(classes) > TOLD)
            raise FatalError(f"{option}: there is no class '{word}' among {names}")
    return labels
