"""What pictures are compared by: a row of numbers for each, and how far two rows are apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # [H, W, 3], sRGB
Rows = NDArray[Any]  # [n, width], of n pictures

DIGITS = 6  # of a distance: what is nearer than that is equally near


@dataclass(frozen=True)
class Found:
    """The nearest of some rows: its number, and its distance."""

    row: int
    distance: float


# The nearest of the references to each of the rows; the references that it gets beside a row are left
# out. Of equally near ones the first; None where no reference is left.
Search = Callable[[Rows, Sequence[NDArray[np.int64]]], list[Found | None]]


class Comparison(Protocol):
    """A way to compare pictures. Several threads may use it at once."""

    @property
    def identity(self) -> str:
        """What a row depends on besides its picture, in a phrase."""

    @property
    def none(self) -> Rows:
        """The rows of no picture, [0, width]."""

    @property
    def is_on_cpu(self) -> bool:
        """Whether it computes in the thread that calls it: then several should."""

    def prepare(self, rgb: Pixels) -> NDArray[Any]:
        """One picture of any size as `rows` takes it."""

    def rows(self, prepared: Sequence[NDArray[Any]]) -> Rows:
        """The rows of prepared pictures; each depends on its own picture alone.

        Raises FatalError, in one sentence, if a network fails.
        """

    def search(self, references: Rows) -> Search:
        """What finds the nearest of these rows."""
