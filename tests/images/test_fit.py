"""fit: exactly N x N, even bars, and a way back."""

import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.colors import Color
from animetools.images.fit import Fit, How, Rgb, fit, place, resized

sides = st.integers(1, 90)
hows = st.sampled_from(["pad", "cover", "top", "stretch"])


def noise(width: int, height: int) -> Rgb:
    """Random pixels, none of them black."""
    return np.random.RandomState(0).randint(60, 256, (height, width, 3)).astype(np.uint8)


def ramp(width: int, height: int) -> Rgb:
    """Soft colors, so that scaling there and back costs little."""
    x, y = np.meshgrid(np.linspace(80, 200, width), np.linspace(90, 220, height))
    return np.stack([x, y, (x + y) / 2], axis=2).round().astype(np.uint8)


@given(sides, sides, st.integers(1, 64), hows, st.booleans())
def test_result_is_square_and_bars_are_background(
    width: int, height: int, size: int, how: How, enlarge: bool
) -> None:
    picture = noise(width, height)
    square, placed = fit(picture, size, how, enlarge=enlarge, background=Color(1, 2, 3))
    assert square.shape == (size, size, 3)
    assert square.dtype == np.uint8
    x, y, w, h = placed.target
    bars = square.copy()
    bars[y : y + h, x : x + w] = (1, 2, 3)
    assert (bars == (1, 2, 3)).all()
    white, _ = fit(picture, size, how, enlarge=enlarge)
    white[y : y + h, x : x + w] = 255
    assert (white == 255).all()
    assert square[y : y + h, x : x + w].any(axis=2).mean() > 0.9  # Lanczos may reach down to 0


@given(sides, sides, st.integers(1, 64), hows, st.booleans())
def test_boxes_lie_inside_and_bars_are_even(
    width: int, height: int, size: int, how: How, enlarge: bool
) -> None:
    placed = place(width, height, size, how, enlarge=enlarge)
    for (x, y, w, h), (across, down) in (
        (placed.source, (width, height)),
        (placed.target, (size, size)),
    ):
        assert w >= 1
        assert h >= 1
        assert 0 <= x <= across - w
        assert 0 <= y <= down - h
    x, y, w, h = placed.target
    assert size - w - 2 * x in (0, 1)
    assert size - h - 2 * y in (0, 1)
    if how != "pad" and enlarge:
        assert (w, h) == (size, size)
    if how == "pad" and enlarge:
        assert max(w, h) == size
    if not enlarge:
        assert w <= placed.source[2]
        assert h <= placed.source[3]


@given(sides, sides, st.integers(1, 64), hows, st.booleans())
def test_the_record_is_the_fit(width: int, height: int, size: int, how: How, enlarge: bool) -> None:
    placed = place(width, height, size, how, enlarge=enlarge)
    record = json.loads(json.dumps(placed.record()))
    assert Fit(record["how"], tuple(record["source"]), tuple(record["target"])) == placed


@pytest.mark.parametrize(("width", "height"), [(90, 40), (40, 90), (20, 30), (64, 64)])
def test_the_record_is_enough_to_undo_it(width: int, height: int) -> None:
    picture = ramp(width, height)
    square, placed = fit(picture, 64, "pad")
    x, y, w, h = placed.record()["target"]
    back = resized(square[y : y + h, x : x + w], *placed.record()["source"][2:])
    assert back.shape == picture.shape
    assert np.abs(back.astype(int) - picture).max() <= 8


def test_small_picture_is_left_alone_without_enlarging() -> None:
    picture = noise(20, 10)
    for how in get_args(How):
        square, placed = fit(picture, 32, how, enlarge=False)
        assert placed.target == (6, 11, 20, 10)
        assert (square[11:21, 6:26] == picture).all()


def test_top_keeps_the_top_of_a_tall_picture_and_the_middle_of_a_wide_one() -> None:
    assert place(30, 100, 16, "top").source == (0, 0, 30, 30)
    assert place(100, 30, 16, "top").source == (35, 0, 30, 30)
    assert place(30, 100, 16, "cover").source == (0, 35, 30, 30)
    assert place(30, 100, 16, "cover", enlarge=False).source == (0, 35, 30, 30)


def test_fine_lines_shrink_to_grey_and_not_to_moire() -> None:
    lines = np.zeros((300, 300, 3), np.uint8)
    lines[:, ::2] = 255
    small = resized(lines, 64, 64)
    assert np.abs(small[:, 4:-4].astype(int) - 127).max() <= 3


def test_extreme_shape_keeps_one_pixel() -> None:
    square, placed = fit(noise(3000, 2), 64)
    assert placed.target[2:] == (64, 1)
    assert square.shape == (64, 64, 3)


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    frame=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    how=st.sampled_from(["pad", "cover", "top", "stretch"]),
)
def test_a_frame_need_not_be_square(
    width: int, height: int, frame: tuple[int, int], how: How
) -> None:
    placed = place(width, height, frame, how)

    for (x, y, w, h), (wide, high) in (
        (placed.source, (width, height)),
        (placed.target, frame),
    ):
        assert 0 <= x <= x + w <= wide and 0 <= y <= y + h <= high and w and h
    if how == "pad":
        assert placed.source == (0, 0, width, height)
        assert placed.target[2] == frame[0] or placed.target[3] == frame[1]
    else:
        assert placed.target == (0, 0, *frame)
