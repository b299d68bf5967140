"""Many pictures on one."""

import numpy as np
import pytest

from animetools.images.sheet import Pixels, contact_sheet, margins, sheet


def pictures(count: int, *shape: int) -> list[Pixels]:
    return list(np.random.default_rng(0).integers(1, 255, (count, *shape), np.uint8))


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (4, 6, 4)])
@pytest.mark.parametrize("paper", [0, 255])
def test_pictures_stand_row_by_row(shape: tuple[int, ...], paper: int) -> None:
    some = pictures(11, *shape)
    made = sheet(iter(some), 11, 8, paper)
    assert made.shape == (2 * 4, 8 * 6, *shape[2:])
    for number, pixels in enumerate(some):
        y, x = number // 8 * 4, number % 8 * 6
        assert np.array_equal(made[y : y + 4, x : x + 6], pixels)
    assert (made[4:, 3 * 6 :] == paper).all()


def test_captions_stand_below_thumbnails_below_a_heading() -> None:
    some = pictures(9, 40, 30, 3)
    made = contact_sheet([("best", [("1: 0.5", pixels) for pixels in some]), ("worst", [])])
    assert made.shape == (32 + 2 * 144 + 32, 1024, 3)
    assert (made[:32] < 128).any()  # the heading
    assert (made[32 + 128 : 32 + 144, :128] < 128).any()  # the first caption
    assert (made[32 + 144 : 32 + 288, 128:] == 255).all()  # beside the ninth
    bare = contact_sheet([("", [("", some[0])])])
    assert (bare[32 + 128 :] == 255).all()


@pytest.mark.parametrize("shape", [(64, 40), (64, 40, 3), (64, 40, 4)])
@pytest.mark.parametrize("paper", [0, 255])
def test_labels_are_in_the_margins(shape: tuple[int, ...], paper: int) -> None:
    some = pictures(5, *shape)
    words = {"across": ["one", "two\nlines"], "down": ["a", "b", "c"], "captions": ["x"] * 5}
    made = sheet(iter(some), 5, 2, paper, **words)
    left, top, below = margins(40, **words)
    assert made.shape == (top + 3 * (64 + below), left + 80, *shape[2:])
    assert (top, below) == (2 * 16, 16)
    labels = made.copy()
    for number, pixels in enumerate(some):
        y, x = top + number // 2 * (64 + below), left + number % 2 * 40
        assert np.array_equal(made[y : y + 64, x : x + 40], pixels)
        labels[y : y + 64, x : x + 40] = paper
    ink = labels[..., 0] if labels.ndim == 3 else labels
    places = [ink[:top, left : left + 40], ink[:top, left + 40 :]]
    places += [ink[top + n * 80 :][:64, :left] for n in range(3)]
    places.append(ink[top + 64 : top + 80, left : left + 40])
    for place in places:
        assert (abs(place.astype(int) - paper) > 128).any()
    assert (ink[:top, :left] == paper).all()  # the corner
    assert (ink[-below:, left + 40 :] == paper).all()  # below the sixth, which is not there


def test_text_is_cut_where_its_picture_ends_and_grows_with_it() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    long = sheet([white, white], 2, 2, 255, captions=["a name that is far too long", ""])
    assert (long[64:, :64] < 128).any()
    assert (long[64:, 64:] == 255).all()
    assert margins(512, across=["a"])[1] == 2 * margins(64, across=["a"])[1]
