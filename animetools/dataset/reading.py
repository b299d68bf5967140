"""A finished dataset as training wants it: so many pictures of one size, and their labels."""

import json
import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animetools.dataset.folders import FolderFiles
from animetools.dataset.members import METADATA, SUMMARY
from animetools.dataset.zips import ZipFiles
from animetools.errors import FatalError, ItemError
from animetools.images.containers import MAX_PIXELS
from animetools.images.files import decode_rgb
from animetools.images.fit import Rgb

LONGEST_SUMMARY = 1 << 28  # bytes: labels of some million images
MOST_CLASSES = 100_000  # and numbers of a label
LARGEST = 3e38  # number of a label, as float32 has them

Label = int | list[float]


class Dataset:
    """The pictures of a StyleGAN2-ADA zip or folder, ours or any other.

    `dataset[i]` is uint8 [H, W, 3], the same H and W for all. Threads and processes may share it.

    Raises FatalError if it cannot be read or holds no picture.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.files = FolderFiles(path) if os.path.isdir(path) else ZipFiles(path)
        if not len(self.files):
            raise FatalError(f"{path}: holds no images")

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.files)

    def __getitem__(self, index: int) -> Rgb:
        """One picture.

        Raises ItemError if it is damaged or of another size than the first.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        width, height = self.size
        picture = self._decode(index, max_pixels=width * height)
        if picture.shape != (height, width, 3):
            raise self._fault(index, f"not {width}x{height} like the first image")
        return picture

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of every picture."""
        height, width = self._decode(0).shape[:2]
        return width, height

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What dataset.json says; empty where there is none."""
        return summary_of(self.files)

    @cached_property
    def labels(self) -> NDArray[np.int64] | NDArray[np.float32] | None:
        """The labels in the order of the pictures, as `labels_of` tells them."""
        return labels_of(self.files)

    def records(self) -> Iterator[dict[str, Any]]:
        """What metadata.jsonl says of each picture, in order, a line at a time."""
        for number, line in enumerate(self.files.lines(METADATA), 1):
            yield _json(self.files, line, METADATA, number)

    def _decode(self, index: int, max_pixels: int = MAX_PIXELS) -> Rgb:
        try:
            return decode_rgb(self.files.read(index), max_pixels=max_pixels)
        except ItemError as why:
            raise self._fault(index, str(why)) from None

    def _fault(self, index: int, reason: str) -> ItemError:
        return ItemError(f"{self.path}: {self.files.name(index)}: {reason}")


def summary_of(files: FolderFiles | ZipFiles) -> dict[str, Any]:
    """What dataset.json says; empty where there is none.

    Raises FatalError, which names the place, if it is no object, or longer than LONGEST_SUMMARY.
    """
    text, room = [], LONGEST_SUMMARY
    for line in files.lines(SUMMARY):
        text.append(line)
        room -= len(line)
        if room < 0:
            raise FatalError(f"{files.path}: {SUMMARY}: longer than {LONGEST_SUMMARY >> 20} MiB")
    return _json(files, b"".join(text), SUMMARY) if text else {}


def listed_labels(files: FolderFiles | ZipFiles) -> dict[str, Label]:
    """The labels of dataset.json by the names that it gives the images, which may not be there.

    They are all class numbers or all vectors of one length; empty where it has none.

    Raises FatalError, which names the entry, if they are anything else.
    """
    found: dict[str, Label] = {}
    entries = summary_of(files).get("labels") or []
    if not isinstance(entries, list):
        raise FatalError(f"{files.path}: {SUMMARY}: labels: not a list of [image, label]")
    first: Label | None = None
    for number, entry in enumerate(entries, 1):
        try:
            name, label = _labelled(entry)
            first = label if first is None else first
            if _length(label) != _length(first):
                raise ValueError("all labels are class numbers, or vectors of one length")
            if found.setdefault(name, label) != label:
                raise ValueError(f"another label for {name}")
        except ValueError as why:
            place = f"{files.path}: {SUMMARY}: labels, entry {number}"
            raise FatalError(f"{place}: {why}") from None
    return found


def labels_of(files: FolderFiles | ZipFiles) -> NDArray[np.int64] | NDArray[np.float32] | None:
    """The labels of dataset.json, in the order of the files; None where it has none.

    They are class numbers [N] or vectors [N, D].

    Raises FatalError if they are of both kinds or a picture has none.
    """
    listed = listed_labels(files)
    if not listed:
        return None
    try:
        found = [listed[files.name(index)] for index in range(len(files))]
    except KeyError as why:
        raise FatalError(f"{files.path}: {SUMMARY}: no label for {why}") from None
    if isinstance(found[0], int):
        return np.array(found, np.int64)
    return np.array(found, np.float32)


def _labelled(entry: Any) -> tuple[str, Label]:
    """The name and the label of an entry.

    Raises ValueError if it has none.
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


def _json(
    files: FolderFiles | ZipFiles, text: bytes, name: str, first_line: int = 1
) -> dict[str, Any]:
    """The object of a JSON text, which begins in this line of a file."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError as why:
        place = f"line {first_line + why.lineno - 1}, column {why.colno}"
        raise FatalError(f"{files.path}: {name}: {place}: {why.msg}") from None
    except (ValueError, RecursionError) as why:
        reason = "nested too deeply" if isinstance(why, RecursionError) else why
        raise FatalError(f"{files.path}: {name}: {reason}") from None
    if not isinstance(record, dict):
        raise FatalError(f"{files.path}: {name}: not a JSON object")
    return record
