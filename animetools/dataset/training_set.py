"""What a network is trained on: images of one shape and their labels, in any format."""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.dataset.formats import reader
from animetools.dataset.identity import Identity
from animetools.dataset.labels import check_labels, label_names
from animetools.dataset.members import Shape
from animetools.dataset.pictures import Labels, Pixels
from animetools.errors import FatalError, ItemError

MOST_MEASURED = 20_000  # images whose headers are read on opening: some seconds
EXAMPLES = 1000  # images whose tags a network's file has
EXAMPLE_TAGS = 1 << 16  # of all of them, about: a file with too many facts would not be read again
THREADS = 16  # that read headers, and mostly wait for a disk


class Images:
    """The images of a dataset, or `limit` of them, and their mirror images.

    The path is a folder of images (of any depth, in the order of their names), a StyleGAN2-ADA zip
    or a folder like it, StyleGAN's TFRecords, or WebDataset's tars. A `limit` chooses by `seed`,
    as StyleGAN2-ADA does; the mirror images follow the images, in the same order. With
    `conditional` they have labels, which must be there. Any number of threads may read.

    All must have the shape of the first. Up to MOST_MEASURED headers, evenly spread, are compared
    on opening; an image of another shape that turns up later counts as damaged. Images are numbered
    in the order of their names: adding or removing some between two runs changes the numbers.

    Raises FatalError if the path holds no images, or images of several shapes.
    """

    def __init__(
        self,
        path: str,
        *,
        limit: int | None = None,
        mirror: bool = False,
        seed: int = 0,
        conditional: bool = False,
    ) -> None:
        self.path = path
        try:
            self.pictures = reader(path)
        except OSError as why:
            raise FatalError(f"{path}: {why.strerror}") from None
        self.chosen = _chosen(len(self.pictures), limit, seed)
        self.mirror = mirror
        self.channels, self.height, self.width = self._common_shape()
        self.conditional = conditional
        _ = self._labels  # those that are malformed are refused here

    @property
    def name(self) -> str:
        """Its name in a run: the last part of the path, without the ending of a format."""
        name = os.path.basename(os.path.abspath(self.path))
        return re.sub(r"(-r?\d+)?\.(zip|tar|tfrecords)$", "", name) or "images"

    @property
    def label_dim(self) -> int:
        """The length of a label: the number of classes, or of a vector; 0 if not conditional.

        Raises FatalError if the labels are missing or malformed.
        """
        if self._labels.ndim == 2:
            return int(self._labels.shape[1])
        return max(int(self._labels.max()) + 1, len(self.label_names))

    @property
    def has_tags(self) -> bool:
        """Whether labels are vectors, with a number for each tag; else they are classes."""
        return self.conditional and self._labels.ndim == 2

    @cached_property
    def label_names(self) -> list[str]:
        """The names of the classes, or of the numbers of a label; empty where they have none."""
        return label_names(self.pictures) if self.conditional else []

    @property
    def label_facts(self) -> dict[str, Any]:
        """What a network that learns the labels must know of them; empty if not conditional."""
        facts: dict[str, Any] = {"labels": self.label_names} if self.label_names else {}
        return facts | ({"tags": True, "examples": self._examples} if self.has_tags else {})

    @cached_property
    def _examples(self) -> list[list[int]]:
        """The tags of some images, by their numbers."""
        some = range(0, len(self.chosen), -(-len(self.chosen) // EXAMPLES))
        lists = [np.flatnonzero(self.labels([n])[0] > 0.5).tolist() for n in some]
        return lists[:: max(1, -(-sum(map(len, lists)) // EXAMPLE_TAGS))]

    @cached_property
    def identity(self) -> Identity:
        """How the dataset is recognized; takes seconds for a million images in a folder."""
        return Identity.of(self.pictures.fingerprints())

    def __len__(self) -> int:
        """The number of images, with mirror images."""
        return len(self.chosen) * (1 + self.mirror)

    def title(self, index: int) -> str:
        """The name of the file of an image."""
        return self.pictures.name(self._number(index))

    def read(self, index: int) -> Pixels:
        """One image, uint8 [C, H, W]; perhaps a view and read-only.

        Raises ItemError if it is damaged, missing, or of another shape.
        """
        number = self._number(index)
        try:
            planes = self.pictures.pixels(number, (self.channels, self.height, self.width))
        except (ItemError, OSError) as why:
            reason = why.strerror if isinstance(why, OSError) else why
            raise ItemError(f"{self.path}: {self.title(index)}: {reason}") from None
        if index < len(self.chosen):
            return planes
        return np.stack([cv2.flip(plane, 1) for plane in planes], dtype=np.uint8)

    def labels(self, indices: Sequence[int]) -> NDArray[np.float32]:
        """The labels of these images, float32 [n, label_dim]; that of a class is one-hot."""
        own = self._labels[[self._number(index) for index in indices]]
        if own.ndim == 2:
            return own.astype(np.float32)
        one_hot = np.zeros((len(own), self.label_dim), np.float32)
        one_hot[np.arange(len(own)), own] = 1
        return one_hot

    def _number(self, index: int) -> int:
        return int(self.chosen[index % len(self.chosen)])

    @property
    def _labels(self) -> Labels:
        """Of all pictures."""
        if not self.conditional:
            return np.empty((len(self.pictures), 0), np.float32)
        return self._known_labels

    def _common_shape(self) -> Shape:
        if not len(self.chosen):
            raise FatalError(f"{self.path}: holds no images")
        first, shape = self._first_measured()
        step = -(-len(self.chosen) // MOST_MEASURED)
        parts = [self.chosen[begin :: step * THREADS] for begin in range(0, step * THREADS, step)]
        with ThreadPoolExecutor(THREADS) as threads:
            others = threads.map(lambda part: self._first_other(part, shape), parts)
            odd, unlike = min(filter(None, others), default=(first, shape))
        if unlike != shape:
            raise FatalError(
                f"{self.path}: {self.pictures.name(odd)} is {_described(unlike)} and "
                f"{self.pictures.name(first)} {_described(shape)}: "
                "animepack makes them all one size, in color"
            )
        return shape

    def _first_measured(self) -> tuple[int, Shape]:
        for number in self.chosen.tolist():
            if shape := self._measured(number):
                return number, shape
        raise FatalError(f"{self.path}: holds no image that can be read")

    def _first_other(self, numbers: NDArray[np.int64], shape: Shape) -> tuple[int, Shape] | None:
        """The first of these pictures with another shape in its header, and that shape."""
        for number in numbers.tolist():
            if (measured := self._measured(number)) and measured != shape:
                return number, measured
        return None

    def _measured(self, number: int) -> Shape | None:
        """The shape of a picture; None if it cannot be read: training then leaves it out."""
        try:
            return self.pictures.shape(number)
        except (ItemError, OSError):
            return None

    @cached_property
    def _known_labels(self) -> Labels:
        labels = self.pictures.labels()
        if labels is None:
            raise FatalError(
                f"{self.path}: holds no labels: in dataset.json, the .cls files of a tar, "
                "or the -rxx.labels beside TFRecords"
            )
        check_labels(labels, self.label_names, self.path)
        return labels


def _chosen(count: int, limit: int | None, seed: int) -> NDArray[np.int64]:
    """The numbers of the chosen pictures, in order."""
    numbers = np.arange(count)
    if limit is None or limit >= count:
        return numbers
    np.random.RandomState(seed).shuffle(numbers)
    return np.sort(numbers[:limit])


def _described(shape: Shape) -> str:
    channels, height, width = shape
    return f"{width}x{height} {'in color' if channels == 3 else 'in grey'}"
