"""Lists of numbers, as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.sampling.seeds import LARGEST_SEED, Grid, Psis, Seeds, compact

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
        ("5-2", "the seeds 5-2 end before they begin"),
        ("a-b", "not 'a-b'"),
        ("-5", "not '-5'"),
        ("", "not ''"),
        ("1,,2", "not ''"),
        ("1.5", "not '1.5'"),
        ("1-2-3", "not '1-2-3'"),
        ("٣", "whole numbers"),
        ("4294967296", "the largest seed is 4294967295, not 4294967296"),
        ("0-99999999999999999999", "whole numbers"),
    ],
)
def test_malformed_seeds_are_one_sentence(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        Seeds.parse(text)


@given(st.lists(SEEDS | st.integers(0, 30), min_size=1, max_size=30))
def test_compact_seeds_are_read_back(seeds: list[int]) -> None:
    repeated = [seed for n, seed in enumerate(seeds) if n == 0 or seed != seeds[n - 1]]
    parsed = Seeds.parse(compact(seeds))
    assert list(parsed) == repeated
    assert str(parsed) == compact(seeds)


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
        ("0:2e-1:1e-1", (0.0, 0.1, 0.2)),
    ],
)
def test_psi_may_be_several(text: str, values: tuple[float, ...]) -> None:
    psis = Psis.parse(text)
    assert psis == values
    assert Psis.parse(str(psis)) == psis


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
        "e1",
        "1e",
        "1e99",
        "0.12345678",
        "0.5,0.50",
        "1:0:0.1",
        "0:1:0",
        "0:1",
        "0:1000:0.0001",
    ],
)
def test_a_malformed_psi_is_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"psi|twice|go up|not a number"):
        Psis.parse(text)


def test_a_grid_is_columns_and_rows() -> None:
    assert Grid.parse("10x4") == (10, 4)
    assert Grid.parse("1000x1") == (1000, 1)
    assert str(Grid.parse("010x4")) == "10x4"
    for text in ("", "10", "0x4", "00x4", "x", "10x", "-1x2", "5000x1", "65x64", "9999999999x1"):
        with pytest.raises(ValueError, match=r"columns and rows|pictures a sheet"):
            Grid.parse(text)
