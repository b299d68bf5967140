"""The order in which the images come: endless, without epochs, and the same for a seed."""

import numpy as np

BLOCK = 1 << 16  # draws at once when many are passed over


class Sampler:
    """StyleGAN2-ADA's order of `count` images, mirror images among them.

    The images are shuffled, and gone through again and again; behind the reading head each changes
    places with one of the half before it. All of `ranks` processes run through the same sequence
    and take turns: `rank` gets the numbers rank, rank + ranks and so on of it.

    `position` is how many numbers all processes together have been given. It is the whole state:
    Sampler(count, seed, start=position) goes on exactly as this one, and takes a second for every
    few millions passed over. With another `count` (images were added or taken away) it goes on as
    a sampler that had that many from the beginning.

    Source: formula of StyleGAN2-ADA's training, window 0.5.
    """

    def __init__(
        self, count: int, seed: int, *, start: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        self.rank = rank
        self.ranks = ranks
        self.position = 0
        self.random = np.random.RandomState(seed)
        order = np.arange(count)
        self.random.shuffle(order)
        self.order: list[int] = order.tolist()
        self.window = int(np.rint(count / 2))
        while self.position < start:
            self._advance(min(BLOCK, start - self.position))

    def draw(self, count: int) -> list[int]:
        """The next numbers for this process."""
        first = (self.rank - self.position) % self.ranks
        return self._advance(count * self.ranks)[first :: self.ranks]

    def _advance(self, count: int) -> list[int]:
        """The next numbers for all processes."""
        order, size = self.order, len(self.order)
        head = self.position % size
        self.position += count
        if self.window < 2:
            return [order[(head + step) % size] for step in range(count)]
        drawn = []
        for back in self.random.randint(self.window, size=count).tolist():
            other = head - back  # below zero it counts from the end, as it should
            drawn.append(order[head])
            order[head], order[other] = order[other], order[head]
            head = head + 1 if head + 1 < size else 0
        return drawn
