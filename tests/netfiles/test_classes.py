"""Classes by number and name, and tags between them."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from animetools.errors import ItemError
from animetools.netfiles.classes import (
    asked,
    classes_in_record,
    completed,
    examples_of,
    labels_in_record,
    labels_of,
    lists_of,
    mean_labels,
)
from animetools.tags import Tag

NAMES = ("blue_hair", "red_hair", "smile", ":3", "fate:0.5")


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        ("blue_hair", [1, 0, 0, 0, 0]),
        ("2,0", [1, 0, 1, 0, 0]),
        ("blue_hair:0.25,smile:.5", [0.25, 0, 0.5, 0, 0]),
        (":3", [0, 0, 0, 1, 0]),
        (":3:0.5", [0, 0, 0, 0.5, 0]),
        ("fate:0.5", [0, 0, 0, 0, 1]),
        ("fate:0.5:0.5", [0, 0, 0, 0, 0.5]),
        ("smile:0", [0, 0, 0, 0, 0]),
        ("-smile,blue_hair", [1, 0, 0, 0, 0]),
        ("-:3,-fate:0.5", [0, 0, 0, 0, 0]),
    ],
)
def test_words_give_labels(words: str, labels: list[float]) -> None:
    assert labels_of(NAMES, words.split(",")).tolist() == labels


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("blu_hair", "there is no class 'blu_hair'; similar ones are blue_hair, red_hair"),
        ("zzz", "there is no class 'zzz' among blue_hair, red_hair"),
        ("99", "there is no class"),
        ("smile:2", "'smile:2': the number behind a class is from 0 to 1"),
        ("smile:nan", "there is no class 'smile:nan'; similar ones are smile"),
        ("smile:-1", "there is no class"),
        ("-smil", "there is no class 'smil'; similar ones are smile"),
        ("", "there is no class ''"),
    ],
)
def test_unknown_words_are_one_sentence(word: str, reason: str) -> None:
    with pytest.raises(ItemError, match=reason):
        labels_of([*NAMES, *map(str.upper, NAMES), *"abcde"], [word])


@pytest.mark.parametrize(
    ("examples", "lists"),
    [
        ([[0, 2], []], ((0, 2), ())),
        (None, ((),)),
        ([], ((),)),
        ([[5]], ((),)),
        ([[-1]], ((),)),
        ([[True]], ((),)),
        ([["smile"]], ((),)),
        ([0], ((),)),
        ([[0]] * 10_001, ((),)),
    ],
)
def test_examples_of_a_stranger_are_checked(examples: Any, lists: Any) -> None:
    assert examples_of({"tags": True, "examples": examples}, 5) == lists
    assert examples_of({"examples": examples}, 5) is None


def test_several_lists_meet_in_the_middle() -> None:
    lists = lists_of("", ["blue_hair,smile", "red_hair,smile"])
    assert mean_labels(NAMES, lists).tolist() == [0.5, 0.5, 1, 0, 0]
    assert mean_labels(NAMES, lists_of("fate:0.5", [])).tolist() == [0, 0, 0, 0, 1]


def test_a_record_gives_the_labels_that_it_was_made_with() -> None:
    labels = np.array([0.25, 0, 1, 0, 0.5], np.float32)
    record = labels_in_record(NAMES, labels)
    assert record["tags"] == [Tag("blue_hair"), Tag("smile"), Tag("fate:0.5")]
    read = json.loads(json.dumps(record))
    assert labels_of(NAMES, classes_in_record(read, NAMES)).tolist() == labels.tolist()
    assert labels_in_record(NAMES, labels_of(NAMES, "12")) == {
        "tags": [Tag("red_hair"), Tag("smile")]
    }
    assert classes_in_record({"tags": "smile,2"}, NAMES) == ("smile", "2")
    tagged = {"tags": [["skirt", "general", 0.4], ["smile", "general", 0.9]]}
    assert classes_in_record(tagged, NAMES) == ("smile",)
    assert classes_in_record({"labels": {"smile": "x", "red_hair": 1}}, NAMES) == (
        "red_hair:1.000000",
    )


BLUE, RED, HAT, CAP, SMILE, GREEN_EYES = range(6)
EXAMPLES = (
    (SMILE, BLUE, GREEN_EYES),
    (RED, HAT, CAP),
    (RED, HAT, SMILE),
    (BLUE,),
)


@pytest.mark.parametrize(
    ("wanted", "lists"),
    [
        ({BLUE: 1}, [(BLUE, SMILE, GREEN_EYES), (BLUE,)]),
        ({BLUE: 0.5, SMILE: 1}, [(BLUE, SMILE, GREEN_EYES)]),
        ({RED: 1, SMILE: 0}, [(RED, HAT, CAP)]),
        ({HAT: 0}, [(BLUE, SMILE, GREEN_EYES), (BLUE,)]),
        # No blue hair has a hat, and no hat is on blue or next to green eyes.
        ({BLUE: 1, HAT: 1}, [(BLUE, HAT, SMILE), (BLUE, HAT), (BLUE, HAT, SMILE), (BLUE, HAT)]),
        # All red hair has a hat, without which there are no caps.
        ({RED: 1, HAT: 0}, [(RED, SMILE), (RED,), (RED, SMILE), (RED,)]),
        ({6: 1}, [(6,)] * 4),
        ({6: 0.5, BLUE: 0}, [(6,)] * 2),
    ],
)
def test_examples_complete_what_is_wanted(
    wanted: dict[int, float], lists: list[tuple[int, ...]]
) -> None:
    found = completed(EXAMPLES, wanted)
    assert sorted(found) == sorted(lists)


def test_all_else_stays_without_a_tag_that_all_have() -> None:
    examples = ((SMILE, BLUE, HAT), (SMILE, RED), (SMILE,))
    assert completed(examples, {SMILE: 0}) == ((BLUE, HAT), (RED,), ())
    assert completed(examples, {SMILE: 0, RED: 1}) == ((RED,),)


def test_a_class_that_begins_with_a_minus_has_numbers_too() -> None:
    assert labels_of(["-_-", "smile"], ["-_-:0.5", "-smile"]).tolist() == [0.5, 0]
    assert labels_of(["-_-", "smile"], ["-_-", "smile:1"]).tolist() == [1, 1]
    assert labels_of(["-_-", "smile"], ["--_-"]).tolist() == [0, 0]


def test_what_is_rarer_beside_a_wanted_tag_is_left_out() -> None:
    examples = ((BLUE, SMILE), (BLUE, CAP), (BLUE,), (SMILE,), (SMILE,), (HAT, CAP))
    found = completed(examples, {BLUE: 1, HAT: 1})
    assert found == ((BLUE, HAT), (BLUE, HAT, CAP), (BLUE, HAT), (BLUE, HAT, CAP))


@given(
    some.lists(some.lists(some.integers(0, 7), max_size=6), min_size=1, max_size=12),
    some.dictionaries(some.integers(0, 7), some.sampled_from([0, 0.5, 1]), min_size=1),
)
def test_what_is_wanted_is_in_all_lists(
    examples: list[list[int]], wanted: dict[int, float]
) -> None:
    each = tuple(map(tuple, examples))
    for tags in completed(each, wanted):
        assert [number in tags for number in wanted] == [weight > 0 for weight in wanted.values()]
        assert len({*tags}) == len(tags)
        assert any({*tags} - {*wanted} <= {*example} for example in each)


def test_a_weight_of_0_is_asked_for_too() -> None:
    lists = lists_of("", ["red_hair:0.5,-smile", "2,blue_hair"])
    assert asked(NAMES, lists) == {0: 0.5, 1: 0.25, 2: 0.5}
    assert asked(NAMES, lists[:1]) == {1: 0.5, 2: 0}
