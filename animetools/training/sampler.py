"""The order in which the images come: endless, without epochs, and the same for a seed."""

import numpy as np

BLOCK = 1 << 16  # draws at once when many are skipped


class Sampler:
    """StyleGAN2-ADA's order of `count` images, mirrored ones among them.

    The images are shuffled and gone through again and again; behind the reading head each is
    swapped with one of the half before it.

    `position`, how many numbers were given, is the whole state: Sampler(count, seed,
    start=position) continues exactly, and takes a second for every few millions skipped. With
    another `count` (images were added or removed) it continues as a sampler that had that many from
    the beginning.

    Source: formula of StyleGAN2-ADA's training, window 0.5.
    """

    def __init__(self, count: int, seed: int, *, start: int = 0) -> None:
        self.position = 0
        self.random = np.random.RandomState(seed)
        order = np.arange(count)
        self.random.shuffle(order)
        self.order: list[int] = order.tolist()
        self.window = int(np.rint(count / 2))
        while self.position < start:
            self.draw(min(BLOCK, start - self.position))

    def draw(self, count: int) -> list[int]:
        """The next numbers."""
        order, size = self.order, len(self.order)
        head = self.position % size
        self.position += count
        if self.window < 2:
            return [order[(head + step) % size] for step in range(count)]
        drawn = []
        for back in self.random.randint(self.window, size=count).tolist():
            other = head - back  # negative indices count from the end, as they should
            drawn.append(order[head])
            order[head], order[other] = order[other], order[head]
            head = head + 1 if head + 1 < size else 0
        return drawn
