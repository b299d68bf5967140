"""How values are read."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.options import Opt, names_of, options_of
from animetools.options import given as given_flags


@dataclass(frozen=True)
class Some:
    """One option of each kind."""

    min_size: Annotated[int, Opt("A whole number.", "m", "PIXELS", min=0)] = 128
    near: Annotated[float | None, Opt("A share.", unit="SHARE", max=1)] = None
    fit: Annotated[Literal["pad", "cover"], Opt("One of two.")] = "pad"
    format: Annotated[Literal["png", "jpg"], Opt("One of two.")] = "png"
    name: Annotated[str, Opt("A word.")] = ""
    enlarge: Annotated[bool, Opt("Leave small ones small.")] = True


SIZE, NEAR, FIT, FORMAT, NAME, ENLARGE = options_of(Some)


def test_flags_and_units_come_from_the_fields() -> None:
    assert [option.flag for option in (SIZE, NEAR, FIT, NAME, ENLARGE)] == [
        "--min-size", "--near", "--fit", "--name", "--no-enlarge",
    ]  # fmt: skip
    assert [option.unit for option in (SIZE, NEAR, FIT, NAME, ENLARGE)] == [
        "PIXELS", "SHARE", "pad|cover", "TEXT", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("40k", 40_000), ("178M", 178_000_000), ("2G", 2 * 10**9)]
)
def test_whole_numbers_take_thousands(text: str, value: int) -> None:
    assert SIZE.parse(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("99%", 0.99), ("0.5", 0.5), (".5", 0.5), ("1e-4", 1e-4), ("-1", -1)]
)
def test_numbers_take_hundredths(text: str, value: float) -> None:
    assert NEAR.parse(text) == pytest.approx(value)


@pytest.mark.parametrize("option", [SIZE, NEAR])
@given(text=st.text(max_size=8))
def test_anything_else_is_a_sentence_with_the_option(option, text: str) -> None:  # type: ignore[no-untyped-def]
    try:
        assert isinstance(option.parse(text), int | float)
    except ValueError as why:
        assert option.flag in str(why)


def test_a_share_above_1_is_taken_for_a_percentage() -> None:
    with pytest.raises(ValueError, match="--near is at most 1: write 95% if"):
        NEAR.parse("95")
    with pytest.raises(ValueError, match="--near is at most 1, not 120%"):
        NEAR.parse("120%")


def test_two_numbers_for_one_name_what_is_meant() -> None:
    with pytest.raises(ValueError, match="--min-size takes one number, not '10x20': A whole"):
        SIZE.parse("10x20")


@pytest.mark.parametrize(
    ("text", "value"), [("jpeg", "jpg"), ("JPG", "jpg"), ("Jpeg", "jpg"), ("PNG", "png")]
)
def test_choices_are_known_by_their_other_spellings(text: str, value: str) -> None:
    assert FORMAT.parse(text) == value


def test_choices_are_listed() -> None:
    with pytest.raises(ValueError, match="--fit is one of pad, cover, not 'x'"):
        FIT.parse("x")


@dataclass(frozen=True)
class Repeated:
    """An option that may be repeated."""

    set_: Annotated[tuple[str, ...], Opt("Pairs.", unit="NAME=VALUE")] = ()
    name: Annotated[str, Opt("A word.")] = ""


def test_an_option_may_be_repeated() -> None:
    (option, _) = options_of(Repeated)
    assert (option.flag, option.unit, option.usual, option.many) == (
        "--set",
        "NAME=VALUE",
        "",
        True,
    )


def test_what_was_typed_is_known_by_its_value() -> None:
    names = names_of(Repeated)
    assert names == {"set_", "name"}
    assert given_flags(Repeated(), names) == []
    assert given_flags(Repeated(("a=1",), "x"), names) == ["--set", "--name"]
    assert given_flags(Repeated(("a=1",), "x"), {"name"}) == ["--name"]


def fractions(text: str) -> tuple[Fraction, ...]:
    """Those of "1/2,3"."""
    if not text:
        raise ValueError("a fraction is written as 1/2, not ''")
    return tuple(map(Fraction, text.split(",")))


@dataclass(frozen=True)
class Parsed:
    """Options that hold more than text."""

    psi: Annotated[tuple[Fraction, ...], Opt("Some.", unit="PSI", parse=fractions)] = ()
    one: Annotated[Fraction | None, Opt("One.", parse=Fraction)] = Fraction(1, 2)


def test_an_option_may_hold_what_is_parsed_of_its_text() -> None:
    psi, one = options_of(Parsed)
    assert (psi.unit, psi.usual, psi.many, one.unit, one.usual) == ("PSI", "", False, "TEXT", "1/2")
    assert psi.parse("1/2,3") == (Fraction(1, 2), Fraction(3))
    assert one.parse("0.25") == Fraction(1, 4)
    with pytest.raises(ValueError, match="--psi: a fraction is written as 1/2, not ''"):
        psi.parse("")
