"""Which tags a picture gets, of all those that a tagger knows."""

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animetools.tagging.implications import Implications, pruned
from animetools.tagging.names import Names
from animetools.tags import Tag

RATING = "rating"
USUAL = 0.5  # threshold
DIGITS = 4  # of a probability


class Selection:
    """What turns the probabilities of a picture into its tags.

    A tag is selected from the threshold of its category on, and of the ratings the most probable
    one. None is of the `excluded` names, or of a category that is not wanted. With `implications`,
    those that another selected tag implies are left out.
    """

    def __init__(
        self,
        names: Names,
        thresholds: Mapping[str, float],
        *,
        unwanted: Set[str] = frozenset(),
        excluded: Set[str] = frozenset(),
        implications: Implications | None = None,
    ) -> None:
        self.names, self.implications = names, implications
        self.ratings = np.array([n for n, (_, kind) in enumerate(names) if kind == RATING], int)
        self.wanted = np.array(
            [kind not in unwanted and name not in excluded for name, kind in names], bool
        )
        self.least = np.array(
            [np.inf if kind == RATING else thresholds.get(kind, USUAL) for _, kind in names]
        )

    def __call__(self, probabilities: NDArray[np.floating[Any]]) -> list[Tag]:
        """The tags of a picture, the most probable first."""
        selected = probabilities >= self.least
        if self.ratings.size:
            selected[self.ratings[probabilities[self.ratings].argmax()]] = True
        numbers = np.flatnonzero(selected & self.wanted)
        numbers = numbers[np.argsort(-probabilities[numbers], kind="stable")]
        tags = [self._tag(n, float(probabilities[n])) for n in numbers.tolist()]
        return pruned(tags, self.implications) if self.implications else tags

    def _tag(self, number: int, probability: float) -> Tag:
        name, category = self.names[number]
        return Tag(name, category, round(probability, DIGITS))
