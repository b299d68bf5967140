"""The labels of a network's pictures: for each some by chance, among those that were asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from animetools.netfiles.classes import Lists, asked, completed, lists_of
from animetools.sampling.latents import Floats, Latent


@dataclass(frozen=True)
class PossibleLabels:
    """The labels that are possible: `lists` of classes that are 1, or each class alone.

    `asked` are classes whose weights are the same in all, and None where nothing was asked for.
    """

    c_dim: int
    lists: Lists | None = None
    asked: Mapping[int, float] | None = None

    @classmethod
    def of_network(
        cls,
        names: Sequence[str],
        examples: Lists | None,
        class_: str = "",
        tags: Sequence[str] = (),
    ) -> "PossibleLabels | None":
        """Those of a network with classes of these names, with what --class and --tags ask for.

        Tags are completed by `examples`. A class, or no tags, or tags without examples are one label.
        None for a network without classes. Raises ItemError for an unknown class.
        """
        wanted = lists_of(class_, tags)
        if not wanted:
            return cls(len(names), examples) if names else None
        weights = asked(names, wanted)
        if class_ or not weights or examples is None:
            return cls(len(names), ((),), weights)
        return cls(len(names), completed(examples, weights), weights)

    @property
    def count(self) -> int:
        """How many labels are possible."""
        return self.c_dim if self.lists is None else len(self.lists)

    def words(self, number: int) -> tuple[int, ...]:
        """The classes that are 1 in the labels of a number, before the weights of those asked for."""
        return (number,) if self.lists is None else self.lists[number]

    def rows(self, numbers: Sequence[int] | NDArray[np.int64]) -> Floats:
        """The labels [n, c_dim] of numbers below `count`."""
        made = np.zeros((len(numbers), self.c_dim), np.float32)
        for row, number in zip(made, numbers, strict=True):
            row[list(self.words(number))] = 1
        for number, weight in (self.asked or {}).items():
            made[:, number] = weight
        return made

    def of(self, latents: Sequence[Latent]) -> Floats:
        """The labels [n, c_dim] of latents, which are always the same for a seed."""
        return self.rows([latent.random_class(self.count) for latent in latents])
