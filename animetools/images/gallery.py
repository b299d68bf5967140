"""The pictures that are kept, to find those that the next one duplicates."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from animetools.images.hash_search import HashSearch
from animetools.images.hashes import COARSE_BITS, HASH_BITS, Fingerprint
from animetools.images.index_file import Index
from animetools.images.likeness import Kind, Likeness, differing
from animetools.images.listed import Stored

_CROPPED_BITS = 13  # of COARSE_BITS, that a slightly cropped copy changes: see tests/benchmarks
_PAGE = 1000  # pictures that are read at once


@dataclass(frozen=True)
class Match:
    """A kept picture that another one duplicates."""

    stored: Stored
    kind: Kind
    bits: int  # in which the hashes differ


class Gallery:
    """Finds the kept pictures of an index that a new one duplicates.

    Memory: about 100 bytes a picture, and 10 more for cropped copies.
    """

    def __init__(self, index: Index, likeness: Likeness) -> None:
        self.index = index
        self.likeness = likeness
        self.last = 0  # of the pictures that are known here, in the order of being kept
        most = likeness.most_bits
        self.shapes = _Search(HASH_BITS, most, most)
        self.sources = _Search(HASH_BITS, most, most)
        # So many bits of so few are found by looking at all, 1.5 ms in a million.
        self.coarse = _Search(COARSE_BITS, 0, _CROPPED_BITS)
        self.catch_up()

    def catch_up(self) -> None:
        """Learn what was kept since, in this process or another."""
        if not self.likeness.near:
            return
        for number, shape, coarse, source in self.index.keys(self.last):
            self.last = number
            self.shapes.hold(number, shape)
            self.sources.hold(number, source)
            self.coarse.hold(number, coarse if self.likeness.cropped else b"")
        for search in (self.shapes, self.sources, self.coarse):
            search.learn()

    def matches(self, picture: Fingerprint) -> Iterator[Match]:
        """The pictures that this one duplicates: those of equal pixels, then others, as kept."""
        for stored in self.index.kept_with_pixels(picture.pixels):
            if not self.likeness.different(picture, stored.picture):
                same_file = stored.picture.content == picture.content
                yield Match(stored, "same bytes" if same_file else "same pixels", 0)
        if not self.likeness.near:
            return
        numbers = sorted(self._candidates(picture))
        for page in range(0, len(numbers), _PAGE):
            for stored in self.index.kept(numbers[page : page + _PAGE]):
                if stored.picture.pixels == picture.pixels:
                    continue
                if kind := self.likeness.kind(picture, stored.picture):
                    yield Match(stored, kind, differing(picture.shape, stored.picture.shape))

    def _candidates(self, picture: Fingerprint) -> set[int]:
        found = self.shapes.near(picture.shape)
        if picture.origin:
            found |= self.sources.near(picture.origin.shape)
        turned = picture.mirrored() if self.likeness.mirrored and picture.shape else None
        if turned:
            found |= self.shapes.near(turned.shape)
            found |= self.sources.near(turned.origin.shape if turned.origin else b"")
        if self.likeness.cropped and picture.shape:
            found |= self.coarse.near(picture.coarse)
            found |= self.coarse.near(turned.coarse if turned else b"")
        return found


class _Search:
    """The numbers of pictures by one kind of hash; pictures without one are never found."""

    def __init__(self, bits: int, fast_bits: int, most_bits: int) -> None:
        self.search = HashSearch(bits, fast_bits)
        self.bytes = bits // 8
        self.most_bits = most_bits
        self.numbers = array("q")
        self.held = bytearray()

    def hold(self, number: int, key: bytes) -> None:
        """Take a number with its hash, which may be empty, to be learned."""
        if key:
            self.numbers.append(number)
            self.held += key

    def learn(self) -> None:
        """Add what was taken."""
        if self.held:
            codes = np.frombuffer(bytes(self.held), np.uint64)
            self.search.extend(codes.reshape(len(self.held) // self.bytes, -1))
            self.held.clear()

    def near(self, key: bytes) -> set[int]:
        """The numbers of those that may be near."""
        if not key:
            return set()
        places, _ = self.search.near(key, self.most_bits)
        return {self.numbers[place] for place in places.tolist()}
