"""A corpus as numbers, on the disk: what a model learns from, and what is held back from it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.text.learning.corpus import Document

AT_ONCE = 512  # documents that are encoded together
WINDOWS = 128  # at most, that a validation looks at

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Tokens:
    """Documents on end, as numbers of tokens, an END before the first and after each whole one.

    `starts` are the ENDs where windows begin, if a text's beginning is to be learned as such; None
    is anywhere. `characters` is how long the documents are.
    """

    ids: NDArray[Any]
    starts: Places | None
    characters: int = 0
    begins: dict[int, tuple[Places, Places]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def window(self, first: Places, length: int) -> Tensor:
        """Windows of so many tokens, int64 [N, length], from these tokens on.

        After the last text comes the first.
        """
        index = first[:, None] + np.arange(length)
        index -= (len(self.ids) - 1) * (index >= len(self.ids))  # the last END is the first one
        return torch.from_numpy(self.ids[index].astype(np.int64))

    def places(self, length: int) -> int:
        """From how many places a window of this length may be taken."""
        if length > len(self.ids):
            return 0
        if self.starts is None:
            return len(self.ids) - length + 1
        return len(self._begins(length)[0])

    def batch(self, size: int, length: int, seed: int, step: int) -> Tensor:
        """The windows of a step, int64 [size, length]: its number and the seed choose them."""
        chance = np.random.default_rng([seed, step])
        return self._taken(chance.integers(self.places(length), size=size), length, chance)

    def spread(self, length: int) -> Tensor:
        """Windows from all over, int64 [N, length], always the same."""
        count = self.places(length)
        chosen = np.linspace(0, count - 1, min(count, WINDOWS)).astype(np.int64)
        return self._taken(chosen, length, np.random.default_rng(0))

    def _taken(self, chosen: Places, length: int, chance: np.random.Generator) -> Tensor:
        if self.starts is not None:
            begins, room = self._begins(length)
            chosen = begins[chosen] + chance.integers(room[chosen] + 1)
        return self.window(chosen, length)

    def _begins(self, length: int) -> tuple[Places, Places]:
        """Where windows begin, and how many tokens later each may, too.

        A text has as many as it takes to read it: the first begins where it does, the others
        anywhere in it and may reach into the next, so that the ends of long ones are learned as
        often as their middles.
        """
        if length not in self.begins:
            assert self.starts is not None
            starts = self.starts[self.starts < len(self.ids) - 1]
            sizes = np.diff(starts, append=len(self.ids) - 1) + 1  # with both ENDs
            counts = np.maximum(-(-sizes // length), 1)
            room = np.repeat(sizes - 2, counts)
            room[np.cumsum(counts) - counts] = 0
            self.begins[length] = np.repeat(starts, counts), room
        return self.begins[length]


def encoded(
    documents: Iterator[Document], tokenizer: Any, share: float, pairs: bool
) -> tuple[Tokens, Tokens]:
    """What is learned from, and this share of the documents, which is held back, evenly spread.

    Memory does not grow with the corpus, but for the places of pairs.

    Raises OSError if the disk for temporary files is full.
    """
    end = tokenizer.eos_token_id
    kind = np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32
    with tempfile.TemporaryFile() as learned, tempfile.TemporaryFile() as held:
        for file in learned, held:
            file.write(kind(end).tobytes())
        number = 0
        characters = {learned: 0, held: 0}
        while some := list(islice(documents, AT_ONCE)):
            texts = [document.text for document in some]
            ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
            for document, each in zip(some, ids, strict=True):
                file = held if int((number + 1) * share) > int(number * share) else learned
                file.write(np.array(each + [end] * document.whole, kind).tobytes())
                characters[file] += len(document.text)
                number += 1
        made = [_mapped(file, kind, end, pairs, characters[file]) for file in (learned, held)]
        return made[0], made[1]


def _mapped(file: IO[bytes], kind: Any, end: int, pairs: bool, characters: int) -> Tokens:
    file.flush()
    ids = np.memmap(file, kind, "r")  # which stays when the file is closed
    return Tokens(ids, np.flatnonzero(ids == end) if pairs else None, characters)
