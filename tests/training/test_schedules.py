"""Settings that change during a run."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.training.schedules import counts, lengths, rates, shares, value_at, values

ARTICLE = "128,32px:64,64px:32,128px:16,256px:8,512px:4"


@pytest.mark.parametrize(
    ("schedule", "kimg", "size", "number"),
    [
        ("0.002", 0, 8, 0.002),
        ("0.002,1000:0.001", 999, 512, 0.002),
        ("0.002,1000:0.001", 1000, 512, 0.001),
        (ARTICLE, 0, 16, 128),
        (ARTICLE, 0, 32, 64),
        (ARTICLE, 9999, 1024, 4),
        ("0.001,512px:0.003,20000:0.0003", 20000, 512, 0.0003),  # the last that has begun
        ("0.001,20000:0.0003,512px:0.003", 20000, 512, 0.003),
    ],
)
def test_the_last_that_has_begun_counts(
    schedule: str, kimg: float, size: int, number: float
) -> None:
    assert value_at(schedule, kimg, size) == number


@given(st.lists(st.integers(1, 4096), min_size=1, max_size=5), st.floats(0, 1e6), st.booleans())
def test_a_number_is_one_of_those_that_are_possible(
    numbers: list[int], kimg: float, by_size: bool
) -> None:
    first, *later = numbers
    unit = "px" if by_size else ""
    schedule = f"{first}" + "".join(f",{64 << i}{unit}:{n}" for i, n in enumerate(later))
    assert counts(schedule) == schedule
    assert value_at(schedule, kimg, 128) in values(schedule, 128)
    assert values(schedule, 128) == (numbers[:3] if by_size else numbers)


MALFORMED = ["", "x", "nan", "1,5", "1,:2", "1,5:", "1,px:2", "1,5:2,5:3", "1,64px:2,8px:3"]


@pytest.mark.parametrize(
    ("check", "schedules", "reason"),
    [
        (rates, ["1", "-1", "0.1,5:inf", "0.1,inf:0.1"], "neither a rate nor rates by kimg or by size"),
        (shares, ["2", "-1", "1,100:1.5", "1,100:0.5,50:0.2"], "neither a share from 0 to 1 nor"),
        (counts, ["0", "5000", "2.5", "8,64px:-1"], "neither a whole number from 1 to 4096 nor"),
        (lengths, ["-1", "inf", "600,5:600"], "neither a number of kimg nor such numbers by size"),
    ],
)  # fmt: skip
def test_malformed_schedules_are_refused(
    check: Callable[[str], str], schedules: list[str], reason: str
) -> None:
    for schedule in MALFORMED + schedules:
        with pytest.raises(ValueError, match=reason):
            check(schedule)
    assert check("1,64px:1" if check is not rates else "0.5,8px:0.1")
