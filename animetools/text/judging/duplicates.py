"""Duplicate texts: the same, or near-duplicates, which share most of their runs of three words."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from animetools.text.judging.words import runs, words

Shingles = NDArray[np.uint32]

SHINGLE = 3  # words
HASHES = 64  # of which each band takes some
FOUND = 0.98  # of the pairs that are just near enough, at least


class Duplicates:
    """The texts so far, to find duplicates of any kind among the next ones; `near` 0: exact ones."""

    def __init__(self, near: float) -> None:
        self.near = NearDuplicates(near) if near else None
        self.names: dict[bytes, str] = {}  # by the digest of the text

    def find_or_add(self, name: str, text: str) -> tuple[str, str] | None:
        """The kind of duplicate that a text is, and the first such text; else the text is added."""
        digest = blake2b(text.encode(), digest_size=16).digest()
        if same := self.names.get(digest):
            return "same text", same
        if self.near and (near := self.near.find_or_add(name, text)):
            return "near-duplicate", near
        self.names[digest] = name
        return None


class NearDuplicates:
    """The texts so far, to find near-duplicates among the next ones.

    `near` is the least share of all runs of three words (Jaccard index) that two texts have in
    common. Candidates are found by MinHash (Broder 1997) in bands (Leskovec et al., Mining of Massive
    Datasets, 3.4), and then compared exactly: nothing is a near-duplicate by chance. Two texts of
    60 words that differ in one word share 90 %, in four separate words 66 %.
    """

    def __init__(self, near: float) -> None:
        self.near = near
        self.rows = next(
            n for n in (4, 2, 1) if n == 1 or 1 - (1 - near**n) ** (HASHES // n) > FOUND
        )
        rng = np.random.default_rng(1)
        self.odd = rng.integers(1 << 63, size=(HASHES, 1), dtype=np.uint64) * 2 + 1
        self.names: list[str] = []
        self.shingles: list[Shingles] = []
        self.bands: dict[int, int | list[int]] = {}  # a list is larger: only where several meet

    def find_or_add(self, name: str, text: str) -> str | None:
        """The first near-duplicate of a text; if there is none, the text is added."""
        shingles = _shingles(text)
        keys = self._keys(shingles)
        met = set[int]()
        for key in keys:
            found = self.bands.get(key, ())
            met.update([found] if isinstance(found, int) else found)
        for number in sorted(met):
            if _jaccard(shingles, self.shingles[number]) >= self.near:
                return self.names[number]
        number = len(self.names)
        self.names.append(name)
        self.shingles.append(shingles)
        for key in keys:
            others = self.bands.setdefault(key, number)
            if isinstance(others, list):
                others.append(number)
            elif others != number:
                self.bands[key] = [others, number]
        return None

    def _keys(self, shingles: Shingles) -> list[int]:
        """A hash for each band; the more shingles two texts share, the likelier they share one."""
        # The high bits of odd multiples: a hash function for each row (Dietzfelbinger 1997).
        hashed = (self.odd * shingles.astype(np.uint64)) >> np.uint64(16)
        least = hashed.min(1).reshape(-1, self.rows)
        keys = np.arange(len(least), dtype=np.uint64)
        for row in least.T:
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + row
        return keys.tolist()


def _shingles(text: str) -> Shingles:
    """Hashes of a text's runs of words, sorted, each once; a very short text is one run."""
    some = words(text.encode())
    if not len(some):
        return np.zeros(1, np.uint32)  # all texts without words are equal
    found = runs(some, min(SHINGLE, len(some)))
    return np.unique((found >> np.uint64(32)).astype(np.uint32))


def _jaccard(one: Shingles, other: Shingles) -> float:
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)
