"""dataset.json: facts about a dataset, and the labels of its images."""

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from animetools.dataset.members import SUMMARY
from animetools.dataset.parts import lines_of
from animetools.dataset.pictures import Labels, Reader
from animetools.errors import FatalError

LONGEST_SUMMARY = 1 << 28  # bytes: labels of some million images
MOST_CLASSES = 100_000  # and numbers of a label
LARGEST = 3e38  # number of a label, as float32 has them

Label = int | list[float]
Name = Callable[[int], str]


def summary_of(reader: Reader) -> dict[str, Any]:
    """The content of dataset.json; empty where there is none.

    Raises FatalError, which names the place, if it is not an object, or longer than
    LONGEST_SUMMARY.
    """
    return _summary(reader.lines(SUMMARY), f"{reader.path}: {SUMMARY}")


def labels_of(reader: Reader, name: Name | None = None, folder: str = "") -> Labels | None:
    """The labels of dataset.json, in the order of the images; None where it has none.

    They are class numbers [N] or vectors [N, D]. `name` gives the name that an image has there, if
    that is not the reader's; `folder` is the place of a dataset.json that readers share: it is read
    once for all.

    Raises FatalError if they are malformed or an image has none.
    """
    places, labels = _listed(reader, folder)
    if not places:
        return None
    try:
        found = [places[(name or reader.name)(index)] for index in range(len(reader))]
    except KeyError as why:
        raise FatalError(f"{reader.path}: {SUMMARY}: no label for {why}") from None
    return labels[found]


def label_names(reader: Reader) -> list[str]:
    """The names of classes, or of the numbers of a label, in dataset.json; empty where it has none.

    Raises FatalError if they are malformed.
    """
    names = summary_of(reader).get("label_names") or []
    if not isinstance(names, list) or not all(
        isinstance(name, str) and name.isprintable() for name in names
    ):
        raise FatalError(f"{reader.path}: {SUMMARY}: label_names: not a list of names")
    return names


def check_labels(labels: Labels, names: list[str], path: str) -> None:
    """Raise FatalError unless labels, one at least, are usable, and there are no names or enough."""
    size = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    if not 0 < size <= MOST_CLASSES or (labels.ndim == 1 and labels.min() < 0):
        raise FatalError(f"{path}: labels are of 1 to {MOST_CLASSES} classes or numbers")
    if not np.isfinite(labels).all():
        raise FatalError(f"{path}: a label is not finite")
    if 0 < len(names) < size or (labels.ndim == 2 and len(names) > size):
        found = f"{len(names)} names for labels of {size} classes or numbers"
        raise FatalError(f"{path}: {found}")


def labels_found(reader: Reader, name: Name | None = None, folder: str = "") -> str:
    """The kind of labels in dataset.json, and how many are missing or left over; empty if none.

    `name` and `folder` are those of `labels_of`.

    Raises FatalError if they are malformed.
    """
    places, labels = _listed(reader, folder)
    if not places:
        return ""
    if labels.ndim == 2:
        kind = f"of {labels.shape[1]} numbers"
    else:
        kind = f"for {len(np.unique(labels))} classes"
    with_label = sum((name or reader.name)(index) in places for index in range(len(reader)))
    odd = []
    if without := len(reader) - with_label:
        odd.append(f"images without one: {without}")
    if surplus := len(places) - with_label:
        odd.append(f"labels without an image: {surplus}")
    return f"labels {kind} in {SUMMARY}" + f" ({', '.join(odd)})" * bool(odd)


def parse_object(text: bytes, name: str, first_line: int = 1) -> dict[str, Any]:
    """The object in a JSON text, which begins in this line of the file `name`.

    Raises FatalError, which names the place, if it is malformed or not an object.
    """
    begin = f"{name}: line {first_line}" if first_line > 1 else name
    try:
        record = json.loads(text)
    except json.JSONDecodeError as why:
        place = f"line {first_line + why.lineno - 1}, column {why.colno}"
        raise FatalError(f"{name}: {place}: {why.msg}") from None
    except (ValueError, RecursionError) as why:
        reason = "nested too deeply" if isinstance(why, RecursionError) else why
        raise FatalError(f"{begin}: {reason}") from None
    if not isinstance(record, dict):
        raise FatalError(f"{begin}: not a JSON object")
    return record


def _summary(lines: Iterable[bytes], place: str) -> dict[str, Any]:
    text, room = [], LONGEST_SUMMARY
    for line in lines:
        text.append(line)
        room -= len(line)
        if room < 0:
            raise FatalError(f"{place}: longer than {LONGEST_SUMMARY >> 20} MiB")
    return parse_object(b"".join(text), place) if text else {}


def _listed(reader: Reader, folder: str) -> tuple[dict[str, int], Labels]:
    """The labels of dataset.json, and the place of each by the name of its image.

    An image may be missing in the dataset. The labels are all class numbers or all vectors of one
    length; there are none where it has none.

    Raises FatalError, which names the entry, if they are anything else.
    """
    if folder:
        return _listed_in(folder, reader.mtime)
    return _placed(summary_of(reader), f"{reader.path}: {SUMMARY}")


@lru_cache(1)
def _listed_in(folder: str, mtime: int) -> tuple[dict[str, int], Labels]:
    """The labels of the dataset.json in a folder, as it was at this time."""
    place = f"{folder}: {SUMMARY}"
    return _placed(_summary(lines_of(folder, SUMMARY), place), place)


def _placed(summary: dict[str, Any], place: str) -> tuple[dict[str, int], Labels]:
    """The labels in the content of dataset.json; see _listed."""
    found: dict[str, Label] = {}
    entries = summary.get("labels") or []
    if not isinstance(entries, list):
        raise FatalError(f"{place}: labels: not a list of [image, label]")
    first: Label | None = None
    for number, entry in enumerate(entries, 1):
        try:
            name, label = _parsed(entry)
            first = label if first is None else first
            if _length(label) != _length(first):
                raise ValueError("all labels are class numbers, or vectors of one length")
            if found.setdefault(name, label) != label:
                raise ValueError(f"another label for {name}")
        except ValueError as why:
            raise FatalError(f"{place}: labels, entry {number}: {why}") from None
    places, labels = {name: number for number, name in enumerate(found)}, list(found.values())
    if isinstance(first, list):
        return places, np.array(labels, np.float32)
    return places, np.array(labels, np.int64)


def _parsed(entry: Any) -> tuple[str, Label]:
    """The name and the label of an entry.

    Raises ValueError if it is malformed.
    """
    match entry:
        case [str(name), int(label)] if type(label) is int and 0 <= label < MOST_CLASSES:
            return name.replace("\\", "/"), label
        case [str(name), [_, *_] as label] if all(
            type(number) in (int, float) and abs(number) < LARGEST for number in label
        ):
            return name.replace("\\", "/"), label
    raise ValueError("not [image, class number] or [image, [number, ...]]")


def _length(label: Label) -> int:
    """Of a vector; -1 of a class number."""
    return len(label) if isinstance(label, list) else -1
