"""Which tags a picture gets, of all those that a tagger knows."""

from collections.abc import Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animetools.tagging.implications import Implications, pruned
from animetools.tagging.names import Names
from animetools.tags import Tag

RATING = "rating"
DIGITS = 4  # of a probability


class Selection:
    """What turns the probabilities of a picture into its tags.

    A tag is selected from its threshold on, and of the ratings the most probable one. Left out are
    `excluded` names, `unwanted` categories and, with `implications`, tags that another one implies.
    """

    def __init__(
        self,
        names: Names,
        thresholds: Sequence[float],
        unwanted: Set[str] = frozenset(),
        excluded: Set[str] = frozenset(),
        implications: Implications | None = None,
    ) -> None:
        self.names, self.implications = names, implications or {}
        self.unwanted, self.excluded = unwanted, excluded
        kinds = [kind for _, kind in names]
        self.ratings = np.array([n for n, kind in enumerate(kinds) if kind == RATING], int)
        self.least = np.where([kind == RATING for kind in kinds], np.inf, thresholds)

    def __call__(
        self, probabilities: NDArray[np.floating[Any]], known: Sequence[Tag] = ()
    ) -> list[Tag]:
        """The tags of a picture: those that are known, then the others, the most probable first."""
        selected = probabilities >= self.least
        if self.ratings.size:
            selected[self.ratings[probabilities[self.ratings].argmax()]] = True
        numbers = np.flatnonzero(selected)
        numbers = numbers[np.argsort(-probabilities[numbers], kind="stable")]
        found = [self._tag(n, float(probabilities[n])) for n in numbers.tolist()]
        there = {tag.name for tag in known}
        tags = [
            tag
            for tag in [*known, *(tag for tag in found if tag.name not in there)]
            if tag.name not in self.excluded and tag.category not in self.unwanted
        ]
        return pruned(tags, self.implications)

    def _tag(self, number: int, probability: float) -> Tag:
        name, category = self.names[number]
        return Tag(name, category, round(probability, DIGITS))
