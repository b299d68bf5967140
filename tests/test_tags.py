"""Tags in records and captions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.errors import ItemError
from animetools.tags import LONGEST_NAME, Tag, caption_of, names_in, of_face, tags_of, with_spaces

names = st.text(st.characters(exclude_characters=",", exclude_categories=["C", "Z"]), min_size=1)


def test_tags_survive_a_record() -> None:
    tags = [Tag("smile", "general", 0.75), Tag("hakurei_reimu", "character")]
    assert tags_of(json.loads(json.dumps({"tags": tags}))) == tags
    assert tags_of({}) == []


@pytest.mark.parametrize(
    "tags",
    [
        "smile",
        {"smile": 1},
        ["smile"],
        [["smile", "general"]],
        [["smile", "general", 2]],
        [["smile", "general", float("nan")]],
        [["", "general", 1]],
        [["x" * (LONGEST_NAME + 1), "general", 1]],
        [[1, "general", 1]],
        [["smile", 0, 1]],
        [["smile", "general", 1]] * 20_001,
    ],
)
def test_malformed_tags_of_a_record_are_refused(tags: object) -> None:
    with pytest.raises(ItemError, match="record"):
        tags_of({"tags": tags})


@given(st.lists(names, unique=True))
def test_a_caption_is_read_back(listed: list[str]) -> None:
    assert names_in(caption_of(listed)) == listed


@pytest.mark.parametrize("name", ["a,b", "a\nb", "a\rb", "a\x85b", "a\u2028b", "\0"])
def test_a_name_that_would_be_read_as_two_is_refused(name: str) -> None:
    with pytest.raises(ItemError, match="caption"):
        caption_of(["smile", name])


def test_a_caption_with_spaces_keeps_the_underscores_of_faces() -> None:
    faces = [
        "0_0",
        "(o)_(o)",
        "+_+",
        "._.",
        "<o>_<o>",
        "=_=",
        ">_<",
        ">_o",
        "@_@",
        "^_^",
        "o_o",
        "u_u",
        "|_|",
        "||_||",
    ]
    assert [with_spaces(face) for face in faces] == faces
    assert caption_of(["long_hair", ">_<", "1girl"], spaces=True) == "long hair, >_<, 1girl"
    assert names_in("long hair,  smile ,\nsmile,, 1girl") == ["long_hair", "smile", "1girl"]


def test_a_face_keeps_the_tags_that_speak_of_it() -> None:
    kept = (
        "long_hair blue_eyes :d ;d :o >_< x3 smile cat_ears hair_flower witch_hat twintails glasses"
        " v-shaped_eyebrows one_eye_closed looking_at_viewer monochrome earrings blunt_bangs halo"
    )
    lost = "skirt sky 1girl solo multiple_girls outdoors standing ribbon shirt necktie bear wearing"
    tags = [Tag(name) for name in f"{kept} {lost}".split()]
    assert [tag.name for tag in of_face(tags)] == kept.split()


def test_a_face_keeps_who_it_is_and_who_drew_it() -> None:
    tags = [Tag("touhou", "copyright"), Tag("reimu", "character"), Tag("highres", "meta")]
    assert of_face(tags) == tags[:2]
