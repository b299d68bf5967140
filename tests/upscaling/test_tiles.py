"""Tiles: whatever is cut up comes out as if it had not been."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.errors import ItemError
from animetools.upscaling import tiles
from animetools.upscaling.network import Geometry, GlobalPool, Planes
from animetools.upscaling.tiles import TURNS, Pixels, enlarge, spans, turned, turned_back


def shift_sum(planes: Planes, reach: int) -> Planes:
    """Each pixel with all around it, weighted unevenly; takes `reach` off each side."""
    size = 2 * reach + 1
    weights = 1.0 + np.arange(size * size, dtype=np.float32).reshape(size, size)
    weights /= weights.sum()
    windows = np.lib.stride_tricks.sliding_window_view(planes, (size, size), axis=(1, 2))
    return np.asarray(np.einsum("chwij,ij->chw", windows, weights), np.float32)


def halved(planes: Planes) -> Planes:
    """Sums of 2 x 2 pixels, which must fit."""
    assert planes.shape[1] % 2 == 0
    assert planes.shape[2] % 2 == 0
    both = planes[:, ::2] + planes[:, 1::2]
    return np.asarray(both[:, :, ::2] + both[:, :, 1::2], np.float32)


@dataclass
class Valid:
    """Takes off a border, and has two means over the whole picture, the second behind the first."""

    geometry = Geometry(
        2,
        border=3,
        align=2,
        pools=(
            GlobalPool("half", "mean", Fraction(1, 2)),
            GlobalPool("whole", "mean2", Fraction(1)),
        ),
    )

    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        blobs = {**(known or {})}
        sharp = shift_sum(rgb, 1)
        if "half" not in blobs:
            blobs["half"] = halved(sharp)
        if wanted == "half":
            return blobs["half"]
        mean = blobs.get("mean", blobs["half"].mean((1, 2)))
        if "whole" not in blobs:
            blobs["whole"] = shift_sum(sharp * (1 + mean[:, None, None]), 2)
        if wanted == "whole":
            return blobs["whole"]
        mean2 = blobs.get("mean2", blobs["whole"].mean((1, 2)))
        assert mean2.shape == (3,)
        bright: Planes = blobs["whole"] * (mean2[:, None, None] / 8)
        return bright.repeat(2, 1).repeat(2, 2)


SEES_TWO = Geometry(3, overlap=2)


@dataclass
class Same:
    """Fills up its edges with zeros, as most people's networks do, and sees 2 pixels far."""

    geometry: Geometry = SEES_TWO

    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        if self.geometry.fixed:
            assert rgb.shape == (3, self.geometry.fixed, self.geometry.fixed)
        assert not (rgb.shape[1] % self.geometry.align or rgb.shape[2] % self.geometry.align)
        padded = np.pad(rgb, ((0, 0), (2, 2), (2, 2)))
        return shift_sum(padded, 2).repeat(self.geometry.scale, 1).repeat(self.geometry.scale, 2)


@pytest.fixture(scope="module")
def workers() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def noise(
    height: int, width: int, channels: int = 3, kind: type[np.uint8 | np.uint16] = np.uint8
) -> Pixels:
    rng = np.random.default_rng(height * 1000 + width)
    pixels = rng.integers(0, np.iinfo(kind).max, (height, width, channels), endpoint=True)
    return pixels.astype(kind)


def furthest(one: Pixels, other: Pixels) -> int:
    assert one.shape == other.shape
    assert one.dtype == other.dtype
    return int(abs(one.astype(int) - other).max())


sizes = st.integers(1, 23)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(1, 12), st.booleans(), st.booleans())
def test_means_are_shared_between_tiles(
    workers: Executor, height: int, width: int, side: int, tta: bool, keeps: bool
) -> None:
    pixels = noise(height, width)
    whole = enlarge(Valid(), pixels, workers, side=99, tta=tta)
    assert whole.shape == (2 * height, 2 * width, 3)
    with pytest.MonkeyPatch.context() as patch:
        if not keeps:
            patch.setattr(tiles, "KEPT_PIXELS", 0)
        assert furthest(enlarge(Valid(), pixels, workers, side=side, tta=tta), whole) <= 1


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(1, 12))
def test_a_network_that_fills_up_its_edges_sees_the_pictures_own(
    workers: Executor, height: int, width: int, side: int
) -> None:
    pixels = noise(height, width)
    whole = enlarge(Same(), pixels, workers, side=99)
    planes = np.asarray(pixels.transpose(2, 0, 1) / np.float32(255), np.float32)
    direct = np.floor(Same().run(planes) * 255 + 0.5).clip(0, 255).transpose(1, 2, 0)
    assert furthest(whole, direct.astype(np.uint8)) == 0
    assert furthest(enlarge(Same(), pixels, workers, side=side), whole) <= 1


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.sampled_from([16, 24]), st.sampled_from([1, 2, 4]))
def test_fixed_and_aligned_windows(
    workers: Executor, height: int, width: int, fixed: int, align: int
) -> None:
    inside = slice(6, -6)  # beyond the reach of zeros at the edges
    pixels = noise(height + 4, width + 4)
    whole = enlarge(Same(), pixels, workers, side=99)
    for geometry in (Geometry(3, overlap=2, align=align), Geometry(3, overlap=16, fixed=fixed)):
        tiled = enlarge(Same(geometry), pixels, workers, side=5)
        assert furthest(tiled[inside, inside], whole[inside, inside]) <= 1


