"""Continuous batching: texts grow together, a token at a time, and new ones join as others end.

A text depends on its prompt, its seed and its attempt alone: it has its own random numbers, and the
decoder gives a slot the same logits whatever the other slots hold.
"""

import warnings

import torch
from torch import Tensor

from animetools.errors import Advice, ItemError
from animetools.text.models.decoder import Decoder
from animetools.text.models.model import Model
from animetools.text.writing.generation import Generation
from animetools.text.writing.sampler import Sampler
from animetools.text.writing.snippets import MAX_TOKENS

SLOTS = 32


class Batch:
    """A model, and the texts that it is generating, by slot.

    `max_tokens` None is MAX_TOKENS, or as many as the model's context allows.
    """

    @torch.inference_mode()
    def __init__(
        self,
        model: Model,
        sampler: Sampler,
        max_tokens: int | None = None,
        *,
        keep_markers: bool = False,
    ) -> None:
        self.slots = SLOTS
        self.decoder = Decoder(model.network, self.slots)
        self.tokenizer = model.tokenizer
        self.context = model.context
        self.ends = model.tokenizer.ends
        self.sampler = sampler
        self.wanted = max_tokens or 0
        self.max_tokens = max_tokens or MAX_TOKENS
        self.keep_markers = keep_markers
        self.texts: dict[int, Generation] = {}

    @torch.inference_mode()
    def add(self, text: Generation) -> None:
        """Read the prompt of a text into a free slot, and draw its first token."""
        slot = next(slot for slot in range(self.slots) if slot not in self.texts)
        self.texts[slot] = text
        tokens = self._prompt_tokens(text.prompt)
        text.limit = min(self.max_tokens, self.context - len(tokens))
        if text.limit < self.wanted < self.context:
            warnings.warn(
                f"--max-tokens {self.wanted} and a prompt of {len(tokens)} tokens exceed the model's"
                f" context of {self.context} tokens: such texts end there",
                Advice,
                stacklevel=1,
            )
        self._draw([slot], self.decoder.prefill(slot, tokens)[None])

    @torch.inference_mode()
    def step(self) -> None:
        """Draw one more token for every text."""
        slots = sorted(self.texts)
        self._draw(slots, self.decoder.step(slots, [self.texts[n].tokens[-1] for n in slots]))

    def _prompt_tokens(self, prompt: str) -> list[int]:
        """The prompt's tokens, cut from the left to leave room for a text."""
        tokens = self.tokenizer.encode(prompt) if prompt else []
        # A prompt begins a text, so the token that separates texts in training comes before it.
        start = self.tokenizer.start
        if start is None and not tokens:
            start = 0
        if start is not None and tokens[:1] != [start]:
            tokens = [start, *tokens]
        longest = self.context - min(self.max_tokens, self.context // 2)
        if len(tokens) > longest:
            warnings.warn(
                f"prompts longer than {longest} tokens are cut from the left, to leave room for a text",
                Advice,
                stacklevel=1,
            )
        return tokens[-longest:]

    def _draw(self, slots: list[int], logits: Tensor) -> None:
        """Draw the next token of each slot, and finish the texts that end with it."""
        finite = logits.amax(1).isfinite().tolist()
        chances = torch.tensor([self.texts[slot].rng.random() for slot in slots])
        tokens = self.sampler.draw(logits, chances.to(logits.device)).tolist()
        for slot, token, is_finite in zip(slots, tokens, finite, strict=True):
            text = self.texts[slot]
            if not is_finite:
                text.result.set_exception(ItemError("the model returned NaN: try --dtype fp32"))
                del self.texts[slot]
                continue
            if token not in self.ends or self.keep_markers:
                text.tokens.append(token)
            if token in self.ends or len(text.tokens) >= text.limit:
                text.result.set_result(self.tokenizer.decode(text.tokens))
                del self.texts[slot]
