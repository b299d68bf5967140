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
        for line in self.files.lines(METADATA):
            yield _json(self.files, line, METADATA)

    def _decode(self, index: int, max_pixels: int = MAX_PIXELS) -> Rgb:
        try:
            return decode_rgb(self.files.read(index), max_pixels=max_pixels)
        except ItemError as why:
            raise self._fault(index, str(why)) from None

    def _fault(self, index: int, reason: str) -> ItemError:
        return ItemError(f"{self.path}: {self.files.name(index)}: {reason}")


def summary_of(files: FolderFiles | ZipFiles) -> dict[str, Any]:
    """What dataset.json says; empty where there is none.

    Raises FatalError if it is no object.
    """
    return _json(files, b"".join(files.lines(SUMMARY)) or b"{}", SUMMARY)


def labels_of(files: FolderFiles | ZipFiles) -> NDArray[np.int64] | NDArray[np.float32] | None:
    """The labels of dataset.json, in the order of the files; None where it has none.

    They are class numbers [N] or vectors [N, D].

    Raises FatalError if they are of both kinds or a picture has none.
    """
    listed = summary_of(files).get("labels")
    if not listed:
        return None
    try:
        of = {name.replace("\\", "/"): label for name, label in listed}
        found = [of[files.name(index)] for index in range(len(files))]
        if all(type(label) is int for label in found):
            return np.array(found, np.int64)
        labels = np.array(found, np.float32)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as why:
        raise FatalError(f"{files.path}: {SUMMARY}: not a label for every image: {why}") from None
    if labels.ndim != 2:
        raise FatalError(f"{files.path}: {SUMMARY}: labels are numbers or vectors, not both")
    return labels


def _json(files: FolderFiles | ZipFiles, text: bytes, name: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise FatalError(f"{files.path}: {name}: not JSON objects")
    return record