@given(st.integers(1, 500), st.integers(1, 200), st.sampled_from([1, 2, 4, 16]), st.integers(0, 40))
def test_spans_cover_a_side_once(length: int, side: int, align: int, border: int) -> None:
    geometry = Geometry(2, border=border * align, align=align)
    found = spans(length, side, geometry)
    assert [span.start for span in found] == [0, *(span.stop for span in found[:-1])]
    assert found[-1].stop == length
    assert [span.ends for span in found] == [False] * (len(found) - 1) + [True]
    for span in found:
        assert (span.last - span.first) % align == 0
        assert span.stop - span.start <= max(side, align) + align
        assert span.taken(geometry).start == 0
        assert span.taken(geometry).stop <= (span.last - span.first - 2 * geometry.border) * 2


@given(st.sampled_from(TURNS), sizes, sizes)
def test_turns_are_undone(turn: tuple[bool, bool, bool], height: int, width: int) -> None:
    planes = noise(height, width).transpose(2, 0, 1).astype(np.float32)
    assert np.array_equal(turned_back(turned(planes, turn), turn), planes)


def test_tta_is_the_mean_of_eight(workers: Executor) -> None:
    pixels = noise(14, 10)
    planes = np.asarray(pixels.transpose(2, 0, 1) / np.float32(255), np.float32)
    planes = np.pad(planes, ((0, 0), (3, 3), (3, 3)), "edge")
    eight = [
        turned_back(Valid().run(np.ascontiguousarray(turned(planes, turn))), turn) for turn in TURNS
    ]
    assert len({each.tobytes() for each in eight}) == 8
    mean = np.floor(np.mean(eight, 0).clip(0, 1) * 255 + 0.5).transpose(1, 2, 0)
    found = enlarge(Valid(), pixels, workers, tta=True)
    assert abs(found - mean).max() <= 1
    assert (found != mean).mean() < 0.02


@pytest.mark.parametrize("tta", [False, True])
def test_sixteen_bits_are_more_than_eight(workers: Executor, tta: bool) -> None:
    eight = noise(15, 15)
    fine = enlarge(Valid(), eight.astype(np.uint16) * 257, workers, tta=tta)
    assert fine.dtype == np.uint16
    assert abs(fine / 257 - enlarge(Valid(), eight, workers, tta=tta)).max() <= 0.52
    assert len(np.unique(fine)) > 256


@pytest.mark.parametrize("tta", [False, True])
def test_grey_stays_grey(workers: Executor, tta: bool) -> None:
    grey = noise(9, 8, 1)
    found = enlarge(Same(), grey, workers, tta=tta)
    assert found.shape == (27, 24, 1)
    color = enlarge(Same(), grey.repeat(3, 2), workers, tta=tta)
    assert furthest(found, color[:, :, :1]) <= 1


def test_a_network_that_gives_no_numbers_fails_the_image(workers: Executor) -> None:
    class Broken(Same):
        def run(
            self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
        ) -> Planes:
            return super().run(rgb) * np.float32(np.nan)

    with pytest.raises(ItemError, match="NaN or infinite"):
        enlarge(Broken(), noise(8, 8), workers)


@pytest.mark.parametrize("tta", [False, True])
def test_what_is_to_be_added_to_the_picture_is_added(workers: Executor, tta: bool) -> None:
    class Less(Same):
        geometry = Geometry(3, overlap=2, residual=True)

        def run(
            self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
        ) -> Planes:
            return super().run(rgb) - rgb.repeat(3, 1).repeat(3, 2)

    pixels = noise(19, 11)
    whole = enlarge(Same(), pixels, workers, side=99, tta=tta)
    for side in (5, 99):
        assert (
            furthest(enlarge(Less(Less.geometry), pixels, workers, side=side, tta=tta), whole) <= 1
        )
