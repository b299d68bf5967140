"""Texts that are nearly the same, against every pair compared."""

import random

import pytest

from animetools.text.judging.duplicates import NEAR, Twins

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


def test_twins_are_those_that_share_enough() -> None:
    rng = random.Random(1)
    found = missed = 0
    for _ in range(400):
        one = text(rng)
        other = list(one)
        for place in rng.sample(range(60), rng.randrange(8)):
            other[place] = "new"
        first, second = " ".join(one), " ".join(other)
        twins = Twins()
        assert twins.twin("a", first) is None
        is_twin = twins.twin("b", second) == "a"
        near = shared(first, second) >= NEAR
        assert near or not is_twin
        found += is_twin
        missed += near and not is_twin
    assert found > 150
    assert missed <= 4  # 1.3 % of those that are just at NEAR, and hardly one above


def test_first_of_many_is_found_and_strangers_are_not() -> None:
    rng = random.Random(2)
    twins = Twins()
    texts = [text(rng) for _ in range(2000)]
    for number, some in enumerate(texts):
        assert twins.twin(str(number), " ".join(some)) is None
    for number in (0, 777, 1999):
        assert twins.twin("x", " ".join(texts[number][:-1])) == str(number)


@pytest.mark.parametrize(
    "other",
    [
        "THE CAT, the hat; and the bat!",
        "the cat\n\nthe hat\tand the bat",
        "“The cat”—the hat… and the bat",
    ],
)
def test_case_blanks_and_punctuation_do_not_matter(other: str) -> None:
    twins = Twins()
    twins.twin("a", "The cat the hat and the bat.")
    assert twins.twin("b", other) == "a"


@pytest.mark.parametrize("short", ["", "!", "one", "one two", "one two three"])
def test_short_texts_are_twins_of_themselves_alone(short: str) -> None:
    twins = Twins()
    assert twins.twin("a", "quite another text") is None
    assert twins.twin("b", short) is None
    assert twins.twin("c", short) == "b"
    assert twins.twin("d", short + " more of it all") is None


def test_twin_of_a_twin_that_was_left_out_is_compared_with_the_first() -> None:
    """What is left out is not kept: a chain of small steps does not carry on for ever."""
    rng = random.Random(3)
    some = text(rng)
    twins = Twins()
    twins.twin("0", " ".join(some))
    names = []
    for step in range(1, 31):
        some[(step * 7) % 60] = f"step{step}"
        names.append(twins.twin(str(step), " ".join(some)))
    assert names[0] == "0"
    assert None in names
