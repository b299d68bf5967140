"""The nearest row: as a plain search in double precision finds it, in any company."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from animetools.neighbors import features
from animetools.neighbors.comparison import Found, Rows, Search
from animetools.neighbors.hashes import AT_ONCE, WORDS, Hashes

Own = Sequence[NDArray[np.int64]]


def unit(count: int, width: int, seed: int) -> Rows:
    """Features as Features gives them."""
    rows = np.random.default_rng(seed).standard_normal((count, width))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float16)


def halves(rows: Rows, row: Rows) -> NDArray[np.float64]:
    """Half the squared distances of features."""
    apart = rows.astype(np.float64) - row.astype(np.float64)
    return np.asarray(np.square(apart).sum(1) / 2)


def shares(rows: Rows, row: Rows) -> NDArray[np.float64]:
    """The shares of bits that differ."""
    return np.asarray(np.unpackbits((rows ^ row).view(np.uint8), axis=1).mean(1))


def check(search: Search, references: Rows, rows: Rows, own: Own, plain: object) -> None:
    """The search finds what a plain one finds, for all rows at once, and for each alone."""
    found = search(rows, own)
    assert found == [search(rows[i : i + 1], own[i : i + 1])[0] for i in range(len(rows))]
    for row, without, one in zip(rows, own, found, strict=True):
        distances = plain(references, row).round(6)  # type: ignore[operator]
        distances[without] = np.inf
        if np.isinf(distances).all():
            assert one is None
        else:
            assert one == Found(int(distances.argmin()), float(distances.min()))


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(0, 3))
@settings(max_examples=30)
def test_features_are_searched_exactly(seed: int, count: int, copies: int) -> None:
    references = unit(count, 24, seed)
    references = np.concatenate([references, *[references[:2]] * copies])  # equally near ones
    rows = np.concatenate([references[:2], unit(3, 24, seed + 1), np.zeros((1, 24), np.float16)])
    random = np.random.default_rng(seed)
    own = [np.flatnonzero(random.random(len(references)) < 0.3) for _ in rows]
    own[-1] = np.arange(len(references))
    whole = features.CHUNK
    features.CHUNK = 7
    try:
        search = features.Product(references, torch.device("cpu"))
        check(search, references, rows, own, halves)
    finally:
        features.CHUNK = whole


def test_features_that_single_precision_cannot_tell_apart() -> None:
    references = np.repeat(unit(1, 384, 0), 5000, axis=0)
    references[1234, 7] += np.float16(2e-3)
    row = references[1234:1235]
    search = features.Product(references, torch.device("cpu"))
    assert search(row, [np.arange(0)]) == [Found(1234, 0)]
    (other,) = search(row, [np.array([1234])])
    assert other and other.row == 0


@pytest.mark.parametrize("count", [1, 300, AT_ONCE + 5])
def test_hashes_are_searched_exactly(count: int) -> None:
    random = np.random.default_rng(count)
    references = random.integers(0, 2**64, (count, WORDS), np.uint64)
    references[count // 2] = references[-1]
    rows = np.concatenate([references[-1:], ~references[:1], references[:1] ^ np.uint64(5)])
    own = [np.arange(0), np.array([0]), np.arange(count)]
    check(Hashes().search(references), references, rows, own, shares)
