"""The KV cache: the keys and values of all tokens so far, for several sequences at once."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

GROWTH = 256  # positions by which the cache grows

KeyValue = tuple[Tensor, Tensor]


class KVCache:
    """The keys and values of every slot: per layer two tensors [slots, positions, heads, size].

    A slot holds one sequence, whose positions follow each other in memory: so a step writes one piece
    and reads one. Attention looks at one slot at a time, so that its result does not depend on what
    the other slots hold.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.lengths = [0] * slots
        self.active: Sequence[int] | None = None  # slots of this pass; None while a prompt is read
        self.places: tuple[Tensor, Tensor] | None = None
        self.layers: dict[int, KeyValue] = {}
        self.prompt: dict[int, KeyValue] = {}  # of the prompt that was read last

    def start_prompt(self) -> None:
        """Prepare for the forward pass of a prompt."""
        self.active = None

    def store_prompt(self, slot: int, length: int) -> None:
        """Copy the prompt that was read last, of this length, into a slot."""
        self.lengths[slot] = length
        for layer, read in self.prompt.items():
            for kept, new in zip(self._reserve(layer, read, length), read, strict=True):
                kept[slot, :length] = new[0].transpose(0, 1)

    def start_step(self, slots: Sequence[int]) -> None:
        """Prepare for the forward pass of one more token in each of these slots."""
        self.active = slots
        self.places = torch.tensor(slots), torch.tensor([self.lengths[slot] for slot in slots])
        for slot in slots:
            self.lengths[slot] += 1

    def attend(
        self, layer: int, query: Tensor, pair: KeyValue, scale: float | None, window: int
    ) -> Tensor:
        """Store new keys and values, and attend to all of the sequence.

        query [n, heads, t, size], keys and values [n, their heads, t, size]: a prompt of t tokens,
        or one token of each of n slots. Returns [n, t, heads, size]. `window` is how many positions
        back attention reaches; 0 is all.
        """
        if self.active is None:
            self.prompt[layer] = pair
            t = query.shape[2]
            mask = None
            if window and t > window:
                mask = query.new_ones(t, t, dtype=torch.bool).tril().triu(1 - window)
            read = _attention(query, pair, scale, mask, causal=mask is None and t > 1)
            return read.transpose(1, 2)
        assert self.places
        slots, positions = self.places
        reserved = self._reserve(layer, pair, max(self.lengths[slot] for slot in self.active))
        for kept, new in zip(reserved, pair, strict=True):
            kept[slots, positions] = new[: len(self.active), :, 0]
        # On a CPU, attention of a single query takes several times as long in bf16 as in fp32.
        dtype = torch.float32 if query.device.type == "cpu" else query.dtype
        single = query.to(dtype)
        attended = []
        for row, slot in enumerate(self.active):
            last = self.lengths[slot]
            past = slice(max(0, last - window) if window else 0, last)
            keys, values = (
                kept[slot : slot + 1, past].to(dtype).transpose(1, 2) for kept in reserved
            )
            attended.append(_attention(single[row : row + 1], (keys, values), scale))
        padding = attended[:1] * (query.shape[0] - len(attended))
        return torch.cat([*attended, *padding]).transpose(1, 2).to(query.dtype)

    def _reserve(self, layer: int, like: KeyValue, length: int) -> KeyValue:
        """The layer's two tensors, with room for so many positions."""
        old = self.layers.get(layer)
        if old and old[0].shape[1] >= length:
            return old
        positions = -(-length // GROWTH) * GROWTH
        keys, values = (
            each.new_empty(self.slots, positions, each.shape[1], each.shape[3]) for each in like
        )
        for new, before in zip((keys, values), old or (), strict=False):
            new[:, : before.shape[1]] = before
        self.layers[layer] = keys, values
        return keys, values


def _attention(
    query: Tensor,
    pair: KeyValue,
    scale: float | None,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
) -> Tensor:
    """Attention [n, heads, t, size]; several query heads may share one head of keys and values."""
    return F.scaled_dot_product_attention(
        query,
        *pair,
        attn_mask=mask,
        is_causal=causal,
        scale=scale,
        enable_gqa=query.shape[1] != pair[0].shape[1],
    )
