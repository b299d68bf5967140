"""A corpus as tokens, on disk: for training, and for validation."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.text.corpus import Document

AT_ONCE = 512  # documents encoded together
WINDOWS = 128  # most windows of a validation

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Tokens:
    """Documents joined, as token ids, with an END before the first and after each whole one.

    `starts` are the places of ENDs, if windows begin there; None is anywhere. `characters` is the
    length of the documents.
    """

    ids: NDArray[Any]
    starts: Places | None
    characters: int = 0
    begins: dict[int, tuple[Places, Places]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def window(self, first: Places, length: int) -> Tensor:
        """Windows of so many tokens, int64 [N, length], from these places on.

        The first text follows the last.
        """
        index = first[:, None] + np.arange(length)
        index -= (len(self.ids) - 1) * (index >= len(self.ids))  # the last END is the first one
        return torch.from_numpy(self.ids[index].astype(np.int64))

    def places(self, length: int) -> int:
        """The number of places where a window of this length may begin."""
        if length > len(self.ids):
            return 0
        if self.starts is None:
            return len(self.ids) - length + 1
        return len(self._begins(length)[0])

    def batch(self, size: int, length: int, seed: int, step: int) -> Tensor:
        """The windows of a step, int64 [size, length], chosen by its number and the seed."""
        chance = np.random.default_rng([seed, step])
        return self._taken(chance.integers(self.places(length), size=size), length, chance)

    def spread(self, length: int) -> Tensor:
        """Evenly spread windows, int64 [N, length], always the same."""
        count = self.places(length)
        chosen = np.linspace(0, count - 1, min(count, WINDOWS)).astype(np.int64)
        return self._taken(chosen, length, np.random.default_rng(0))

    def _taken(self, chosen: Places, length: int, chance: np.random.Generator) -> Tensor:
        if self.starts is not None:
            begins, room = self._begins(length)
            chosen = begins[chosen] + chance.integers(room[chosen] + 1)
        return self.window(chosen, length)

    def _begins(self, length: int) -> tuple[Places, Places]:
        """Where windows begin, and by how many tokens each may begin later.

        A text has as many windows as cover it: the first begins with it, the others anywhere in it,
        and may reach into the next text, so that ends of long texts are seen as often as middles.
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
    """The tokens for training and for validation; the latter are this share of the documents.

    They are evenly spread. Memory does not grow with the corpus, except for the places of pairs.

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
    ids = np.memmap(file, kind, "r")  # stays valid when the file is closed
    return Tokens(ids, np.flatnonzero(ids == end) if pairs else None, characters)
