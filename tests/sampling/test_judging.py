"""Which pictures are kept of those that were judged."""

import pytest

from animetools.sampling.judging import best_of


@pytest.mark.parametrize(
    ("scores", "share", "best"),
    [
        ([3, 1, 2, 4], 0.5, [0, 3]),
        ([1, 1, 1, 0], 0.5, [0, 1]),
        ([-5, -6], 0.001, [0]),
        ([1, 2], 1, [0, 1]),
        ([], 0.5, []),
    ],
)
def test_the_best_are_a_share_and_at_least_one(
    scores: list[float], share: float, best: list[int]
) -> None:
    assert [n for n, is_best in enumerate(best_of(scores, share)) if is_best] == best
