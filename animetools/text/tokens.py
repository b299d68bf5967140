"""A corpus as numbers, on the disk: what a model learns from, and what is held back from it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.text.corpus import Document

AT_ONCE = 512  # documents that are encoded together
WINDOWS = 128  # at most, that a validation looks at


@dataclass(frozen=True)
class Tokens:
    """Documents on end, as numbers of tokens, an END before the first and after each whole one.

    `starts` are the places where a window may begin: the ENDs if there are pairs; else None, any.
    """

    ids: NDArray[Any]
    starts: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.ids)

    def window(self, chosen: NDArray[np.int64], length: int) -> Tensor:
        """Windows of so many tokens, int64 [N, length], at these of the possible places."""
        places = chosen if self.starts is None else self.starts[chosen]
        return torch.from_numpy(
            np.stack([self.ids[place : place + length] for place in places]).astype(np.int64)
        )

    def places(self, length: int) -> int:
        """At how many places a window of this length may begin."""
        most = max(len(self.ids) - length + 1, 0)
        if self.starts is None:
            return most
        return int(np.searchsorted(self.starts, most))

    def batch(self, size: int, length: int, seed: int, step: int) -> Tensor:
        """The windows of a step, int64 [size, length]: its number and the seed choose them."""
        chance = np.random.default_rng([seed, step])
        return self.window(chance.integers(self.places(length), size=size), length)

    def spread(self, length: int) -> Tensor:
        """Windows from all over, int64 [N, length], always the same."""
        count = self.places(length)
        return self.window(np.linspace(0, count - 1, min(count, WINDOWS)).astype(np.int64), length)


def encoded(
    documents: Iterator[Document], tokenizer: Any, share: float, pairs: bool
) -> tuple[Tokens, Tokens]:
    """What is learnt from, and this share of the documents, which is held back, evenly spread.

    Memory does not grow with the corpus, but for the places of pairs.

    Raises OSError if the disk for temporary files is full.
    """
    end = tokenizer.eos_token_id
    kind = np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32
    with tempfile.TemporaryFile() as learnt, tempfile.TemporaryFile() as held:
        for file in learnt, held:
            file.write(kind(end).tobytes())
        number = 0
        while some := list(islice(documents, AT_ONCE)):
            texts = [document.text for document in some]
            ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
            for document, each in zip(some, ids, strict=True):
                file = held if int((number + 1) * share) > int(number * share) else learnt
                file.write(np.array(each + [end] * document.whole, kind).tobytes())
                number += 1
        return _mapped(learnt, kind, end, pairs), _mapped(held, kind, end, pairs)


def _mapped(file: IO[bytes], kind: Any, end: int, pairs: bool) -> Tokens:
    file.flush()
    ids = np.memmap(file, kind, "r")  # which stays when the file is closed
    return Tokens(ids, np.flatnonzero(ids == end) if pairs else None)
