"""What outputs depend on, written down and read again."""

import json
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.colors import WHITE, Color
from animetools.options import Opt
from animetools.settings import Settings


@dataclass(frozen=True)
class Made:
    """Options of every kind."""

    size: Annotated[int, Opt("A whole number.")] = 5
    share: Annotated[float | None, Opt("A number.")] = None
    enlarge: Annotated[bool, Opt("A switch that is on.")] = True
    mirror: Annotated[bool, Opt("A switch.")] = False
    class_: Annotated[str, Opt("A word that Python keeps.")] = ""
    words: Annotated[tuple[str, ...], Opt("Several words.")] = ()
    color: Annotated[Color, Opt("A color.", parse=Color.parse)] = WHITE
    kind: Annotated[str, Opt("A word.")] = "png"
    quality: Annotated[int, Opt("Of JPEG.", affects=lambda options: options.kind == "jpg")] = 95
    jobs: Annotated[int, Opt("It changes no output.", affects=False)] = 1


LEVELS = st.integers(0, 255)
MADE = st.builds(
    Made,
    size=st.integers(),
    share=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    enlarge=st.booleans(),
    mirror=st.booleans(),
    class_=st.text(),
    words=st.lists(st.text()).map(tuple),
    color=st.builds(Color, LEVELS, LEVELS, LEVELS),
    kind=st.sampled_from(["png", "jpg"]),
    quality=st.integers(1, 100),
    jobs=st.integers(),
)


def written(options: Made) -> dict[str, Any]:
    words: dict[str, Any] = json.loads(json.dumps(Settings.of("maker", options).words()))
    return words


def difference(then: dict[str, Any], now: Made) -> tuple[str, str] | None:
    return Settings.of("maker", now).difference(then)


@given(MADE)
def test_what_is_written_down_means_the_same(made: Made) -> None:
    assert difference(written(made), made) is None
    assert difference(written(made), replace(made, size=made.size + 1)) is not None


@given(MADE)
def test_what_is_not_written_down_was_the_default(made: Made) -> None:
    then = written(made)
    for name in ("share", "class", "words", "color"):
        del then[name]
    usual = replace(made, share=None, class_="", words=(), color=WHITE)
    assert difference(then, usual) is None


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        (Made(), Made(size=6), ("with --size 5", "with --size 6")),
        (Made(), Made(mirror=True), ("without --mirror", "with --mirror")),
        (Made(), Made(enlarge=False), ("without --no-enlarge", "with --no-enlarge")),
        (Made(class_="a"), Made(class_="b"), ("with --class a", "with --class b")),
        (Made(words=("a", "b")), Made(), ("with --words a b", "without --words")),
        (Made(), Made(color=Color(255, 0, 0)), ("with --color white", "with --color #ff0000")),
        (Made(kind="jpg"), Made(kind="jpg", quality=8), ("with --quality 95", "with --quality 8")),
        (Made(), Made(quality=8, jobs=2), None),
    ],
)
def test_a_difference_is_told_as_it_is_typed(
    then: Made, now: Made, said: tuple[str, str] | None
) -> None:
    assert difference(written(then), now) == said


def test_two_spellings_of_one_value_are_one_setting() -> None:
    then = written(Made()) | {"color": "Red", "class_": "smile"}
    del then["class"]  # older versions wrote the underscore
    assert difference(then, Made(color=Color(255, 0, 0), class_="smile")) is None
    assert difference(then | {"color": "ultraviolet"}, Made(class_="smile")) == (
        "with --color ultraviolet",
        "with --color white",
    )


def test_facts_are_settings_too() -> None:
    settings = Settings.of("maker", Made()).keyed(network="abc", size=7)
    then = settings.words()
    assert settings.difference(then | {"gone": 1}) is None
    assert settings.difference(then | {"network": "def"}) == (
        "with --network def",
        "with --network abc",
    )
    assert settings.difference(then | {"size": 6}) == ("with --size 6", "with --size 7")
    assert settings.difference(then | {"command": "other"}) == ("by other", "by maker")


@given(LEVELS, LEVELS, LEVELS)
def test_a_color_is_read_as_it_is_shown(red: int, green: int, blue: int) -> None:
    assert Color.parse(str(Color(red, green, blue))) == (red, green, blue)
