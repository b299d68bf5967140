"""Lists of numbers, as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.sampling.seeds import LARGEST_SEED, Seeds, compact, parse_grid, parse_psis

SEEDS = st.integers(0, LARGEST_SEED)


def test_both_ends_of_a_range_count() -> None:
    seeds = Seeds.parse("0-3,60,7-7")
    assert list(seeds) == [0, 1, 2, 3, 60, 7]
    assert Seeds.parse("0-50000").count == 50_001


def test_a_huge_range_is_not_laid_out() -> None:
    seeds = Seeds.parse(",".join(["0-4294967295"] * 3))
    assert seeds.count == 3 * 2**32
    assert next(iter(seeds)) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5-2", "seeds 5-2 end before they begin"),
        ("a-b", "not 'a-b'"),
        ("-5", "not '-5'"),
        ("", "not ''"),
        ("1,,2", "not ''"),
        ("1.5", "not '1.5'"),
        ("1-2-3", "not '1-2-3'"),
        ("٣", "whole numbers"),
        ("4294967296", "seeds end at 4294967295, before 4294967296"),
        ("0-99999999999999999999", "whole numbers"),
    ],
)
def test_what_is_no_seed_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        Seeds.parse(text)


@given(st.lists(SEEDS | st.integers(0, 30), min_size=1, max_size=30))
def test_compact_seeds_are_read_back(seeds: list[int]) -> None:
    repeated = [seed for n, seed in enumerate(seeds) if n == 0 or seed != seeds[n - 1]]
    assert list(Seeds.parse(compact(seeds))) == repeated


def test_compact_seeds_are_as_typed() -> None:
    assert compact(iter([0, 0, 1, 2, 9, 4, 5])) == "0-2,9,4-5"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.8", (0.8,)),
        ("-0.7,.5,1", (-0.7, 0.5, 1.0)),
        ("0:0.3:0.1", (0.0, 0.1, 0.2, 0.3)),
        ("1:1:5", (1.0,)),
        ("-0", (0.0,)),
        ("1e-1,5E-1", (0.1, 0.5)),
        ("0:1:0.4,2", (0.0, 0.4, 0.8, 2.0)),
    ],
)
def test_psi_may_be_several(text: str, values: tuple[float, ...]) -> None:
    assert parse_psis(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "nan",
        "inf",
        "",
        "0.5,",
        "1e9",
        "1e-9",
        "0.5,0.50",
        "1:0:0.1",
        "0:1:0",
        "0:1",
        "0:1000:0.0001",
    ],
)
def test_what_is_no_psi_is_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="--psi"):
        parse_psis(text)


def test_a_grid_is_columns_and_rows() -> None:
    assert parse_grid("10x4") == (10, 4)
    for text in ("", "10", "0x4", "x", "10x", "-1x2", "2000x1", "65x64"):
        with pytest.raises(ValueError, match="--grid"):
            parse_grid(text)
