"""What generation needs of a language model, whichever code runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from animetools.text.models.cache import KVCache

UNBOUNDED = 1 << 20  # positions of a model that does not state them


class Network(Protocol):
    """A causal language model on its device."""

    device: torch.device

    def next_logits(self, tokens: Tensor, positions: Tensor, cache: KVCache) -> Tensor:
        """Logits [n, vocabulary] of the token after int64 [n, t] tokens at [n, t] positions.

        Earlier tokens are in the cache.
        """

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits [t, vocabulary] of the token after each of int64 [t] tokens."""


class Tokenizer(Protocol):
    """Text to tokens and back; a text begins with `start` and ends with one of `ends`."""

    start: int | None
    ends: frozenset[int]

    def encode(self, text: str, *, bare: bool = False) -> list[int]:
        """The tokens of a text; `bare` adds no special tokens around it."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""


@dataclass(frozen=True)
class Model:
    """A network with its tokenizer; `context` is the most tokens that it can read at once."""

    network: Network
    tokenizer: Tokenizer
    context: int
