"""How good a text is, by the measure of a language model."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.errors import FatalError, ItemError
from animetools.text.models.model import Model

WINDOW = 1024  # most tokens read at once


class Likelihood:
    """The likelihood of texts under a model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.window = min(model.context, WINDOW)

    @torch.inference_mode()
    def __call__(self, text: str) -> float:
        """The mean log-likelihood of a text's tokens, in nats; higher is likelier.

        A start token comes before the text, if the model has one; a text longer than the context is
        read in parts, each without the one before.

        Raises ItemError for a text with no token to predict, FatalError if the model returns NaN.
        """
        tokenizer = self.model.tokenizer
        tokens = tokenizer.encode(text, bare=True)
        start = [] if tokenizer.start is None else [tokenizer.start]
        step = self.window - len(start)
        parts = [start + tokens[first : first + step] for first in range(0, len(tokens), step)]
        losses = [self._losses(part) for part in parts if len(part) > 1]
        if not losses:
            raise ItemError("it has no text that the model can read")
        mean = -float(torch.cat(losses).double().mean())
        if not math.isfinite(mean):
            raise FatalError(f"the model's likelihood is {mean}: try another --rank")
        return mean

    def _losses(self, tokens: list[int]) -> Tensor:
        ids = torch.tensor(tokens, device=self.model.network.device)
        return F.cross_entropy(self.model.network.logits(ids)[:-1], ids[1:], reduction="none")
