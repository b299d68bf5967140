"""Batched decoding: read a prompt into a slot, then one token for each of many slots."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from animetools.errors import Advice
from animetools.text.models.cache import KVCache
from animetools.text.models.model import Network

MIN_ROWS = 2  # for a single row the libraries use other kernels, which round differently


class Decoder:
    """A network with a KV cache of several slots, one sequence in each.

    The logits of a slot do not depend on the other slots: a prompt is read alone, attention looks at
    one slot at a time, and matrices are multiplied with as many rows as this machine needs to give a
    row the same bits whatever the others are, which is measured at the start.
    """

    def __init__(self, network: Network, slots: int) -> None:
        self.network = network
        self.slots = slots
        self.device = network.device
        self.cache = KVCache(slots)
        self.prompt: tuple[list[int], Tensor] | None = None  # the last one, and its logits
        self.min_rows = MIN_ROWS
        self.min_rows = self._measured_min_rows()

    def prefill(self, slot: int, tokens: list[int]) -> Tensor:
        """Clear a slot and read a prompt into it; logits [vocabulary] of the next token."""
        if self.prompt is None or self.prompt[0] != tokens:
            self.cache.start_prompt()
            positions = torch.arange(len(tokens), device=self.device)[None]
            self.prompt = tokens, self._forward(torch.tensor([tokens]), positions)[0]
        self.cache.store_prompt(slot, len(tokens))
        return self.prompt[1]

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Read one token into each of these slots; logits [slots, vocabulary] of the next token."""
        padding = [0] * (self.min_rows - len(slots))
        positions = [self.cache.lengths[slot] for slot in slots]
        self.cache.start_step(slots)
        logits = self._forward(
            torch.tensor([*tokens, *padding])[:, None],
            torch.tensor([*positions, *padding])[:, None],
        )
        return logits[: len(slots)]

    def _forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        return self.network.next_logits(
            tokens.to(self.device), positions.to(self.device), self.cache
        )

    def _measured_min_rows(self) -> int:
        """The fewest rows with which a row gets the same bits as with all slots."""
        everyone = list(range(self.slots))

        def tried(slots: list[int]) -> Tensor:
            for slot in slots:
                self.prefill(slot, [0])
            return self.step(slots, [slot % 7 for slot in slots]).nan_to_num()

        whole = tried(everyone)
        some = everyone[1::3]
        if torch.equal(tried(some), whole[some]) and torch.equal(tried(some[:1]), whole[some[:1]]):
            return MIN_ROWS
        self.min_rows = self.slots
        if not torch.equal(tried(everyone[::-1]), whole.flip(0)):
            warnings.warn(
                "on this machine a text may depend on which others are generated beside it",
                Advice,
                stacklevel=1,
            )
        return self.slots
