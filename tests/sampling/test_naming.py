"""What files are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.sampling.naming import Name, check_distinct, parse_name, shown
from animetools.sampling.seeds import parse_psis


def test_fields_are_filled() -> None:
    name = Name.parse("a/{seed:04}-{psi}-{psi:.1f}{{}}-{class}-{index}")
    facts = {"seed": 7, "psi": 0.75, "class": "red/hair", "index": 3}
    assert name.fill(facts) == "a/0007-0.75-0.8{}-red_hair-3"


@pytest.mark.parametrize(
    "text",
    ["{sed}", "{seed", "seed}", "{}", "{0}", "{seed.real}", "{seed[0]}", "{seed!r}", "{seed:099999}",
     "{seed:{psi}}", "{psi:e}", "", "a/", "a/.."],
)  # fmt: skip
def test_what_is_no_name_is_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="--name") as why:
        Name.parse(text)
    assert "\n" not in str(why.value)


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_one_sentence(text: str) -> None:
    try:
        name = Name.parse(text)
    except ValueError as why:
        assert str(why).startswith("--name")
    else:
        assert isinstance(name.fill({"seed": 1, "psi": 0.5, "index": 0}), str)


def test_the_extension_is_the_format() -> None:
    assert parse_name("x{seed}.JPG", None)[1] == ".JPG"
    assert parse_name("x{seed}", None)[1] == ".png"
    assert parse_name("x{seed}.v2", "webp")[1] == ".webp"
    with pytest.raises(ValueError, match="no name for --format png"):
        parse_name("x{seed}.jpg", "png")


@pytest.mark.parametrize(
    ("text", "psis", "several", "seeds", "good"),
    [
        ("{seed}", (0.5,), True, True, True),
        ("x", (0.5,), True, True, False),
        ("x", (), False, True, True),
        ("{seed}", (0.5, 0.8), True, True, False),
        ("{seed}{psi}", (0.5, 0.8), True, True, True),
        ("{seed}{psi:.0f}", (0.5, 0.8, 1.2), True, True, False),
        ("{psi}", (0.5, 0.8), False, True, True),
        ("{seed}", (), True, False, False),  # latents have no seed
        ("{file}", (), True, False, False),
        ("{index}", (0.5, 0.8), True, False, True),
    ],
)
def test_names_must_tell_files_apart(
    text: str, psis: tuple[float, ...], several: bool, seeds: bool, good: bool
) -> None:
    name = Name.parse(text)
    if good:
        check_distinct(name, psis, several=several, seeds=seeds)
    else:
        with pytest.raises(ValueError, match="--name needs"):
            check_distinct(name, psis, several=several, seeds=seeds)


@given(st.integers(-(10**12), 10**12))
def test_a_psi_is_shown_as_it_is_typed(millionths: int) -> None:
    psi = millionths / 10**6
    if abs(psi) < 10**6:
        assert parse_psis(shown(psi)) == (psi,)
