"""The classes of a conditional network, by number or by the names in its file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError

LISTED = 12  # names in a message


def classes_of(facts: dict[str, Any], c_dim: int) -> tuple[str, ...]:
    """The names of a network's labels: those in its file's facts under "labels", else 0, 1, 2."""
    names = facts.get("labels")
    if (
        isinstance(names, list)
        and len(names) == c_dim
        and all(isinstance(n, str) and n.isprintable() for n in names)
    ):
        return tuple(names)
    return tuple(map(str, range(c_dim)))


def labels_of(classes: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float32]:
    """The labels [c_dim]: 1 for each class that is wanted, by name or number, else 0.

    Raises ItemError for a class that the network does not have.
    """
    if not classes:
        raise ItemError("this network has no classes")
    labels = np.zeros(len(classes), np.float32)
    for word in wanted:
        labels[_number(classes, word)] = 1
    return labels


def names_of(classes: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The names of classes that are given by name or number.

    Raises ItemError as `labels_of`.
    """
    return [classes[_number(classes, word)] for word in wanted]


def _number(classes: Sequence[str], word: str) -> int:
    if word in classes:
        return classes.index(word)
    if word.isascii() and word.isdecimal() and int(word[:9]) < len(classes):
        return int(word[:9])
    names = ", ".join(classes[:LISTED]) + ", ..." * (len(classes) > LISTED)
    raise ItemError(f"there is no class '{word}' among {names}")


def classes_in_record(facts: dict[str, Any], classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that a record names: its class, else those of its tags that are `classes`.

    Tags are a list of [name, category, probability] or of names, or text as older versions wrote.
    """
    named, tags = facts.get("class"), facts.get("tags")
    if type(named) in (str, int) and named != "":
        return (str(named),)
    if type(tags) is str and tags:
        return tuple(tags.split(","))
    listed = tags if type(tags) is list else []
    names = [tag[0] if type(tag) is list and tag else tag for tag in listed]
    return tuple(name for name in names if name in classes)


def labels_of_record(classes: Sequence[str], words: Sequence[str]) -> NDArray[np.float32]:
    """The labels [c_dim] of the `words` by which a record names classes.

    Raises ItemError for a class that the network does not have.
    """
    try:
        return labels_of(classes, words)
    except ItemError as why:
        raise ItemError(f"its record: {why}") from None
