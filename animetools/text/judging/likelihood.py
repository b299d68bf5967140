"""How good a text is, by the measure of a language model."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from animetools.errors import FatalError, ItemError
from animetools.text.models.model import Model

WINDOW = 1024  # tokens that are read at once, of a model that can read more


class Reader:
    """A model that reads texts."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.window = min(model.context, WINDOW)

    @torch.inference_mode()
    def likelihood(self, text: str) -> float:
        """The mean log-likelihood of a text's tokens, in nats: the higher, the likelier.

        It is read from its start, where the model knows one; a text longer than the context is read
        in parts, each without the one before.

        Raises ItemError for a text of no token that has one before it, FatalError if the model
        gives no number.
        """
        words = self.model.words
        tokens = words.encode(text, bare=True)
        ahead = [] if words.start is None else [words.start]
        step = self.window - len(ahead)
        parts = [ahead + tokens[first : first + step] for first in range(0, len(tokens), step)]
        losses = [self._losses(part) for part in parts if len(part) > 1]
        if not losses:
            raise ItemError("it has no text that the model can read")
        mean = -float(torch.cat(losses).double().mean())
        if not math.isfinite(mean):
            raise FatalError(f"the likelihood that the model gives is {mean}: try another --rank")
        return mean

    def _losses(self, tokens: list[int]) -> Tensor:
        ids = torch.tensor(tokens, device=self.model.network.device)
        return F.cross_entropy(self.model.network.read(ids)[:-1], ids[1:], reduction="none")
