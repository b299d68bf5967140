"""The search finds exactly what comparing with all finds, however the hashes came."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.images.hash_search import Hashes, HashSearch


def clustered(count: int, rng: np.random.Generator) -> Hashes:
    """Hashes of 256 bits, a third of which differ from another one in up to 40 bits."""
    codes = rng.integers(0, 2**64, (count, 4), dtype=np.uint64)
    bits = np.unpackbits(codes.view(np.uint8), axis=1)
    for number in range(0, count, 3):
        bits[number] = bits[rng.integers(count)]
        bits[number, rng.choice(256, rng.integers(40), replace=False)] ^= 1
    return np.packbits(bits, axis=1).view(np.uint64)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.sampled_from([1, 40, 3000, 12_000]),
    most=st.sampled_from([0, 1, 7, 15]),
    wanted=st.sampled_from([0, 7, 15, 20, 60, 256]),
)
def test_what_is_found_is_what_comparing_all_finds(
    seed: int, count: int, most: int, wanted: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = clustered(count, rng)
    search = HashSearch(256, most)
    assert search.near(codes[0].tobytes(), wanted)[0].size == 0
    start = 0
    while start < count:
        part = codes[start : start + int(rng.integers(1, 2500))]
        if len(part) < 3:
            numbers = [search.add(code.tobytes()) for code in part]
            assert numbers[0] == start
        else:
            search.extend(part)
        start += len(part)
    for number in rng.integers(0, count, 20):
        bits = np.bitwise_count(codes ^ codes[number]).sum(axis=1)
        found, differing = search.near(codes[number].tobytes(), wanted)
        assert (found == np.flatnonzero(bits <= wanted)).all()
        assert (differing == bits[found]).all()


@pytest.mark.parametrize("bits", [64, 128])
def test_shorter_hashes_are_found_too(bits: int) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2**64, (3000, bits // 64), dtype=np.uint64)
    search = HashSearch(bits, 5)
    search.extend(codes)
    other = codes[1234].copy()
    other[-1] ^= np.uint64(0b10101)
    found, differing = search.near(other.tobytes(), 5)
    assert (found.tolist(), differing.tolist()) == ([1234], [3])
