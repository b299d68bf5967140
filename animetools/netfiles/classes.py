"""The classes of a conditional network, by number or by the names in its file."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError
from animetools.tags import Tag

LISTED = 12  # names in a message
CLOSE = 4  # of those that an unknown one resembles
MOST_EXAMPLES = 10_000

LABEL_FACTS = ("labels", "tags", "examples")  # of a file, which say what its labels are

Lists = tuple[tuple[int, ...], ...]


def classes_of(facts: dict[str, Any], c_dim: int) -> tuple[str, ...]:
    """The names of a network's labels: those in its file's facts, else 0, 1, 2."""
    names = names_of(facts)
    return names if len(names) == c_dim else tuple(map(str, range(c_dim)))


def names_of(facts: dict[str, Any]) -> tuple[str, ...]:
    """The names under "labels" in a file's facts; empty where there are none."""
    names = facts.get("labels")
    if isinstance(names, list) and all(isinstance(n, str) and n.isprintable() for n in names):
        return tuple(names)
    return ()


def takes_tags(facts: dict[str, Any]) -> bool:
    """Whether the labels of a network are lists of tags, also empty ones; else each is one class."""
    return facts.get("tags") is True


def examples_of(facts: dict[str, Any], c_dim: int) -> Lists | None:
    """The tags of some images that a network learned from, lists of numbers below `c_dim`.

    No tags alone where its file has none of them, and None for a network of classes.
    """
    if not takes_tags(facts):
        return None
    lists = facts.get("examples")
    if not isinstance(lists, list) or not 0 < len(lists) <= MOST_EXAMPLES:
        return ((),)
    numbers = range(c_dim)
    if all(
        isinstance(each, list) and all(type(n) is int and n in numbers for n in each)
        for each in lists
    ):
        return tuple(map(tuple, lists))
    return ((),)


def lists_of(class_: str, tags: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The lists of words that --class or several --tags give."""
    return (
        ((class_,),) if class_ else tuple(tuple(text.split(",") if text else ()) for text in tags)
    )


def mean_labels(classes: Sequence[str], lists: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """The mean of the labels of several lists of words, which lies between them, [c_dim].

    Raises ItemError as `asked`.
    """
    labels = np.zeros(len(classes), np.float32)
    for number, weight in asked(classes, lists).items():
        labels[number] = weight
    return labels


def labels_of(classes: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float32]:
    """The labels [c_dim] of one list of words, 0 for all others. Raises ItemError as `asked`."""
    return mean_labels(classes, [wanted])


def asked(classes: Sequence[str], lists: Sequence[Sequence[str]]) -> dict[int, float]:
    """What lists of words ask for: the number of each class, and its weight, 0 to 1.

    A word is the name or number of a class, whose weight is 1. That of smile:0.5 is 0.5, that of
    -smile 0. Of several lists it is the mean.

    Raises ItemError for a class that the network does not have, and for another weight.
    """
    if not classes:
        raise ItemError("this network has no classes or tags; sgtrain --cond trains one that has")
    each = [dict(_weighted(classes, word) for word in words) for words in lists]
    numbers = sorted({number for weights in each for number in weights})
    return {n: sum(weights.get(n, 0) for weights in each) / len(each) for n in numbers}


def completed(examples: Lists, wanted: Mapping[int, float]) -> Lists:
    """The examples that have all wanted tags, and none of those whose weight is 0.

    Where no example is right in all of them, those that are in the most, made right: without the tags
    that are rarer beside one of those wanted than elsewhere, such as a second hair color. A network
    hardly draws what it never saw together if all else speaks against it.
    """
    having = {number for number, weight in wanted.items() if weight}
    lacking = wanted.keys() - having
    every = [frozenset(example) for example in examples]
    right = [len(having & tags) + len(lacking - tags) for tags in every]
    most = max(right)
    best = [tags for tags, count in zip(every, right, strict=True) if count == most]
    if most < len(wanted):
        counts = Counter(chain(*every))
        likely = frozenset.intersection(*(_likely(every, counts, n, n in having) for n in wanted))
        best = [(tags & likely | having) - lacking for tags in best]
    return tuple(tuple(sorted(tags)) for tags in best)


def _likely(
    examples: Sequence[frozenset[int]], counts: Mapping[int, int], number: int, has: bool
) -> frozenset[int]:
    """The tags whose share of examples that have a tag, or have it not, is not below that of all.

    `counts` are those of all examples. Where all have it, all others may be there without it too.
    """
    those = [tags for tags in examples if (number in tags) == has]
    if not (those or has):
        return frozenset(counts)
    beside = Counter(chain(*those))
    return frozenset(n for n in beside if beside[n] * len(examples) >= counts[n] * len(those))


_NUMBER = re.compile(r"\d{1,3}(\.\d{1,9})?|\.\d{1,9}", re.ASCII).fullmatch


def labels_in_record(classes: Sequence[str], labels: NDArray[np.float32]) -> dict[str, Any]:
    """Labels [c_dim] as the tags of a record; where some are not 0 or 1, also with their numbers."""
    found = np.flatnonzero(labels).tolist()
    numbers = {classes[number]: round(float(labels[number]), 6) for number in found}
    tags = {"tags": [Tag(name) for name in numbers]}
    return tags if set(numbers.values()) <= {1} else tags | {"labels": numbers}


def _weighted(classes: Sequence[str], word: str) -> tuple[int, float]:
    """The class of a word, and its weight."""
    if word in classes:
        return classes.index(word), 1
    name, colon, weight = word.rpartition(":")
    has_weight = bool(colon and _NUMBER(weight))
    if word.startswith("-") and not (has_weight and name in classes):
        return _number(classes, word[1:]), 0
    if not has_weight:
        return _number(classes, word), 1
    if float(weight) > 1:
        raise ItemError(f"'{word}': the number behind a class is from 0 to 1")
    return _number(classes, name), float(weight)


def _number(classes: Sequence[str], word: str) -> int:
    if word in classes:
        return classes.index(word)
    if word.isascii() and word.isdecimal() and int(word[:9]) < len(classes):
        return int(word[:9])
    if len(classes) > LISTED and (close := get_close_matches(word, classes, CLOSE)):
        raise ItemError(f"there is no class '{word}'; similar ones are {', '.join(close)}")
    names = ", ".join(classes[:LISTED]) + ", ..." * (len(classes) > LISTED)
    raise ItemError(f"there is no class '{word}' among {names}")


def classes_in_record(facts: dict[str, Any], classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that a record names: its class, its labels, or those of its tags that are `classes`.

    Tags are a list of [name, category, probability] or of names, or text as older versions wrote. A
    tagger's probability does not count: networks learn that a tag is there, or not.
    """
    named, tags, labels = facts.get("class"), facts.get("tags"), facts.get("labels")
    if type(named) in (str, int) and named != "":
        return (str(named),)
    if type(labels) is dict:
        return tuple(
            f"{name}:{number:.6f}"
            for name, number in labels.items()
            if type(number) in (int, float)
        )
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
