"""A random sample of posts, in the memory of the sample."""

import hashlib
from heapq import heappush, heapreplace
from typing import Generic, TypeVar

T = TypeVar("T")


class Sample(Generic[T]):
    """So many of the things that are offered, each with the same chance.

    A post's id and the seed alone decide its place in a random order, of which the sample is the
    beginning: it does not depend on the order of the posts, and a larger sample contains a smaller.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self.offered = 0
        self.heap: list[tuple[int, int, T]] = []  # the last of the sample first

    def offer(self, post: int, thing: T) -> T | None:
        """Take the thing of a post; returns the thing that is not in the sample because of it."""
        self.offered += 1
        digest = hashlib.blake2b(b"%d %d" % (self.seed, post), digest_size=8).digest()
        entry = (-int.from_bytes(digest), -self.offered, thing)
        if len(self.heap) < self.count:
            heappush(self.heap, entry)
            return None
        if entry < self.heap[0]:
            return thing
        return heapreplace(self.heap, entry)[2]

    def things(self) -> list[T]:
        """The sample, in the order in which it was offered."""
        return [thing for _, _, thing in sorted(self.heap, key=lambda entry: -entry[1])]
