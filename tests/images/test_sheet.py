"""Many pictures on one."""

import numpy as np
import pytest

from animetools.images.sheet import Pixels, contact_sheet, sheet


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
