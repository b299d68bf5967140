"""What is decided about one post: against a plain reading of it, and with hostile conditions."""

import json
import random
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.booru.characters import ranked
from animetools.booru.conditions import Conditions
from animetools.booru.filters import Bound, Filters, ratings_of
from animetools.booru.images import folder_name
from animetools.booru.post import PostError, post_of
from animetools.booru.sample import Sample
from animetools.booru.where import Where
from tests.booru.posts import new, old

NAMES = ["1boy", "1boys", "boy", "solo", "pokémon", 'a"b', "\\m/", "x_(y)", "日本", "+_+"]
SETS = st.frozensets(st.sampled_from(NAMES), max_size=5)


@given(tags=SETS, wanted=SETS, some=SETS, none=SETS, ascii_only=st.booleans(), form=st.booleans())
def test_tags_are_compared_whole(
    tags: frozenset[str],
    wanted: frozenset[str],
    some: frozenset[str],
    none: frozenset[str],
    ascii_only: bool,
    form: bool,
) -> None:
    post = (old if form else new)(1, *sorted(tags), source=" ".join(NAMES))
    line = json.dumps(post, ensure_ascii=ascii_only).encode()
    conditions = Conditions(
        Filters(tag=tuple(wanted), any_tag=tuple(some), no_tag=(",".join(none),))
    )
    is_wanted = wanted <= tags and not none & tags and (not some or bool(some & tags))
    assert (conditions.objection(post_of(line), line) == "") is is_wanted


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "tags", "tag_string", "rating", "file_ext", "name", "category"]
                ),
                inner,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_line_is_a_post_or_an_error(line: bytes) -> None:
    try:
        post = post_of(line)
        Conditions(Filters(tag=("a",), rating=("sfw",))).objection(post, line)
        post.facts()
    except PostError as why:
        assert str(why) and "\n" not in str(why)


@pytest.mark.parametrize(
    ("words", "letters"),
    [("g", "g"), ("sfw", "gs"), ("Safe", "gs"), ("sensitive", "s"), ("q, explicit", "qe")],
)
def test_ratings(words: str, letters: str) -> None:
    assert ratings_of(words) == letters


def test_ratings_in_words_are_those_of_letters() -> None:
    conditions = Conditions(Filters(rating=("sfw",)))
    for rating, objection in {
        "safe": "",
        "general": "",
        "questionable": "rating",
        None: "rating",
    }.items():
        post = {"id": 1, "rating": rating, "tag_string": ""}
        assert conditions.objection(post_of(post), post) == objection


@given(st.integers(0, 10**9))
def test_a_bound_is_written_as_it_is_read(number: int) -> None:
    day = f"{2000 + number % 100}-{number % 12 + 1:02}-{number % 28 + 1:02}"
    for text in (f"{number}", day, day[:7]):
        assert str(Bound.parse(text)) == text


def condition(expression: str, **record: Any) -> bool:
    post = {"id": 7, "tag_string": "smile long_hair", "rating": "s"} | record
    return Where(expression).holds(post, post_of(post))


@pytest.mark.parametrize(
    "field", [b'"score": 1%s' % (b"0" * 30), b'"source": "\xff"', b'"source": [1]']
)
def test_a_field_that_no_condition_can_use_is_an_error_of_its_post(field: bytes) -> None:
    line = b'{"id": 1, "tag_string": "a", %s}' % field
    conditions = Conditions(Filters(where="score > 1 and source > 1 or id > 0"))
    with pytest.raises(PostError):
        conditions.objection(post_of(line), line)


def test_conditions_compute_with_what_is_known() -> None:
    assert condition("id = 7")
    assert condition("score > '9' and score < 100", score="10")
    assert not condition("score > 9")
    assert condition("score is null and fav_count > 1.5", fav_count=2)
    assert condition("tags like '% smile %' and tags not like '% hair %'")
    assert condition("tags glob '* *_hair *'")
    assert condition("rating in ('g', 's') or id > 1 -- a remark", rating="sensitive")
    assert condition("max(image_width, image_height) >= 2 * 8", image_width=3, image_height=16)
    assert condition("1")


@pytest.mark.parametrize(
    "expression",
    [
        "", "1; 2", "id = ", "nothing = 1", "writefile('x', 'y')", "readfile('x')", "random() > 0",
        "load_extension('x')", "(select 1 from sqlite_master)", "zeroblob(1000000000)", "\0", "?",
        "(with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n)",
        "printf('%1000000000d', 1)", "(" * 5000, "id or " * 5000 + "id", "1) from post; --",
        "(select * from pragma_database_list)", "hex(randomblob(99))", "id = 1 or attach",
    ],
)  # fmt: skip
def test_conditions_can_do_nothing_else(expression: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"^--where: "):
        Where(expression)
    assert time.monotonic() - began < 5


def test_every_post_has_the_same_chance() -> None:
    found = [0] * 40
    for seed in range(500):
        sample: Sample[int] = Sample(10, seed)
        gone = [other for n in range(40) if (other := sample.offer(n, n + 1)) is not None]
        kept = sample.things()
        assert kept == sorted(kept)
        assert sorted(kept + gone) == [*range(1, 41)]
        for number in kept:
            found[number - 1] += 1
    assert min(found) > 80 and max(found) < 170  # 125 is expected, with a deviation of 10


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), unique=True))
def test_folders_are_safe_and_different(names: list[str]) -> None:
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    for folder in folders:
        assert folder and "/" not in folder and "\0" not in folder and folder[0] != "."
        assert len(folder.encode()) <= 255
    assert folder_name("a" * 300) != folder_name("a" * 299 + "b")
    assert folder_name("saber_(fate)") == "saber_(fate)"


def test_ranks_are_by_count_then_name() -> None:
    words = random.Random(0).sample(["b"] * 3 + ["a"] * 3 + ["c"] * 4, 10)
    assert ranked(Counter(words)) == [("c", 4), ("a", 3), ("b", 3)]
