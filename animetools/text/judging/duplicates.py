"""Texts that are nearly the same: those that share most of their runs of three words."""

import numpy as np
from numpy.typing import NDArray

from animetools.text.judging.words import runs, words

Shingles = NDArray[np.uint32]

SHINGLE = 3  # words
NEAR = 0.7  # the share that two texts have in common of all their shingles: Jaccard's index
BANDS, ROWS = 16, 4  # 1 - (1 - NEAR^ROWS)^BANDS: 98.7 % of pairs at NEAR meet, 99.98 % at 0.8


class Twins:
    """Texts seen so far, to look for the twin of the next one.

    Candidates are found by MinHash (Broder 1997) in bands (Leskovec et al., Mining of Massive
    Datasets, 3.4), and are then compared exactly: none is a twin by chance. Two texts of 60 words
    that differ in one word share 90 %, in four words that are apart 66 %.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.odd = rng.integers(1 << 63, size=(BANDS * ROWS, 1), dtype=np.uint64) * 2 + 1
        self.names: list[str] = []
        self.shingles: list[Shingles] = []
        self.bands: dict[int, int | list[int]] = {}  # a list only where several meet: it is dear

    def twin(self, name: str, text: str) -> str | None:
        """The first text added that this one nearly is; without one this is added."""
        shingles = _shingles(text)
        keys = self._keys(shingles)
        met = set[int]()
        for key in keys:
            found = self.bands.get(key, ())
            met.update([found] if isinstance(found, int) else found)
        for number in sorted(met):
            if _jaccard(shingles, self.shingles[number]) >= NEAR:
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
        """A number for each band; two texts share one as likely as they share shingles."""
        # The high bits of odd multiples: a hash function for each row (Dietzfelbinger 1997).
        hashed = (self.odd * shingles.astype(np.uint64)) >> np.uint64(16)
        least = hashed.min(1).reshape(BANDS, ROWS)
        keys = np.arange(BANDS, dtype=np.uint64)
        for row in least.T:
            keys = keys * np.uint64(0x9E3779B97F4A7C15) + row
        return keys.tolist()


def _shingles(text: str) -> Shingles:
    """The runs of words that a text has, each once, in order; of a very short one all of it."""
    some = words(text.encode())
    if not len(some):
        return np.zeros(1, np.uint32)  # all texts without words are alike
    found = runs(some, min(SHINGLE, len(some)))
    return np.unique((found >> np.uint64(32)).astype(np.uint32))


def _jaccard(one: Shingles, other: Shingles) -> float:
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)
