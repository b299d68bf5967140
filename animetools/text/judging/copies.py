"""Texts that copy a corpus: runs of words that both have, found exactly, in bounded memory."""

import errno
import tempfile

import numpy as np
from numpy.typing import NDArray

from animetools.errors import FatalError
from animetools.text.judging.words import Words, runs, words, words_of

COPY = 30  # words in a row that make a copy
BLOCK = COPY // 2  # every copied run of COPY words contains a whole block of the corpus
AT_ONCE = 1 << 12  # places compared together


class Corpus:
    """An index of a text of any length, to find copies of it.

    Memory holds a hash for each block of BLOCK words, with its place; the words are in a temporary
    file, four bytes each. A text's runs of BLOCK words are looked up, and the words around each
    place compared, so that nothing is a copy by chance (but for words of equal 32-bit hash).

    Raises FatalError if the file cannot be read, or the disk is full.
    """

    def __init__(self, path: str) -> None:
        blocks, rest, count = [], np.zeros(0, np.uint64), 0
        try:
            with tempfile.TemporaryFile() as file:
                for some in words_of(path):
                    rest = np.concatenate((rest, some))
                    cut = len(rest) // BLOCK * BLOCK
                    blocks.append(runs(rest[:cut], BLOCK)[::BLOCK])
                    file.write(_short(rest[:cut]).tobytes())
                    count += cut
                    rest = rest[cut:]
                file.write(_short(rest).tobytes())
                file.flush()
                count += len(rest)
                if not count:
                    raise FatalError(f"--overlap {path} has no words")
                self.words = np.memmap(file, np.uint32, "r", shape=(count,))
        except OSError as why:
            where = "" if why.errno != errno.ENOSPC else ": set TMPDIR to a disk with more space"
            raise FatalError(f"--overlap {path}: {why.strerror}{where}") from why
        found = np.concatenate(blocks)
        # Of places that agree for 3 blocks one is enough: a corpus may repeat itself endlessly.
        around = np.zeros(len(found) + 2, np.uint64)
        around[1:-1] = found
        _, first = np.unique(runs(around, 3), return_index=True)
        order = first[np.argsort(found[first], kind="stable")]
        self.blocks, self.places = found[order], order * BLOCK

    def copied(self, text: str) -> int:
        """How many of a text's words are in runs of at least COPY words that the corpus has."""
        some = words(text.encode())
        mine = _short(some)
        is_copied = np.zeros(len(mine), bool)
        wanted = runs(some, BLOCK)
        low = np.searchsorted(self.blocks, wanted, "left")
        high = np.searchsorted(self.blocks, wanted, "right")
        for here in np.flatnonzero(high > low).tolist():
            for first in range(low[here], high[here], AT_ONCE):
                places = self.places[first : min(first + AT_ONCE, high[here])]
                before, after = self._reach(mine, here, places)
                is_copied[here - before : here + after] = True
        return int(is_copied.sum())

    def _reach(
        self, mine: NDArray[np.uint32], here: int, places: NDArray[np.intp]
    ) -> tuple[int, int]:
        """How many words a copy extends before and after the first word of the block `here`.

        At most COPY - BLOCK words beyond the block on either side; 0 and 0 if it is too short.
        """
        around = np.arange(BLOCK - COPY, COPY)
        ours, theirs = here + around, places[:, None] + around
        is_there = (ours >= 0) & (ours < len(mine)) & (theirs >= 0) & (theirs < len(self.words))
        found = self.words[theirs.clip(0, len(self.words) - 1)]
        is_equal = is_there & (found == mine[ours.clip(0, len(mine) - 1)])
        before = np.logical_and.accumulate(is_equal[:, COPY - BLOCK - 1 :: -1], 1).sum(1)
        after = np.logical_and.accumulate(is_equal[:, COPY - BLOCK :], 1).sum(1)
        is_copy = (after >= BLOCK) & (before + after >= COPY)
        return int((before * is_copy).max()), int((after * is_copy).max())


def _short(some: Words) -> NDArray[np.uint32]:
    return (some >> np.uint64(32)).astype(np.uint32)
