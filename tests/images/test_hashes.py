"""Twins are found, others are not, and the database finds what comparing all with all would."""

import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from animetools.images.files import Pixels, decode_rgb, encode_jpeg, encode_png, read_rgb
from animetools.images.hashes import HASH_BITS, Fingerprint, fingerprint
from animetools.images.quality import shrunk
from tests.conftest import REAL
from tests.images import galleries
from tests.images.test_quality import noise
from tests.quick import SERVER


def printed(rgb: Pixels) -> Fingerprint:
    """The fingerprint of a picture saved as PNG."""
    return fingerprint(encode_png(rgb), rgb, shrunk(rgb))


def scaled(rgb: Pixels, factor: float) -> Pixels:
    """The picture at another size."""
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=kind), np.uint8)


def twin_of(first: Fingerprint, second: Fingerprint, near: float = 0.99) -> str | None:
    """What the second is to the first."""
    return galleries.kind(first, second, near)


def test_kinds_of_twins() -> None:
    picture = noise(256, 256)
    data = encode_png(picture)
    first = fingerprint(data, picture, shrunk(picture))
    assert twin_of(first, fingerprint(data, picture, shrunk(picture))) == "same bytes"
    assert twin_of(first, fingerprint(data + b" ", picture, shrunk(picture))) == "same pixels"
    assert twin_of(first, printed(scaled(picture, 0.5))) == "near-duplicate"
    assert twin_of(first, printed(decode_rgb(encode_jpeg(picture, 60)))) == "near-duplicate"
    assert twin_of(first, printed(noise(256, 256, seed=1))) is None
    assert twin_of(first, printed(scaled(picture, 0.5)), near=0) is None


def test_same_pixels_in_another_shape_are_another_picture() -> None:
    tall = np.zeros((40, 20, 3), np.uint8)
    assert twin_of(printed(tall), printed(tall.reshape(20, 40, 3))) is None


def test_flat_pictures_are_twins_only_when_equal() -> None:
    def flat(level: int) -> Fingerprint:
        return printed(np.full((64, 64, 3), level, np.uint8))

    assert twin_of(flat(200), flat(201)) is None
    assert twin_of(flat(200), flat(200)) == "same bytes"
    assert twin_of(flat(200), flat(201), near=0.9) is None


def test_recolored_twin_is_kept() -> None:
    picture = noise(256, 256)
    ycc = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)
    ycc[64:128, 64:128, 1] = np.clip(ycc[64:128, 64:128, 1].astype(int) + 30, 0, 255)
    other = np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.uint8)
    assert twin_of(printed(picture), printed(other), near=0.95) is None


def test_the_first_twin_is_the_evidence() -> None:
    picture = noise(256, 256)
    gallery = galleries.empty(0.99)
    galleries.put(gallery, "other", printed(noise(256, 256, seed=5)))
    for name in ("b\udcff", "a"):
        galleries.put(gallery, name, printed(picture))
    found = galleries.first(gallery, printed(scaled(picture, 0.7)))
    assert found == ("b\udcff", "near-duplicate")


@pytest.mark.parametrize("near", [1.0, 0.99, 0.96, 0.941, 0.9])
def test_threshold_is_the_share_of_equal_bits(near: float) -> None:
    most = int((1 - near) * HASH_BITS + 1e-9)
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, HASH_BITS).astype(bool)

    def flipped(count: int) -> Fingerprint:
        other = bits.copy()
        other[rng.choice(HASH_BITS, count, replace=False)] ^= True
        return Fingerprint(rng.bytes(16), rng.bytes(16), np.packbits(other).tobytes(), bytes(128))

    assert twin_of(flipped(0), flipped(most), near) == "near-duplicate"
    assert twin_of(flipped(0), flipped(most + 1), near) is None


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    near=st.sampled_from([1.0, 0.99, 0.98, 0.95, 0.9, 0.8]),
    flips=st.lists(st.integers(0, 30), min_size=1, max_size=40),
)
def test_gallery_finds_what_comparing_all_finds(seed: int, near: float, flips: list[int]) -> None:
    rng = np.random.default_rng(seed)
    most = int((1 - near) * HASH_BITS + 1e-9)
    base = rng.integers(0, 2, HASH_BITS).astype(bool)
    shapes: list[NDArray[np.bool_]] = []
    gallery = galleries.empty(near)
    for number, count in enumerate(flips):
        bits = base.copy()
        bits[rng.choice(HASH_BITS, count, replace=False)] ^= True
        picture = Fingerprint(rng.bytes(16), rng.bytes(16), np.packbits(bits).tobytes(), bytes(128))
        close = [n for n, other in enumerate(shapes) if (other ^ bits).sum() <= most]
        found = galleries.first(gallery, picture)
        assert (found and found[0]) == (str(close[0]) if close else None)
        galleries.put(gallery, str(number), picture)
        shapes.append(bits)


def grown_by(near: float, pictures: int) -> int:
    """How many bytes so many pictures add to this process."""
    rng = np.random.default_rng(0)
    gallery = galleries.empty(near)

    def see(count: int) -> int:
        for number in range(count):
            picture = Fingerprint(rng.bytes(16), rng.bytes(16), rng.bytes(32), rng.bytes(128))
            assert galleries.first(gallery, picture) is None
            galleries.put(gallery, f"some/where/in/a/folder/{number:09}.png", picture)
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    before = see(4000)  # the database's own cache is full by then
    return see(pictures) - before


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
@pytest.mark.parametrize(("near", "pictures"), [(0.99, 12_000), (0.9, 8000)])
def test_memory_per_picture(near: float, pictures: int) -> None:
    with ProcessPoolExecutor(1, SERVER) as pool:  # pytest's has memory of other tests
        grown = pool.submit(grown_by, near, pictures).result()
    assert grown <= 1000 * pictures  # see tests/benchmarks/million.py


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="no real images here")
def test_real_images_find_their_copies_and_nothing_else() -> None:
    gallery = galleries.empty(0.99)
    found = 0
    paths = sorted(str(path) for path in REAL.iterdir())[::3]
    for path in paths:
        rgb = read_rgb(path)
        assert galleries.first(gallery, printed(rgb)) is None
        galleries.put(gallery, path, printed(rgb))
    for path in paths:
        copy = decode_rgb(encode_jpeg(scaled(read_rgb(path), 0.75), 75))
        twin = galleries.first(gallery, printed(copy))
        assert twin is None or twin[0] == path
        found += twin is not None
    assert found >= 0.85 * len(paths)
