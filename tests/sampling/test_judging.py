"""Which pictures are kept of those that were judged."""

import pytest

from animetools.sampling.judging import best_of


@pytest.mark.parametrize(
    ("scores", "count", "best"),
    [
        ([3, 1, 2, 4], 2, [0, 3]),
        ([1, 1, 1, 0], 2, [0, 1]),
        ([-5, -6], 1, [0]),
        ([1, 2], 2, [0, 1]),
        ([], 0, []),
    ],
)
def test_the_best_are_those_of_the_highest_scores(
    scores: list[float], count: int, best: list[int]
) -> None:
    assert [n for n, is_best in enumerate(best_of(scores, count)) if is_best] == best
