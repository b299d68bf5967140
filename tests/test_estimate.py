"""What a dataset will cost."""

from pathlib import Path

import pytest

from animetools.estimate import PER_IMAGE, duration, forecast


def test_sizes_are_extrapolated(tmp_path: Path) -> None:
    seen = forecast([1000, 1200, 800], 1_000_000, str(tmp_path / "not" / "there.zip"))
    assert seen.likely == (1000 + PER_IMAGE) * 1_000_000
    assert 0 < seen.least < seen.likely
    assert seen.free > 0
    assert str(seen).startswith("1000000 images, about 1.4 GB; ")


def test_what_is_wholly_sampled_is_sure(tmp_path: Path) -> None:
    seen = forecast([10_000, 500], 2, str(tmp_path))
    assert seen.least == seen.likely == 10_500 + 2 * PER_IMAGE
    assert forecast([10_000], 5, str(tmp_path)).least < 5 * 10_000
    assert str(forecast([10_000], 1, str(tmp_path))).startswith("1 image, about ")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "0 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7200, "2 hours"),
        (2e5, "2 days"),
    ],
)
def test_a_duration_is_said_in_its_largest_unit(seconds: float, said: str) -> None:
    assert duration(seconds) == f"about {said}"
