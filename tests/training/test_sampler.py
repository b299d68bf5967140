"""The order of the images: the original's, endless, and given by a number alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.training.sampler import Sampler
from tests.conftest import ROOT

MISC = json.loads((ROOT / "tests/golden/training/misc.json").read_text())

COUNTS = st.integers(1, 40)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("sampler_n10_seed0", Sampler(10, 0)),
        ("sampler_n7_seed3", Sampler(7, 3)),
    ],
)
def test_order_is_that_of_the_original(name: str, sampler: Sampler) -> None:
    assert sampler.draw(len(MISC[name])) == MISC[name]


@given(COUNTS, SEEDS, st.lists(st.integers(0, 30), max_size=6))
def test_draws_do_not_depend_on_how_many_are_asked_for(
    count: int, seed: int, sizes: list[int]
) -> None:
    pieces = Sampler(count, seed)
    together = [number for size in sizes for number in pieces.draw(size)]
    assert together == Sampler(count, seed).draw(sum(sizes))
    assert pieces.position == sum(sizes)


@given(COUNTS, SEEDS, st.integers(0, 200))
def test_position_is_all_that_going_on_needs(count: int, seed: int, start: int) -> None:
    first = Sampler(count, seed)
    first.draw(start)
    second = Sampler(count, seed, start=start)
    assert second.position == first.position
    assert second.draw(50) == first.draw(50)


def test_many_are_passed_over_as_one_by_one() -> None:
    first = Sampler(1000, 5)
    for _ in range(30):
        first.draw(5000)
    assert Sampler(1000, 5, start=150_000).draw(100) == first.draw(100)


@given(COUNTS, SEEDS)
def test_an_image_comes_again_after_half_the_list_at_the_earliest(count: int, seed: int) -> None:
    drawn = Sampler(count, seed).draw(20 * count)
    assert set(drawn) == set(range(count))
    last: dict[int, int] = {}
    for place, number in enumerate(drawn):
        assert place - last.get(number, -count) >= count // 2
        last[number] = place


@pytest.mark.parametrize("count", [1, 2])
def test_few_images_go_round(count: int) -> None:
    drawn = Sampler(count, 0).draw(6)
    assert drawn == drawn[:count] * (6 // count)
