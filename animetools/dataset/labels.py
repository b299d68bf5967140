"""dataset.json: facts about a dataset, and the labels of its images."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from animetools.dataset.members import SUMMARY
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
    text, room = [], LONGEST_SUMMARY
    for line in reader.lines(SUMMARY):
        text.append(line)
        room -= len(line)
        if room < 0:
            raise FatalError(f"{reader.path}: {SUMMARY}: longer than {LONGEST_SUMMARY >> 20} MiB")
    return parse_object(b"".join(text), f"{reader.path}: {SUMMARY}") if text else {}


def labels_of(reader: Reader, name: Name | None = None) -> Labels | None:
    """The labels of dataset.json, in the order of the images; None where it has none.

    They are class numbers [N] or vectors [N, D]. `name` gives the name that an image has there, if
    that is not the reader's.

    Raises FatalError if they are malformed or an image has none.
    """
    listed = _listed(reader)
    if not listed:
        return None
    try:
        found = [listed[(name or reader.name)(index)] for index in range(len(reader))]
    except KeyError as why:
        raise FatalError(f"{reader.path}: {SUMMARY}: no label for {why}") from None
    if isinstance(found[0], int):
        return np.array(found, np.int64)
    return np.array(found, np.float32)


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


def labels_found(reader: Reader, name: Name | None = None) -> str:
    """The kind of labels in dataset.json, and how many are missing or left over; empty if none.

    `name` is that of `labels_of`.

    Raises FatalError if they are malformed.
    """
    listed = _listed(reader)
    if not listed:
        return ""
    first = next(iter(listed.values()))
    if isinstance(first, list):
        kind = f"of {len(first)} numbers"
    else:
        kind = f"for {len({label for label in listed.values() if isinstance(label, int)})} classes"
    with_label = sum((name or reader.name)(index) in listed for index in range(len(reader)))
    odd = []
    if without := len(reader) - with_label:
        odd.append(f"images without one: {without}")
    if surplus := len(listed) - with_label:
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


def _listed(reader: Reader) -> dict[str, Label]:
    """The labels of dataset.json by the names of images, which may be missing in the dataset.

    They are all class numbers or all vectors of one length; empty where it has none.

    Raises FatalError, which names the entry, if they are anything else.
    """
    found: dict[str, Label] = {}
    entries = summary_of(reader).get("labels") or []
    if not isinstance(entries, list):
        raise FatalError(f"{reader.path}: {SUMMARY}: labels: not a list of [image, label]")
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
            place = f"{reader.path}: {SUMMARY}: labels, entry {number}"
            raise FatalError(f"{place}: {why}") from None
    return found


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
