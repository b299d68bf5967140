"""Which images are kept, by their scores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.ranking.choice import Choice, Share, ranks_of


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("7", 7), ("900", 50), ("100%", 50), ("1%", 1), ("10%", 5), ("0.1", 5), (".5", 25)],
)
def test_a_share_is_a_number_or_a_part(text: str, count: int) -> None:
    assert Share.parse(text).of(50) == count


@pytest.mark.parametrize(
    "text", ["", "0", "0%", "0.0", "101%", "1.0", "1.5", "-1", "x", "nan", "1e3", "%", "."]
)
def test_a_malformed_share_is_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is neither a share of the images, such as 10%"):
        Share.parse(text)


@given(st.lists(st.floats(allow_nan=False, width=32), max_size=20))
def test_ranks_are_a_permutation_in_the_order_of_the_scores(scores: list[float]) -> None:
    ranks = ranks_of(scores)

    assert sorted(ranks) == list(range(1, len(scores) + 1))
    best_first = [score for _, score in sorted(zip(ranks, scores, strict=True))]
    assert best_first == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("scores", "ranks"),
    [([3, 1, 2, 4], [2, 4, 3, 1]), ([1, 1, 1, 0], [1, 2, 3, 4]), ([-5, -6], [1, 2]), ([], [])],
)
def test_of_equal_scores_the_first_ranks_higher(scores: list[float], ranks: list[int]) -> None:
    assert ranks_of(scores) == ranks


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        (Choice(), [1, 2, 3, 4]),
        (Choice(best=Share.parse("50%")), [1, 2]),
        (Choice(worst=Share.parse("1")), [4]),
        (Choice(threshold=0.5), [1, 2, 3]),
    ],
)
def test_a_choice_keeps_one_end_or_what_scores_enough(choice: Choice, kept: list[int]) -> None:
    scores = [2.0, 1.0, 0.5, -1.0]
    ranks = ranks_of(scores)
    found = [
        rank
        for score, rank in zip(scores, ranks, strict=True)
        if not choice.objection(score, rank, 4)
    ]
    assert found == kept


def test_an_objection_has_its_evidence() -> None:
    assert Choice(best=Share(count=1)).objection(0.5, 2, 9) == ("not among the best", "rank 2 of 9")
    assert Choice(worst=Share(count=1)).objection(0.5, 2, 9) == (
        "not among the worst",
        "rank 2 of 9",
    )
    assert Choice(threshold=1).objection(0.5, 2, 9) == ("below the threshold", "0.50000")
