"""The labels of a network's pictures: those that were chosen for all, or for each some by chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from animetools.netfiles.classes import Lists, lists_of, mean_labels
from animetools.sampling.latents import Floats, Latent


@dataclass(frozen=True)
class PossibleLabels:
    """The labels that are possible: `chosen` [c_dim] alone, or `lists` of classes that are 1.

    With neither they are single classes.
    """

    c_dim: int
    lists: Lists | None = None
    chosen: Floats | None = None

    @classmethod
    def of_network(
        cls, names: Sequence[str], lists: Lists | None, class_: str = "", tags: Sequence[str] = ()
    ) -> "PossibleLabels | None":
        """Those of a network with classes of these names, with what --class and --tags choose.

        None for a network without classes. Raises ItemError for an unknown class.
        """
        wanted = lists_of(class_, tags)
        chosen = mean_labels(names, wanted) if wanted else None
        return cls(len(names), lists, chosen) if names else None

    @property
    def count(self) -> int:
        """How many labels are possible."""
        if self.chosen is not None:
            return 1
        return self.c_dim if self.lists is None else len(self.lists)

    def words(self, number: int) -> tuple[int, ...]:
        """The classes that are 1 in the labels of a number, where none were chosen."""
        return (number,) if self.lists is None else self.lists[number]

    def rows(self, numbers: Sequence[int] | NDArray[np.int64]) -> Floats:
        """The labels [n, c_dim] of numbers below `count`."""
        if self.chosen is not None:
            return np.repeat(self.chosen[None], len(numbers), 0)
        made = np.zeros((len(numbers), self.c_dim), np.float32)
        for row, number in zip(made, numbers, strict=True):
            row[list(self.words(number))] = 1
        return made

    def of(self, latents: Sequence[Latent]) -> Floats:
        """The labels [n, c_dim] of latents, which are always the same for a seed."""
        return self.rows([latent.random_class(self.count) for latent in latents])
