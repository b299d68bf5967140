"""One text that a local model generates; without torch, so that it is quick to import."""

from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Generation:
    """A text that was asked for, and its tokens so far."""

    prompt: str
    rng: np.random.Generator
    limit: int = 0  # most tokens
    tokens: list[int] = field(default_factory=list)
    result: Future[str] = field(default_factory=Future)
