"""What a network is trained on: images of one shape and their labels, whatever holds them."""

import os
import re
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.dataset.folders import FolderFiles
from animetools.dataset.identity import Identity
from animetools.dataset.members import Shape
from animetools.dataset.pictures import Encoded, Labels, Pictures, Pixels
from animetools.dataset.reading import MOST_CLASSES
from animetools.dataset.tfrecords import Records
from animetools.dataset.webdataset import TarFiles, is_shard
from animetools.dataset.zips import ZipFiles
from animetools.errors import FatalError, ItemError
from animetools.images.containers import format_by_name

MOST_MEASURED = 20_000  # images whose headers are read on opening: some seconds
THREADS = 16  # that read headers, and mostly wait for a disk


class Images:
    """The images that are trained on: all of a path or `limit` of them, and their mirror images.

    The path is a folder of images (of any depth, in the order of their names), a StyleGAN2-ADA zip
    or a folder like it, StyleGAN's TFRecords, or WebDataset's tars. A `limit` chooses by `seed`,
    as StyleGAN2-ADA does; the mirror images follow the images, in the same order. Labels are read
    where it is `conditional`, and then there must be some. Any number of threads may read.

    All have the shape of the first. Up to MOST_MEASURED headers, evenly spread, are held to it on
    opening; what has another and turns up later counts as damaged. An image is known by its name,
    and nothing is remembered of it: others that come or go between two runs change its number.

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
            self.pictures = _opened(path)
        except OSError as why:
            raise FatalError(f"{path}: {why.strerror}") from None
        self.chosen = _chosen(len(self.pictures), limit, seed)
        self.mirror = mirror
        self.channels, self.height, self.width = self._common_shape()
        self._labels = self._known_labels() if conditional else np.empty((len(self.pictures), 0))

    @property
    def name(self) -> str:
        """What a run calls it: the last part of the path, without what tells the format."""
        name = os.path.basename(os.path.abspath(self.path))
        return re.sub(r"(-r?\d+)?\.(zip|tar|tfrecords)$", "", name) or "images"

    @property
    def label_dim(self) -> int:
        """How many numbers a label has: one for each class, or those of a vector; 0: no labels."""
        return self._labels.shape[1] if self._labels.ndim == 2 else int(self._labels.max()) + 1

    @cached_property
    def identity(self) -> Identity:
        """What the dataset is known by; takes seconds for a million images in a folder."""
        return Identity.of(self.pictures.marks())

    def __len__(self) -> int:
        """How many there are, mirror images too."""
        return len(self.chosen) * (1 + self.mirror)

    def title(self, index: int) -> str:
        """What the file of an image is called."""
        return self.pictures.name(self._number(index))

    def read(self, index: int) -> Pixels:
        """One image, uint8 [C, H, W]; perhaps a view and read-only.

        Raises ItemError if it is damaged, gone, or of another shape.
        """
        number = self._number(index)
        try:
            planes = self.pictures.read(number, (self.channels, self.height, self.width))
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
        """The first of these pictures that says it is of another shape, and that shape."""
        for number in numbers.tolist():
            if (measured := self._measured(number)) and measured != shape:
                return number, measured
        return None

    def _measured(self, number: int) -> Shape | None:
        """The shape of a picture; None if it does not tell: it is left out when it is read."""
        try:
            return self.pictures.shape(number)
        except (ItemError, OSError):
            return None

    def _known_labels(self) -> Labels:
        labels = self.pictures.labels()
        if labels is None:
            raise FatalError(
                f"{self.path}: holds no labels: in dataset.json, the .cls files of a tar, "
                "or the -rxx.labels beside TFRecords"
            )
        size = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
        if not 0 < size <= MOST_CLASSES or (labels.ndim == 1 and labels.min() < 0):
            raise FatalError(f"{self.path}: labels are of 1 to {MOST_CLASSES} classes or numbers")
        if not np.isfinite(labels).all():
            raise FatalError(f"{self.path}: a label is no finite number")
        return labels


def _opened(path: str) -> Pictures:
    """What a path holds, by its content, or where that says nothing by its name.

    Raises FatalError, OSError.
    """
    if stat.S_ISDIR(os.stat(path).st_mode):
        names = os.listdir(path)
        if any(name.endswith(".tfrecords") for name in names):
            return Records(path)
        if any(is_shard(name) for name in names):
            return Encoded(TarFiles(path))
        return Encoded(FolderFiles(path, lambda name: format_by_name(name) is not None))
    if not os.path.isfile(path):
        raise FatalError(f"{path}: neither a file nor a folder")
    with open(path, "rb") as file:
        head = file.read(512)
    if head.startswith(b"PK") or path.endswith(".zip"):
        return Encoded(ZipFiles(path))
    if head[257:262] == b"ustar" or path.endswith(".tar"):
        return Encoded(TarFiles(path))
    if path.endswith(".tfrecords"):
        return Records(path)
    raise FatalError(f"{path}: no dataset: that is a folder, a zip, a tar or TFRecords")


def _chosen(count: int, limit: int | None, seed: int) -> NDArray[np.int64]:
    """The numbers of the pictures that are trained on, in order."""
    numbers = np.arange(count)
    if limit is None or limit >= count:
        return numbers
    np.random.RandomState(seed).shuffle(numbers)
    return np.sort(numbers[:limit])


def _described(shape: Shape) -> str:
    channels, height, width = shape
    return f"{width}x{height} {'in color' if channels == 3 else 'in grey'}"
