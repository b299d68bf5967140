"""How good a text is, by the measure of a language model."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from animetools.errors import FatalError, ItemError

WINDOW = 1024  # tokens that are read at once, of a model that can read more


class Reader:
    """A model that reads texts on a device."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, device: torch.device
    ) -> None:
        network: nn.Module = model
        self.model = network.to(device)
        self.device = device
        self.tokenizer = tokenizer
        context = getattr(model.config, "max_position_embeddings", None) or WINDOW
        self.window = min(context, WINDOW)
        self.start = next(
            (each for each in (tokenizer.bos_token_id, tokenizer.eos_token_id) if each is not None),
            None,
        )

    @torch.inference_mode()
    def likelihood(self, text: str) -> float:
        """The mean log-likelihood of a text's tokens, in nats: the higher, the likelier.

        It is read from its start, where the model knows one; a text longer than the context is read
        in parts, each without the one before.

        Raises ItemError for a text of no token that has one before it, FatalError if the model
        gives no number.
        """
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        ahead = [] if self.start is None else [self.start]
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
        ids = torch.tensor([tokens], device=self.device)
        logits = self.model(input_ids=ids, use_cache=False).logits[0, :-1]
        return F.cross_entropy(logits.float(), ids[0, 1:], reduction="none")
