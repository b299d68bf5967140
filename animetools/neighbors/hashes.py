"""Pictures compared by their perceptual hashes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animetools.images.hashes import HASH_BITS, source_hash
from animetools.images.quality import shrunk
from animetools.neighbors.comparison import DIGITS, Found, Pixels, Rows, Search

WORDS = HASH_BITS // 64
AT_ONCE = 1 << 14  # hashes: what is computed of them stays in the cache


class Hashes:
    """The comparison by hashes; a distance is the share of the bits that differ."""

    identity = f"average hashes of {HASH_BITS} bits, version 1"
    is_on_cpu = True

    @property
    def none(self) -> Rows:
        """The hashes of no picture."""
        return np.empty((0, WORDS), np.uint64)

    def prepare(self, rgb: Pixels) -> NDArray[Any]:
        """The hash of a picture."""
        return np.frombuffer(source_hash(shrunk(rgb)), np.uint64)

    def rows(self, prepared: Sequence[NDArray[Any]]) -> Rows:
        """Hashes, uint64 [n, WORDS]."""
        return np.stack(prepared)

    def search(self, references: Rows) -> Search:
        """What finds the nearest of these hashes."""
        columns = np.ascontiguousarray(references.T)

        def nearest(rows: Rows, without: Sequence[NDArray[np.int64]]) -> list[Found | None]:
            return [_nearest(columns, *each) for each in zip(rows, without, strict=True)]

        return nearest


def _nearest(columns: Rows, row: Rows, without: NDArray[np.int64]) -> Found | None:
    best = Found(-1, 2)
    for first in range(0, columns.shape[1], AT_ONCE):
        some = columns[:, first : first + AT_ONCE]
        apart = np.zeros(some.shape[1], np.uint16)
        for column, word in zip(some, row, strict=True):
            apart += np.bitwise_count(column ^ word)
        own = without[(without >= first) & (without < first + AT_ONCE)] - first
        apart[own] = 2 * HASH_BITS
        at = int(apart.argmin())
        distance = round(int(apart[at]) / HASH_BITS, DIGITS)
        if distance < best.distance:
            best = Found(first + at, distance)
    return best if best.row >= 0 else None
