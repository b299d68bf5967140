"""The steps from a picture to its nearest reference, as workers take them, in threads or elsewhere."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError
from animetools.neighbors.comparison import Comparison, Found, Rows, Search
from animetools.neighbors.options import NearOptions
from animetools.neighbors.reference import Picture, Reference

Prepared = tuple[NDArray[Any], Picture]  # a picture as a Comparison prepares it, or its row


@cache
def opened(options: NearOptions, device: str) -> Comparison:
    """The comparison on a device, loaded once in each process."""
    if options.by == "hash":
        from animetools.neighbors.hashes import Hashes

        return Hashes()
    from animetools.neighbors.features import Features

    return Features(options.embedding, device)


def load_rows(options: NearOptions, device: str) -> Callable[[list[Prepared]], list[Rows]]:
    """What computes the rows of prepared pictures on a device."""
    return partial(_rows, opened(options, device))


def load_search(
    options: NearOptions, reference: Reference, has_rows: bool, device: str
) -> Callable[[list[Prepared]], list[Found | ItemError]]:
    """What finds on a device the nearest references of prepared pictures, or of those with rows.

    A picture is not compared with itself.
    """
    comparison = opened(options, device)
    rows_of = np.stack if has_rows else comparison.rows
    return partial(_nearest, rows_of, comparison.search(reference.rows), reference)


def _rows(comparison: Comparison, prepared: Sequence[Prepared]) -> list[Rows]:
    return list(comparison.rows([each for each, _ in prepared]))


def _nearest(
    rows_of: Callable[[Sequence[NDArray[Any]]], Rows],
    search: Search,
    reference: Reference,
    prepared: Sequence[Prepared],
) -> list[Found | ItemError]:
    rows = rows_of([each for each, _ in prepared])
    own = [reference.same(*picture) for _, picture in prepared]
    return [
        found or ItemError("it is the only image of the reference") for found in search(rows, own)
    ]
