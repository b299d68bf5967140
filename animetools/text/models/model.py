"""What it takes to write with a language model, wherever its code comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from animetools.text.models.decoder import Memory

UNBOUNDED = 1 << 20  # positions of a model that does not say


class Network(Protocol):
    """A causal language model on its device."""

    device: torch.device

    def next(self, tokens: Tensor, positions: Tensor, memory: "Memory") -> Tensor:
        """Logits [n, vocabulary] of what follows the last of tokens int64 [n, t] at positions [n, t].

        What came before is in the memory.
        """

    def read(self, tokens: Tensor) -> Tensor:
        """Logits [t, vocabulary] of what follows each of tokens int64 [t]."""


class Words(Protocol):
    """A tokenizer; `start` stands before a text, `ends` after it."""

    start: int | None
    ends: frozenset[int]

    def encode(self, text: str, *, bare: bool = False) -> list[int]:
        """The tokens of a text; `bare` adds none that stand around it."""

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""


@dataclass(frozen=True)
class Model:
    """A network with its words; `context` is how many tokens it can look back upon."""

    network: Network
    words: Words
    context: int
