"""A language model's training from its first step to its last: the loop."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import torch

from animetools.errors import FatalError
from animetools.text.learning import snapshots
from animetools.text.learning.learner import Learner
from animetools.text.learning.tokens import Tokens

TICK_SECONDS = 60.0  # at most, between two lines of status
FIRST_SECONDS = 5.0  # after which the first one comes: it tells how long all will take
SAMPLES = 2


@dataclass(frozen=True)
class Status:
    """Where a run is; losses in nats a token, `held` that of what is held back, at snapshots.

    `held_bits` is the latter in bits a character, by which models of any tokenizers compare.
    """

    step: int
    steps: int
    spent: float  # seconds since it began or was resumed
    pace: float  # seconds a step
    rate: float
    loss: float
    held: float | None = None
    held_bits: float | None = None

    def scalars(self) -> dict[str, float]:
        """All numbers, by the names of their curves."""
        curves = {"loss/train": self.loss, "rate": self.rate, "run/seconds_per_step": self.pace}
        held = {"loss/valid": self.held, "bits_per_character/valid": self.held_bits}
        return curves | {name: value for name, value in held.items() if value is not None}

    def words(self, left: str) -> str:
        """All numbers for a person, on one line; `left` is how long it still takes."""
        parts = [
            f"step {self.step}",
            f"{timedelta(seconds=int(self.spent))}",
            f"{left} left",
            f"{self.pace:.2f} s/step",
            f"loss {self.loss:.3f}",
            f"perplexity {_perplexity(self.loss):.1f}",
        ]
        if self.held is not None:
            parts += [f"held back {self.held:.3f}", f"perplexity {_perplexity(self.held):.1f}"]
        if self.held_bits is not None:
            parts.append(f"{self.held_bits:.3f} bits/character")
        return "  ".join(parts)


def bits_per_character(loss: float, tokens: Tokens) -> float | None:
    """A mean loss in nats a token as bits a character of the text that the tokens are."""
    if not tokens.characters:
        return None
    return loss * (len(tokens) - 1) / tokens.characters / math.log(2)


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, 99))


@dataclass
class Run:
    """One run under way, in the folder `out`, whose files are the best model so far.

    `tell` hears of each status, `say` a sentence now and then; `stopping` tells that it is to end.
    `best` is the least loss on what is held back, `worse` how many validations have passed since.
    """

    learner: Learner
    tokenizer: Any
    data: Tokens
    held: Tokens
    out: str
    facts: dict[str, Any]
    snap: int  # steps between two snapshots
    keep: int
    tell: Callable[[Status], object]
    say: Callable[[str], object]
    stopping: Callable[[], bool]
    best: float | None = None
    worse: int = 0
    losses: list[float] = field(default_factory=list)

    def train(self) -> Iterator[str]:
        """Train until the end; gives the path of each snapshot when it is whole.

        Raises FatalError where the numbers are lost.
        """
        learner, steps = self.learner, self.learner.settings.steps
        begun = ticked = time.monotonic()
        wait, since = FIRST_SECONDS, learner.done
        while learner.done < steps and not self.stopping():
            rate = learner.settings.rate(learner.done)
            self.losses.append(learner.step(self.data))
            now = time.monotonic()
            ends = learner.done == steps or self.stopping()
            snaps = ends or learner.done % self.snap == 0
            if not (snaps or now - ticked > wait):
                continue
            loss = sum(self.losses) / len(self.losses)
            held = learner.validate(self.held) if snaps else None
            if not all(map(math.isfinite, (loss, held or 0.0))):
                good = snapshots.all_of(self.out)[-1:]
                raise FatalError(
                    "the model has lost its numbers (NaN)"
                    f"{f'; {good[0]} is good' if good else ''}: try a lower --lr"
                )
            pace = (now - ticked) / (learner.done - since)
            bits = None if held is None else bits_per_character(held, self.held)
            self.tell(Status(learner.done, steps, now - begun, pace, rate, loss, held, bits))
            self.losses.clear()
            if snaps:
                yield self._save(held)
                if self.is_over() and not ends:
                    self.say(f"{self.worse} validations got no better: it ends here")
                    return
            wait, ticked, since = TICK_SECONDS, time.monotonic(), learner.done

    def is_over(self) -> bool:
        """Whether the model has long got no better."""
        return 0 < self.learner.settings.patience <= self.worse

    def _save(self, held: float | None) -> str:
        """Write a snapshot, and the best model if it is that; show what the model writes."""
        learner = self.learner
        better = held is None or self.best is None or held < self.best
        self.worse = 0 if better else self.worse + 1
        self.best = held if better else self.best
        facts = self.facts | asdict(learner.settings)
        facts |= {"step": learner.done, "best": self.best, "worse": self.worse}
        path = snapshots.write(
            self.out, learner.done, learner.model, self.tokenizer, learner.state(), facts
        )
        if better:
            snapshots.publish(self.out, learner.model, self.tokenizer)
        snapshots.remove(self.out, snapshots.all_of(self.out)[: -self.keep] if self.keep else [])
        if not self.stopping():
            for text in self.samples():
                self.say(f"sample: {text}")
        return path

    @torch.no_grad()
    def samples(self) -> list[str]:
        """What the model writes of its own accord, from the same chances every time."""
        learner, end = self.learner, self.tokenizer.eos_token_id
        learner.model.eval()
        torch.manual_seed(learner.settings.seed)
        made = learner.model.generate(
            torch.full((SAMPLES, 1), end, device=learner.device),
            attention_mask=torch.ones(SAMPLES, 1, dtype=torch.long, device=learner.device),
            do_sample=True,
            temperature=0.7,
            top_k=30,
            max_new_tokens=learner.settings.context - 1,
            pad_token_id=end,
        )
        texts: list[str] = self.tokenizer.batch_decode(made, skip_special_tokens=True)
        return texts
