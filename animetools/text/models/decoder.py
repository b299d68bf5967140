"""A language model that reads a prompt into a slot, and then a token for each of many slots."""

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.errors import Advice
from animetools.text.models.model import Network

LEAST = 2  # rows: for a single one the libraries have other kernels, which round otherwise
STEP = 256  # positions by which memory grows

Pair = tuple[Tensor, Tensor]  # keys and values


class Decoder:
    """A model whose texts stand in slots, each with a past of its own.

    A slot's numbers do not depend on what stands in the others: a prompt is read alone, attention
    looks at one slot at a time, and matrices are multiplied for so many rows as have been seen, at
    the start and on this machine, to give a row the same bits in any company.
    """

    def __init__(self, network: Network, slots: int) -> None:
        self.network = network
        self.slots = slots
        self.device = network.device
        self.memory = Memory(slots)
        self.begun: tuple[list[int], Tensor] | None = None
        self.least = LEAST
        self.least = self._least()

    def begin(self, slot: int, tokens: list[int]) -> Tensor:
        """Empty a slot and read a prompt into it; logits [vocabulary] of what comes next."""
        memory = self.memory
        if self.begun is None or self.begun[0] != tokens:
            memory.begin()
            positions = torch.arange(len(tokens), device=self.device)[None]
            self.begun = tokens, self._run(torch.tensor([tokens]), positions)[0]
        memory.take(slot, len(tokens))
        return self.begun[1]

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Read a token into each of these slots; logits [slots, vocabulary] of what comes next."""
        memory = self.memory
        idle = [0] * (self.least - len(slots))
        positions = [memory.lengths[slot] for slot in slots]
        memory.go_on(slots)
        logits = self._run(
            torch.tensor([*tokens, *idle])[:, None], torch.tensor([*positions, *idle])[:, None]
        )
        return logits[: len(slots)]

    def _run(self, tokens: Tensor, positions: Tensor) -> Tensor:
        return self.network.next(tokens.to(self.device), positions.to(self.device), self.memory)

    def _least(self) -> int:
        """The least number of rows among which a row has the bits that it has among all."""
        everyone = list(range(self.slots))

        def tried(slots: list[int]) -> Tensor:
            for slot in slots:
                self.begin(slot, [0])
            return self.step(slots, [slot % 7 for slot in slots]).nan_to_num()

        whole = tried(everyone)
        some = everyone[1::3]
        if torch.equal(tried(some), whole[some]) and torch.equal(tried(some[:1]), whole[some[:1]]):
            return LEAST
        self.least = self.slots
        if not torch.equal(tried(everyone[::-1]), whole.flip(0)):
            warnings.warn(
                "on this machine a text may depend on which others are written beside it",
                Advice,
                stacklevel=1,
            )
        return self.slots


class Memory:
    """The keys and values of every slot: for a layer two tensors [slots, heads, positions, size]."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.lengths = [0] * slots
        self.rows: Sequence[int] | None = None  # the slots of the pass; None: a prompt is read
        self.places: tuple[Tensor, Tensor] | None = None
        self.layers: dict[int, Pair] = {}
        self.prompt: dict[int, Pair] = {}  # that was read last

    def begin(self) -> None:
        """A prompt is going to be read."""
        self.rows = None

    def take(self, slot: int, length: int) -> None:
        """Put the prompt that was read last, of this length, into a slot."""
        self.lengths[slot] = length
        for layer, read in self.prompt.items():
            for kept, new in zip(self._room(layer, read, length), read, strict=True):
                kept[slot, :, :length] = new[0]

    def go_on(self, slots: Sequence[int]) -> None:
        """Each of these slots is going to read a token."""
        self.rows = slots
        self.places = torch.tensor(slots), torch.tensor([self.lengths[slot] for slot in slots])
        for slot in slots:
            self.lengths[slot] += 1

    def attend(
        self, layer: int, query: Tensor, pair: Pair, scale: float | None, window: int
    ) -> Tensor:
        """Remember the pair, and look back.

        query [n, heads, t, size], keys and values [n, their heads, t, size]: a prompt of t tokens,
        or a token of each of n slots. Returns [n, t, heads, size]. `window` is how far back is
        seen; 0 is all the way.
        """
        if self.rows is None:
            self.prompt[layer] = pair
            t = query.shape[2]
            mask = None
            if window and t > window:
                mask = query.new_ones(t, t, dtype=torch.bool).tril().triu(1 - window)
            return _look(query, pair, scale, mask, causal=mask is None and t > 1)
        assert self.places
        slots, positions = self.places
        room = self._room(layer, pair, max(self.lengths[slot] for slot in self.rows))
        for kept, new in zip(room, pair, strict=True):
            kept[slots, :, positions] = new[: len(self.rows), :, 0]
        seen = query.new_zeros(query.shape[0], 1, query.shape[1], pair[1].shape[3])
        for row, slot in enumerate(self.rows):
            last = self.lengths[slot]
            past = slice(max(0, last - window) if window else 0, last)
            keys, values = (kept[slot : slot + 1, :, past] for kept in room)
            seen[row] = _look(query[row : row + 1], (keys, values), scale)[0]
        return seen

    def _room(self, layer: int, like: Pair, length: int) -> Pair:
        """The layer's two tensors, with room for so many positions."""
        there = self.layers.get(layer)
        if there and there[0].shape[2] >= length:
            return there
        positions = -(-length // STEP) * STEP
        keys, values = (
            each.new_empty(self.slots, each.shape[1], positions, each.shape[3]) for each in like
        )
        for new, old in zip((keys, values), there or (), strict=False):
            new[:, :, : old.shape[2]] = old
        self.layers[layer] = keys, values
        return keys, values


def _look(
    query: Tensor,
    pair: Pair,
    scale: float | None,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
) -> Tensor:
    """Attention [n, t, heads, size]; several heads of the query may share one of the pair."""
    return F.scaled_dot_product_attention(
        query,
        *pair,
        attn_mask=mask,
        is_causal=causal,
        scale=scale,
        enable_gqa=query.shape[1] != pair[0].shape[1],
    ).transpose(1, 2)
