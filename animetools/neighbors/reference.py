"""The pictures that others are compared with, and which of them is the nearest."""

import os
from array import array
from collections.abc import Iterable
from hashlib import blake2b
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from animetools.colors import WHITE
from animetools.dataset.labelling import Facts
from animetools.dataset.members import PACKED_IN
from animetools.dataset.sources import read_image
from animetools.images.containers import MAX_PIXELS
from animetools.neighbors.comparison import Pixels, Rows
from animetools.neighbors.index import Index

Picture = tuple[str, Facts]  # its path, and the facts that it is read by

FILE = -1  # the number of a picture that is a file of its own
KEY = 16  # bytes
RECALLED_AT_ONCE = 500  # rows of an index
KEPT_AT_ONCE = 100  # which take a second to compute
MOVED_AT_ONCE = 4096


class Reference:
    """The pictures of a folder or dataset, and a row of a Comparison for each that can be read.

    Memory: the rows, and about 200 bytes a picture.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.paths: list[str] = []
        self.numbers = array("q")  # in a dataset, or FILE
        self.checks = array("q")  # of each in a dataset
        self.files = array("q")  # which file each is, by whatever path
        self.keys = bytearray()  # what they are known by in an index
        self.rows: Rows = np.empty((0, 0))
        self.has_row: NDArray[np.bool_] = np.empty(0, np.bool_)

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.paths)

    def add(self, path: str, facts: Facts, stamp: str) -> None:
        """Add a picture, of a dataset if its facts say so; the stamp changes when it changes."""
        self.paths.append(path)
        _, number, check = facts.get(PACKED_IN, (path, FILE, 0))
        self.numbers.append(number)
        self.checks.append(check)
        self.files.append(_file(path, facts))
        name = path.removeprefix(self.place).lstrip("/")
        text = f"{name}\0{stamp}".encode(errors="surrogateescape")
        self.keys += blake2b(text, digest_size=KEY).digest()

    def picture(self, position: int) -> Picture:
        """The picture at a position."""
        number, check = self.numbers[position], self.checks[position]
        facts = {} if number == FILE else {PACKED_IN: [self.place, number, check]}
        return self.paths[position], facts

    def same(self, path: str, facts: Facts) -> NDArray[np.int64]:
        """The positions of the pictures that are this file, or this image of a dataset."""
        return np.flatnonzero(np.frombuffer(self.files, np.int64) == _file(path, facts))

    def begin(self, none: Rows) -> None:
        """Make room for rows; `none` are the rows of no picture."""
        self.rows = np.empty((len(self), none.shape[1]), none.dtype)
        self.has_row = np.zeros(len(self), np.bool_)

    def recall(self, index: Index) -> None:
        """Set the rows that an index has, except damaged ones."""
        for first in range(0, len(self), RECALLED_AT_ONCE):
            keys = [self._key(at) for at in range(first, min(first + RECALLED_AT_ONCE, len(self)))]
            known = index.rows(keys)
            for position, key in enumerate(keys, first):
                row = known.get(key, b"")
                if len(row) == self.rows[position].nbytes:
                    self._set(position, np.frombuffer(row, self.rows.dtype))

    def missing(self) -> list[int]:
        """The positions of the pictures without a row."""
        found: list[int] = np.flatnonzero(~self.has_row).tolist()
        return found

    def fill(self, rows: Iterable[tuple[int, Rows]], index: Index | None) -> None:
        """Set rows by position as they come, and keep them in an index.

        Then remove the pictures that still have none.
        """
        rows = iter(rows)
        while some := list(islice(rows, KEPT_AT_ONCE)):
            for position, row in some:
                self._set(position, row)
            if index:
                index.add([(self._key(position), row.tobytes()) for position, row in some])
        if not self.has_row.all():
            self._keep(np.flatnonzero(self.has_row))

    def _key(self, position: int) -> bytes:
        return bytes(self.keys[position * KEY : (position + 1) * KEY])

    def _set(self, position: int, row: Rows) -> None:
        self.rows[position] = row
        self.has_row[position] = np.isfinite(row).all()

    def _keep(self, kept: NDArray[np.int64]) -> None:
        self.keys = bytearray().join(map(self._key, kept))
        self.paths = [self.paths[position] for position in kept]
        self.numbers = array("q", [self.numbers[position] for position in kept])
        self.checks = array("q", [self.checks[position] for position in kept])
        self.files = array("q", [self.files[position] for position in kept])
        self.has_row = self.has_row[kept]
        for first in range(0, len(kept), MOVED_AT_ONCE):  # in place: they may be half of the memory
            some = kept[first : first + MOVED_AT_ONCE]
            self.rows[first : first + len(some)] = self.rows[some]
        self.rows = self.rows[: len(kept)]


def read_rgb(path: str, facts: Facts, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The pixels of a file, or of an image of a dataset; raises as images.files.read_rgb."""
    return read_image(path, facts, max_pixels=max_pixels, background=WHITE)[0]


def _file(path: str, facts: Facts) -> int:
    """Which file, or image of a dataset, a picture is, by whatever path."""
    path, number, *_ = facts.get(PACKED_IN, (path, FILE))
    try:
        found = os.stat(path)
    except OSError:  # reported when it is read
        return 0
    return hash((found.st_dev, found.st_ino, number))
