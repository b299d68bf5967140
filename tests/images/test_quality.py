"""Colors, greyness and flatness of pictures whose answer is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.images.files import Pixels, decode_rgb, encode_jpeg, read_rgb
from animetools.images.quality import count_colors, is_flat, is_grey, shrunk
from tests.conftest import REAL


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """Random blobs of color."""
    blobs = np.random.default_rng(seed).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    size = (width, height)
    return np.asarray(cv2.resize(blobs, size, interpolation=cv2.INTER_CUBIC), np.uint8)


@given(
    st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=80),
    st.integers(1, 5),
)
def test_colors_are_counted_exactly(colors: list[tuple[int, int, int]], repeats: int) -> None:
    rgb = np.tile(np.array([colors], np.uint8), (repeats, 1, 1))
    assert count_colors(rgb) == len(set(colors))


def test_counting_stops_only_where_there_are_enough() -> None:
    many = noise(512, 512)
    assert 257 <= count_colors(many, 257) <= count_colors(many)
    few = many // 64
    assert count_colors(few, 257) == count_colors(few) == len(np.unique(few.reshape(-1, 3), axis=0))
    hidden = np.zeros((512, 512, 3), np.uint8)
    hidden[0, 1:91] = noise(512, 512)[0, 1:91]  # between the pixels that are looked at first
    assert count_colors(hidden, 20) == count_colors(hidden) > 20


def test_colors_that_differ_in_one_channel_are_different() -> None:
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    for channel in range(3):
        rgb = np.zeros((256, 1, 3), np.uint8)
        rgb[..., channel] = ramp
        assert count_colors(rgb) == 256


@pytest.mark.parametrize("quality", [30, 60, 95])
def test_grey_saved_as_colored_jpeg_is_grey(quality: int) -> None:
    grey = noise(200, 160)[..., :1].repeat(3, axis=2)
    assert is_grey(shrunk(grey))
    assert is_grey(shrunk(decode_rgb(encode_jpeg(np.ascontiguousarray(grey), quality))))


def test_tinted_paper_is_grey_and_sepia_is_not() -> None:
    grey = noise(200, 160)[..., :1].repeat(3, axis=2).astype(int)
    assert is_grey(shrunk(np.clip(grey + np.array([4, 2, -4]), 0, 255).astype(np.uint8)))
    sepia = np.clip(grey * [1.0, 0.85, 0.65], 0, 255).astype(np.uint8)
    assert not is_grey(shrunk(sepia))


def test_a_spot_of_color_is_color() -> None:
    grey = noise(512, 512)[..., :1].repeat(3, axis=2)
    grey[100:160, 200:280] = (220, 40, 60)
    assert not is_grey(shrunk(grey))


def test_single_colored_pixels_are_not_color() -> None:
    grey = noise(512, 512)[..., :1].repeat(3, axis=2)
    grey[10:14, 10:14] = (255, 0, 0)
    assert is_grey(shrunk(grey))


def test_flat_and_nearly_flat() -> None:
    assert is_flat(np.full((64, 64), 200, np.uint8))
    fog = np.random.default_rng(0).normal(200, 3, (64, 64)).astype(np.uint8)
    assert is_flat(fog)
    assert not is_flat(noise(64, 64)[..., 0])


def test_shrunk_never_enlarges() -> None:
    assert shrunk(noise(32, 256)).shape == (32, 64, 3)
    assert shrunk(noise(16, 16)).shape == (16, 16, 3)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real images here")
def test_real_images() -> None:
    grey = {path.name for path in REAL.iterdir() if is_grey(shrunk(read_rgb(str(path))))}
    assert grey == {
        "n293_renpy.png",
        "p184_lllyasviel.jpg",
        "n282_lllyasviel.png",
        "n295_xinntao.png",
    }
