"""Edits: what is typed, and what is added to w."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.editing.directions import Direction, Directions
from animetools.editing.edits import shift_of
from animetools.editing.grammar import Edit, Edits, Strip
from animetools.errors import ItemError
from animetools.sampling.layers import Rows

NAMES = st.text(
    st.characters(exclude_characters=",", exclude_categories=["C", "Z"]), min_size=1, max_size=9
).filter(lambda name: Edits.parse(f"{name}=1")[0].name == name)
ROWS = st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda both: Rows(*sorted(both)))
EDITS = st.builds(
    Edit, NAMES, st.integers(-(10**9), 10**9).map(lambda n: n / 10**6 + 0.0), st.none() | ROWS
)
VECTORS = st.lists(st.integers(-9, 9), min_size=6, max_size=6).filter(any)


@given(st.lists(EDITS, min_size=1, max_size=4))
def test_edits_are_read_as_they_are_written(edits: list[Edit]) -> None:
    assert list(Edits.parse(str(Edits(edits)))) == edits


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("smile", [Edit("smile")]),
        ("smile=1.5, blue_hair=-2@0-7", [Edit("smile", 1.5), Edit("blue_hair", -2, Rows(0, 7))]),
        ("=_=", [Edit("=_=")]),
        ("=_==2@3", [Edit("=_=", 2, Rows(3, 3))]),
        ("@_@=.5", [Edit("@_@", 0.5)]),
        ("hat@4-5", [Edit("hat", 1, Rows(4, 5))]),
        ("hat=-0", [Edit("hat", 0.0)]),
    ],
)
def test_names_may_have_any_sign(text: str, edits: list[Edit]) -> None:
    assert list(Edits.parse(text)) == edits


@pytest.mark.parametrize("text", ["", "smile,", "hat=1001", "hat=1@5-4"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an edit|beyond 1000|not ranges"):
        Edits.parse(text)


def direction(name: str, vector: list[int], rows: Rows | None = None) -> Direction:
    """A direction of spread 2."""
    unit = np.array(vector, np.float64)
    return Direction(name, (unit / np.linalg.norm(unit)).astype(np.float32), 2.0, rows)


def test_amounts_are_spreads_in_the_rows_of_the_direction_or_the_edit() -> None:
    both = Directions((direction("a", [1, 0]), direction("b", [0, 1], Rows(1, 2))))
    shift = shift_of(Edits.parse("a=0.5,b=-1,b=2@0"), both, 4)
    assert shift.dtype == np.float32
    assert shift.tolist() == [[1, 4], [1, -2], [1, -2], [1, 0]]


@given(VECTORS, st.lists(VECTORS, min_size=1, max_size=3), st.floats(-5, 5))
def test_what_is_kept_does_not_change(
    vector: list[int], others: list[list[int]], amount: float
) -> None:
    kept = [direction(f"kept{n}", other) for n, other in enumerate(others)]
    all_ = Directions((direction("a", vector), *kept))
    try:
        shift = shift_of([Edit("a", amount)], all_, 2, [each.name for each in kept])
    except ItemError as why:
        assert "cannot change while these are kept" in str(why)
        return
    assert np.abs(shift @ np.array([each.vector for each in kept]).T).max() < 1e-4
    assert np.linalg.norm(shift[0]) == pytest.approx(2 * abs(amount), abs=1e-4)


def test_an_edit_may_be_kept_itself() -> None:
    both = Directions((direction("a", [1, 0]), direction("b", [1, 1])))
    shift = shift_of(Edits.parse("a,b"), both, 1, ["a"])
    assert shift[0] == pytest.approx([2, 2])
    with pytest.raises(ItemError, match="b cannot change while these are kept: a, c"):
        shift_of([Edit("b")], Directions((*both.found, direction("c", [0, 1]))), 1, ["a", "c"])


def test_rows_that_the_network_lacks_are_refused() -> None:
    with pytest.raises(ItemError, match=r"a=1@3-4: this network has the rows 0-3 of w"):
        shift_of(Edits.parse("a=1@3-4"), Directions((direction("a", [1]),)), 4)


def test_a_strip_is_numbers_or_a_range() -> None:
    assert Strip.parse("-3:3:1.5") == (-3, -1.5, 0, 1.5, 3)
    assert str(Strip.parse("0,2.5")) == "0,2.5"
    for text in ("", "1,1", "3:1:1", "a"):
        with pytest.raises(ValueError, match="neither different numbers"):
            Strip.parse(text)
