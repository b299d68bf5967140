"""How a language model learns: AdamW on windows of text, repeatable to the bit."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import backward

from animetools.errors import FatalError
from animetools.text.learning.config import TextConfig
from animetools.text.learning.tokens import Tokens

BETAS = 0.9, 0.999  # the second, large: a step sees few tokens, and noise would hide rare ones
DECAY = 0.1  # of matrices, as GPT-3's
CLIP = 1.0  # the longest gradient


class Learner:
    """A model that learns; `done` steps so far.

    All random numbers of a step come from the seed, its number, and how often the run has diverged:
    no generator's state need be kept.
    """

    def __init__(self, model: Any, config: TextConfig, device: torch.device) -> None:
        self.model = model.to(device, torch.float32)
        self.config = config
        self.device = device
        self.done = self.divergences = 0
        self.names = {name: value for name, value in model.named_parameters()}
        large = [value for value in self.names.values() if value.ndim > 1]
        small = [value for value in self.names.values() if value.ndim < 2]
        groups = [{"params": large, "weight_decay": DECAY}, {"params": small, "weight_decay": 0.0}]
        self.adam = torch.optim.AdamW(groups, lr=config.lr, betas=BETAS, fused=True)

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        rate: float = self.adam.param_groups[0]["lr"]
        return rate

    def step(self, tokens: Tokens) -> float:
        """Learn from one batch; returns its mean loss, in nats per token."""
        config, seed = self.config, self.config.seed + self.divergences
        torch.manual_seed(seed * 1_000_003 + self.done)  # of dropout
        self.model.train()
        ids = tokens.batch(config.batch, config.context, seed, self.done).to(self.device)
        loss = loss_of(self.model, ids, config.dtype)
        backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for group in self.adam.param_groups:
            group["lr"] = config.rate(self.done)
        self.adam.step()
        self.adam.zero_grad()
        self.done += 1
        return float(loss.detach())

    @torch.no_grad()
    def validate(self, held: Tokens) -> float | None:
        """The mean loss on what is held back, in nats per token; None for less than a window."""
        if not held.places(self.config.context):
            return None
        self.model.eval()
        windows, total = held.spread(self.config.context), 0.0
        for part in torch.split(windows, self.config.batch):
            loss = loss_of(self.model, part.to(self.device), self.config.dtype)
            total += float(loss) * len(part)
        return total / len(windows)

    def state(self) -> dict[str, Tensor]:
        """AdamW's moments, by the parameter's name."""
        return {
            f"{kind}.{name}": self.adam.state[value][kind]
            for name, value in self.names.items()
            for kind in ("exp_avg", "exp_avg_sq")
        }

    def load(self, state: dict[str, Tensor], done: int) -> None:
        """Continue after so many steps.

        Raises FatalError for the state of another model.
        """
        for name, value in self.names.items():
            # Beside the moments: a card's fused AdamW does not take it from elsewhere.
            found: dict[str, Tensor] = {"step": torch.tensor(float(done), device=self.device)}
            for kind in ("exp_avg", "exp_avg_sq"):
                moments = state.get(f"{kind}.{name}")
                if moments is None or moments.shape != value.shape:
                    raise FatalError(f"the state of the run is of another model ({name})")
                found[kind] = moments.to(self.device, torch.float32)
            self.adam.state[value] = found
        self.done = done


def loss_of(model: Any, ids: Tensor, dtype: str) -> Tensor:
    """The mean loss [] of windows of tokens [n, length], in nats per token."""
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=dtype == "bf16"):
        loss: Tensor = model(input_ids=ids, labels=ids).loss
    return loss
