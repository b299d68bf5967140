"""What a run of gpttrain does at each step and each snapshot."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from animetools.errors import FatalError
from animetools.runs.diary import Diary
from animetools.runs.view import Unit
from animetools.text.learning import snapshots
from animetools.text.learning.learner import Learner
from animetools.text.learning.tokens import Tokens
from animetools.text.models import loading

STEP = Unit("step")
SAMPLES = 2


def bits_per_character(loss: float, tokens: Tokens) -> float | None:
    """A mean loss in nats per token as bits per character of the text behind the tokens.

    Models with different tokenizers can be compared by it.
    """
    if not tokens.characters:
        return None
    return loss * (len(tokens) - 1) / tokens.characters / math.log(2)


@dataclass
class TextTraining:
    """A language model that learns from `data` and is validated on `held`: a `runs.loop.Training`.

    The run's folder itself holds the best model so far. `best` is the least validation loss, `worse`
    how many validations have passed since. `facts` go into every snapshot.
    """

    learner: Learner
    tokenizer: Any
    data: Tokens
    held: Tokens
    facts: dict[str, Any]
    best: float | None = None
    worse: int = 0
    unit = STEP
    cure = "try a lower --lr"

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.learner.device

    @property
    def done(self) -> int:
        """Steps so far."""
        return self.learner.done

    @property
    def total(self) -> float:
        """Steps in all."""
        return self.learner.config.steps

    def step(self) -> dict[str, float]:
        """Learn from one batch."""
        return {"loss": self.learner.step(self.data)}

    def validate(self) -> dict[str, float]:
        """The validation loss; nothing where less than a window is held back."""
        self._loss = self.learner.validate(self.held)
        if self._loss is None:
            return {}
        bits = bits_per_character(self._loss, self.held)
        return {"held": self._loss} | ({} if bits is None else {"held_bits": bits})

    def is_sound(self) -> bool:
        """Whether all weights are finite."""
        sums = [value.detach().sum() for value in self.learner.model.parameters()]
        return bool(torch.stack(sums).isfinite().all())

    def numbers(self, terms: Mapping[str, float]) -> list[str]:
        """Losses in nats per token, perplexities, bits per character."""
        found = [f"loss {terms['loss']:.3f}", f"perplexity {_perplexity(terms['loss']):.1f}"]
        if "held" in terms:
            held = terms["held"]
            found += [f"held back {held:.3f}", f"perplexity {_perplexity(held):.1f}"]
        if "held_bits" in terms:
            found.append(f"{terms['held_bits']:.3f} bits/character")
        return found

    def curves(self, terms: Mapping[str, float]) -> dict[str, float]:
        """Losses, and the learning rate of the last step."""
        names = {
            "loss": "loss/train",
            "held": "loss/valid",
            "held_bits": "bits_per_character/valid",
        }
        return {names[name]: value for name, value in terms.items()} | {"rate": self.learner.rate}

    def save(self, folder: str) -> str:
        """Write a snapshot, and the best model if it is that."""
        learner, held = self.learner, self._loss
        better = held is None or self.best is None or held < self.best
        self.worse = 0 if better else self.worse + 1
        self.best = held if better else self.best
        facts = self.facts | asdict(learner.config)
        facts |= {"step": learner.done, "best": self.best, "worse": self.worse}
        facts |= {"divergences": learner.divergences}
        path = snapshots.write(
            folder, learner.done, learner.model, self.tokenizer, learner.state(), facts
        )
        if better:
            snapshots.publish(folder, learner.model, self.tokenizer)
        return path

    def restore(self, path: str) -> None:
        """Go back to a snapshot."""
        model, _ = loading.load(path)
        self.learner.model.load_state_dict(model.state_dict())
        self.resume(snapshots.read(path))

    def resume(self, saved: snapshots.State) -> None:
        """Continue from the state of a snapshot whose weights are loaded.

        Raises FatalError if it is of another model, or does not say how far its run was.
        """
        match {"divergences": 0} | saved.facts:
            case {
                "step": int(step),
                "divergences": int(divergences),
                "best": float() | None as best,
                "worse": int(worse),
            }:
                self.learner.load(saved.tensors, step)
                self.learner.divergences, self.best, self.worse = divergences, best, worse
            case _:
                raise FatalError(
                    "the snapshot does not say how far its run was: start over with --force instead"
                    " of --resume"
                )

    def diverge(self, number: int) -> None:
        """Seed all that follows by what the snapshot was seeded by, and a number."""
        self.learner.divergences += number

    def begin(self, diary: Diary) -> None:
        """Nothing to show yet."""

    def show(self, diary: Diary) -> None:
        """Show what the model writes."""
        for text in self.samples():
            diary.say(f"sample: {text}")

    def finished(self) -> str:
        """Whether validations have not improved for as long as --patience allows."""
        if not 0 < self.learner.config.patience <= self.worse:
            return ""
        return f"no improvement in {self.worse} validations: training ends"

    @torch.no_grad()
    def samples(self) -> list[str]:
        """What the model writes without a prompt, with the same random numbers every time."""
        learner, end = self.learner, self.tokenizer.eos_token_id
        learner.model.eval()
        torch.manual_seed(learner.config.seed)
        made = learner.model.generate(
            torch.full((SAMPLES, 1), end, device=learner.device),
            attention_mask=torch.ones(SAMPLES, 1, dtype=torch.long, device=learner.device),
            do_sample=True,
            temperature=0.7,
            top_k=30,
            max_new_tokens=learner.config.context - 1,
            pad_token_id=end,
        )
        texts: list[str] = self.tokenizer.batch_decode(made, skip_special_tokens=True)
        return texts


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, 99))
