"""Texts that grow in the slots of a model a token at a time, each as if it were written alone.

What becomes of a text depends on its prompt, its seed and its attempt alone: its chances are its
own, and the decoder gives a slot the same numbers whatever stands in the others.
"""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from animetools.errors import Advice, ItemError
from animetools.text.models.decoder import Decoder
from animetools.text.models.model import Model
from animetools.text.writing.generate import SLOTS, Text
from animetools.text.writing.snippets import MOST


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn, and how many there are at the most; top_k 0 is all of them.

    Where a person does not say how many, it is MOST, or what the model's window holds.
    """

    temperature: float = 0.7
    top_k: int = 30
    top_p: float = 1.0
    max_tokens: int | None = None

    def draw(self, logits: Tensor, chances: Tensor) -> Tensor:
        """The token of each row that its chance, float [n] in 0..1, falls on; logits [n, vocabulary].

        The likeliest come first, so that the chance 0 always gives the likeliest of all.
        """
        if self.temperature == 0:
            return logits.argmax(1)
        count = min(self.top_k or logits.shape[1], logits.shape[1])
        values, tokens = logits.topk(count)
        sums = (values / self.temperature).softmax(1).cumsum(1)
        # The first that reaches top_p is still in; all after it are out.
        reached = (sums < self.top_p).sum(1, keepdim=True).clamp(max=count - 1)
        sought = chances[:, None].to(sums) * sums.gather(1, reached)
        place = (sums <= sought).sum(1, keepdim=True).clamp(max=count - 1)
        return tokens.gather(1, place)[:, 0]


class Writer:
    """A model, and the texts that are on their way, by slot."""

    @torch.inference_mode()
    def __init__(self, model: Model, sampling: Sampling, *, keep_markers: bool = False) -> None:
        self.slots = SLOTS
        self.decoder = Decoder(model.network, self.slots)
        self.words = model.words
        self.context = model.context
        self.ends = model.words.ends
        self.sampling = sampling
        self.most = sampling.max_tokens or MOST
        self.keep_markers = keep_markers
        self.texts: dict[int, Text] = {}

    @torch.inference_mode()
    def begin(self, text: Text) -> None:
        """Read the prompt of a text into a free slot, and draw its first token."""
        slot = next(slot for slot in range(self.slots) if slot not in self.texts)
        self.texts[slot] = text
        tokens = self._read(text.prompt)
        text.limit = min(self.most, self.context - len(tokens))
        if text.limit < (self.sampling.max_tokens or 0) < self.context:
            warnings.warn(
                f"--max-tokens {self.most} and a prompt of {len(tokens)} tokens are more than the"
                f" model's window of {self.context}: such texts end there",
                Advice,
                stacklevel=1,
            )
        self._grow([slot], self.decoder.begin(slot, tokens)[None])

    @torch.inference_mode()
    def step(self) -> None:
        """Draw a token more for every text."""
        slots = sorted(self.texts)
        self._grow(slots, self.decoder.step(slots, [self.texts[n].tokens[-1] for n in slots]))

    def _read(self, prompt: str) -> list[int]:
        """The prompt's tokens, cut from the left to leave room for a text."""
        tokens = self.words.encode(prompt) if prompt else []
        # A prompt is where a text begins, so what parts texts in training stands before it.
        start = self.words.start
        if start is None and not tokens:
            start = 0
        if start is not None and tokens[:1] != [start]:
            tokens = [start, *tokens]
        most = self.context - min(self.most, self.context // 2)
        if len(tokens) > most:
            warnings.warn(
                f"prompts longer than {most} tokens are cut from the left, to leave room for a text",
                Advice,
                stacklevel=1,
            )
        return tokens[-most:]

    def _grow(self, slots: list[int], logits: Tensor) -> None:
        sound = logits.amax(1).isfinite().tolist()
        chances = torch.tensor([self.texts[slot].rng.random() for slot in slots])
        tokens = self.sampling.draw(logits, chances.to(logits.device)).tolist()
        for slot, token, is_sound in zip(slots, tokens, sound, strict=True):
            text = self.texts[slot]
            if not is_sound:
                text.done.set_exception(ItemError("the model's numbers are none: try --dtype fp32"))
                del self.texts[slot]
                continue
            if token not in self.ends or self.keep_markers:
                text.tokens.append(token)
            if token in self.ends or len(text.tokens) >= text.limit:
                text.done.set_result(self.words.decode(text.tokens))
                del self.texts[slot]
