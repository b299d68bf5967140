"""The settings of a language model's training. No torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from animetools.options import Opt

LEAST = 8  # tokens of a window
WARM = 100  # steps in which the learning rate rises, at most a tenth of all
COOL = 0.3  # the share of a run, its last, in which the learning rate falls to 0


@dataclass(frozen=True)
class TextConfig:
    """All settings of a run; each is an option of gpttrain."""

    steps: Annotated[int, Opt("Total steps.", min=1)] = 1000
    batch: Annotated[int, Opt("Windows of text per step.", "b", min=1, max=65536)] = 16
    context: Annotated[int, Opt("Tokens per window.", min=LEAST, max=1 << 20)] = 256
    lr: Annotated[float, Opt("Learning rate; 0.002 by default from scratch.", min=0)] = 1e-4
    valid: Annotated[
        float, Opt("Share of the corpus held back for validation.", min=0, max=0.5)
    ] = 0.05
    patience: Annotated[
        int, Opt("Validations without improvement after which training ends; 0: never.", min=0)
    ] = 3
    dtype: Annotated[
        Literal["fp32", "bf16"], Opt("Precision of matrix products; bf16 by default on a GPU.")
    ] = "fp32"
    seed: Annotated[int, Opt("Seed of all random numbers.", min=0, max=2**32 - 1)] = 1

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0 on: up, level, and down to the end.

        The level part lets a run be made longer or shorter while it is under way.
        """
        warm = max(min(WARM, self.steps // 10), 1)
        left = (self.steps - step) / max(self.steps * COOL, 1)
        return self.lr * min((step + 1) / warm, 1, left)
