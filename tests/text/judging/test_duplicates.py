"""Near-duplicate texts, against a plain comparison of every pair."""

import random

import pytest

from animetools.text.judging.duplicates import NearDuplicates

WORDS = [f"word{n}" for n in range(3000)]


def text(rng: random.Random, length: int = 60) -> list[str]:
    """So many words."""
    return rng.choices(WORDS, k=length)


def shared(one: str, other: str) -> float:
    """Jaccard's index of all runs of three words, the plain way."""
    sets = [
        {tuple(some[n : n + 3]) for n in range(len(some) - 2)}
        for some in (one.split(), other.split())
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize("near", [0.5, 0.7])
def test_near_duplicates_are_those_that_share_enough(near: float) -> None:
    rng = random.Random(1)
    found = missed = 0
    for _ in range(400):
        one = text(rng)
        other = list(one)
        for place in rng.sample(range(60), rng.randrange(8 if near == 0.7 else 12)):
            other[place] = "new"
        first, second = " ".join(one), " ".join(other)
        texts = NearDuplicates(near)
        assert texts.find_or_add("a", first) is None
        is_found = texts.find_or_add("b", second) == "a"
        is_near = shared(first, second) >= near
        assert is_near or not is_found
        found += is_found
        missed += is_near and not is_found
    assert found > 150
    assert missed <= 4  # 1.3 % of those that are just near enough, and hardly one above


def test_first_of_many_is_found_and_strangers_are_not() -> None:
    rng = random.Random(2)
    known = NearDuplicates(0.7)
    texts = [text(rng) for _ in range(2000)]
    for number, some in enumerate(texts):
        assert known.find_or_add(str(number), " ".join(some)) is None
    for number in (0, 777, 1999):
        assert known.find_or_add("x", " ".join(texts[number][:-1])) == str(number)


@pytest.mark.parametrize(
    "other",
    [
        "THE CAT, the hat; and the bat!",
        "the cat\n\nthe hat\tand the bat",
        "“The cat”—the hat… and the bat",
    ],
)
def test_case_blanks_and_punctuation_do_not_matter(other: str) -> None:
    known = NearDuplicates(0.7)
    known.find_or_add("a", "The cat the hat and the bat.")
    assert known.find_or_add("b", other) == "a"


@pytest.mark.parametrize("short", ["", "!", "one", "one two", "one two three"])
def test_short_texts_are_duplicates_of_themselves_alone(short: str) -> None:
    known = NearDuplicates(0.7)
    assert known.find_or_add("a", "quite another text") is None
    assert known.find_or_add("b", short) is None
    assert known.find_or_add("c", short) == "b"
    assert known.find_or_add("d", short + " more of it all") is None


def test_a_text_like_one_that_was_left_out_is_compared_with_the_first() -> None:
    """What is left out is not kept: a chain of small steps does not go on for ever."""
    rng = random.Random(3)
    some = text(rng)
    known = NearDuplicates(0.7)
    known.find_or_add("0", " ".join(some))
    names = []
    for step in range(1, 31):
        some[(step * 7) % 60] = f"step{step}"
        names.append(known.find_or_add(str(step), " ".join(some)))
    assert names[0] == "0"
    assert None in names
