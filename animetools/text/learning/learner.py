"""How a language model learns: AdamW on windows of text, repeatable to the bit."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import backward

from animetools.errors import FatalError
from animetools.text.learning.tokens import Tokens

BETAS = 0.9, 0.999  # the second, large, since a step sees few tokens: noise would hide what is rare
DECAY = 0.1  # of matrices, as GPT-3's
CLIP = 1.0  # the longest gradient
WARM = 100  # steps in which the rate rises, at most a tenth of all
COOL = 0.3  # the share of a run, its last, in which the rate falls to nothing


@dataclass(frozen=True)
class Settings:
    """What a run learns by."""

    steps: int = 1000
    batch: int = 16  # windows of a step
    context: int = 256  # tokens of a window
    lr: float = 1e-4
    seed: int = 1
    valid: float = 0.05  # share of the corpus that is held back
    patience: int = 3  # validations in a row that get no better and end the run; 0: none do
    dtype: str = "fp32"

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0 on: up, level, and down to the end.

        The level part lets a run be made longer or shorter while it is under way.
        """
        warm = max(min(WARM, self.steps // 10), 1)
        left = (self.steps - step) / max(self.steps * COOL, 1)
        return self.lr * min((step + 1) / warm, 1, left)


class Learner:
    """A model that learns; `done` steps so far.

    All chance of a step comes from the seed and its number: no state of any generator need be kept.
    """

    def __init__(self, model: Any, settings: Settings, device: torch.device) -> None:
        self.model = model.to(device, torch.float32)
        self.settings = settings
        self.device = device
        self.done = 0
        self.names = {name: value for name, value in model.named_parameters()}
        large = [value for value in self.names.values() if value.ndim > 1]
        small = [value for value in self.names.values() if value.ndim < 2]
        groups = [{"params": large, "weight_decay": DECAY}, {"params": small, "weight_decay": 0.0}]
        self.adam = torch.optim.AdamW(groups, lr=settings.lr, betas=BETAS, fused=True)

    def step(self, tokens: Tokens) -> float:
        """Learn from one batch; gives its mean loss, in nats a token."""
        told = self.settings
        torch.manual_seed(told.seed * 1_000_003 + self.done)  # of dropout
        self.model.train()
        ids = tokens.batch(told.batch, told.context, told.seed, self.done).to(self.device)
        loss = self._loss(ids)
        backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for group in self.adam.param_groups:
            group["lr"] = told.rate(self.done)
        self.adam.step()
        self.adam.zero_grad()
        self.done += 1
        return float(loss.detach())

    @torch.no_grad()
    def validate(self, held: Tokens) -> float | None:
        """The mean loss on what is held back, in nats a token; None if that is less than a window."""
        if not held.places(self.settings.context):
            return None
        self.model.eval()
        windows = held.spread(self.settings.context)
        parts = torch.split(windows, self.settings.batch)
        losses = [float(self._loss(part.to(self.device))) * len(part) for part in parts]
        return sum(losses) / len(windows)

    def state(self) -> dict[str, Tensor]:
        """What AdamW remembers, by the parameter's name."""
        return {
            f"{kind}.{name}": self.adam.state[value][kind]
            for name, value in self.names.items()
            for kind in ("exp_avg", "exp_avg_sq")
        }

    def load(self, state: dict[str, Tensor], done: int) -> None:
        """Go on after so many steps.

        Raises FatalError if the state is of another model.
        """
        for name, value in self.names.items():
            had: dict[str, Tensor] = {"step": torch.tensor(float(done))}
            for kind in ("exp_avg", "exp_avg_sq"):
                found = state.get(f"{kind}.{name}")
                if found is None or found.shape != value.shape:
                    raise FatalError(f"the state of the run is of another model ({name})")
                had[kind] = found.to(self.device, torch.float32)
            self.adam.state[value] = had
        self.done = done

    def _loss(self, ids: Tensor) -> Tensor:
        mixed = self.settings.dtype == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            loss: Tensor = self.model(input_ids=ids, labels=ids).loss
        return loss
