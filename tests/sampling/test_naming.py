"""What files are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.sampling.naming import NameTemplate, Naming
from animetools.sampling.seeds import Grid, Psis, shown


def test_fields_are_filled() -> None:
    name = NameTemplate.parse("a/{seed:04}-{psi}-{psi:.1f}{{}}-{class}-{index}")
    facts = {"seed": 7, "psi": 0.75, "class": "red/hair", "index": 3}
    assert name.fill(facts) == "a/0007-0.75-0.8{}-red_hair-3"


@pytest.mark.parametrize(
    "text",
    ["{sed}", "{seed", "seed}", "{}", "{0}", "{seed.real}", "{seed[0]}", "{seed!r}", "{seed:099999}",
     "{seed:{psi}}", "{psi:e}", "", "a/", "a/.."],
)  # fmt: skip
def test_what_is_no_name_is_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"name|field|[{}]") as why:
        NameTemplate.parse(text)
    assert "\n" not in str(why.value)


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_one_sentence(text: str) -> None:
    try:
        name = NameTemplate.parse(text)
    except ValueError as why:
        assert "\n" not in str(why).replace(text, "")
    else:
        assert isinstance(name.fill({"seed": 1, "psi": 0.5, "index": 0}), str)


def test_the_extension_is_the_format() -> None:
    name = NameTemplate.parse("x{seed}.JPG")
    assert (name.extension, name.image_format) == (".JPG", "jpg")
    for text in ("x{seed}", "x{seed}.v2"):
        name = NameTemplate.parse(text)
        assert (name.extension, name.image_format) == ("", None)
        assert name.fill({"seed": 1}) == text.replace("{seed}", "1")
    for ending in (".gif", ".MP4"):
        with pytest.raises(ValueError, match=r"give \.png, \.jpg or \.webp"):
            NameTemplate.parse("x" + ending)


@pytest.mark.parametrize(
    ("text", "psis", "seeds", "good"),
    [
        ("{seed}", "0.5", 2, True),
        ("x", "0.5", 2, False),
        ("x", "", 1, True),
        ("{seed}", "0.5,0.8", 2, False),
        ("{seed}{psi}", "0.5,0.8", 2, True),
        ("{seed}{psi:.0f}", "0.5,0.8,1.2", 2, False),
        ("{psi}", "0.5,0.8", 1, True),
        ("{seed}", "", None, False),  # latents have no seed
        ("{file}", "", None, False),
        ("{index}", "0.5,0.8", None, True),
    ],
)
def test_names_must_tell_files_apart(text: str, psis: str, seeds: int | None, good: bool) -> None:
    naming = Naming(Psis.parse(psis) if psis else None, NameTemplate.parse(text))
    if good:
        naming.check_distinct(seeds)
    else:
        with pytest.raises(ValueError, match=r"needs \{"):
            naming.check_distinct(seeds)


def test_all_on_one_sheet_need_no_name_of_their_own() -> None:
    naming = Naming(None, NameTemplate.parse("x"), Grid(2, 2))
    naming.check_distinct(4)
    assert (naming.file_count(4), naming.file_count(5)) == (1, 2)
    with pytest.raises(ValueError, match=r"needs \{seed\} or \{index\}"):
        naming.check_distinct(5)


@given(st.integers(-(10**12), 10**12))
def test_a_psi_is_shown_as_it_is_typed(millionths: int) -> None:
    psi = millionths / 10**6
    if abs(psi) < 10**6:
        assert Psis.parse(shown(psi)) == (psi,)
