"""A run from its first step to its last, whatever learns."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from animetools.errors import FatalError
from animetools.runs.diary import Diary
from animetools.runs.forecast import peak
from animetools.runs.pace import Pace
from animetools.runs.snapshots import prune
from animetools.runs.view import Status, Unit

if TYPE_CHECKING:
    import torch

TICK_SECONDS = 60.0  # at most, between two lines of status
FIRST_SECONDS = 5.0  # until the first one: it tells how long all will take
ROLLBACKS = 3  # to the same snapshot


class Training(Protocol):
    """What the loop drives. Counts are of images or steps; a term is a number or a scalar tensor."""

    unit: Unit
    cure: str  # of numbers that are lost

    @property
    def device(self) -> "torch.device":
        """Where it trains."""

    @property
    def done(self) -> int:
        """How far it is."""

    @property
    def total(self) -> float:
        """Where it ends."""

    def step(self) -> Mapping[str, Any]:
        """Learn from one batch; returns the terms of its losses."""

    def validate(self) -> dict[str, float]:
        """More terms, which are computed before each snapshot."""

    def is_sound(self) -> bool:
        """Whether all weights are finite."""

    def numbers(self, terms: Mapping[str, float]) -> list[str]:
        """What a person wants to know of the means of the terms."""

    def curves(self, terms: Mapping[str, float]) -> dict[str, float]:
        """What TensorBoard plots, by the names of the curves."""

    def save(self, folder: str) -> str:
        """Write a snapshot; returns its path."""

    def restore(self, path: str) -> None:
        """Go back to a snapshot."""

    def diverge(self, number: int) -> None:
        """Draw other random numbers from here on: they depend on the snapshot and the number."""

    def begin(self, diary: Diary) -> None:
        """Show what there is before the first step."""

    def show(self, diary: Diary) -> None:
        """Show what there is after a snapshot."""

    def finished(self) -> str:
        """Why training ends before `total`; empty as long as it does not. Asked after a snapshot."""


@dataclass
class Means:
    """The means of terms since they were taken last; sums stay on their device."""

    sums: dict[str, Any] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, terms: Mapping[str, Any]) -> None:
        """Count in the terms of one step."""
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0) + value
            self.counts[name] += 1

    def take(self) -> dict[str, float]:
        """The means; counting starts again."""
        found = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.sums.clear()
        self.counts.clear()
        return found


def train(
    training: Training, pace: Pace, diary: Diary, stopping: Callable[[], bool], good: str = ""
) -> Iterator[str]:
    """Train until the end, or until `stopping`; yields the path of each snapshot when it is whole.

    Where a term or a weight is not finite, the run goes back to `good`, the last snapshot, and on
    with other random numbers. Raises FatalError where that does not help.
    """
    unit, folder = training.unit, diary.folder.path
    means, rollbacks, wait = Means(), 0, FIRST_SECONDS
    begun = time.monotonic()
    try:
        training.begin(diary)
        ticked = saved = time.monotonic()
        ticked_at = training.done
        ends = training.done >= training.total or stopping()
        while not ends:
            before = training.done
            means.add(training.step())
            diary.progress(training.done)

            now, done = time.monotonic(), training.done
            ends = done >= training.total or stopping()
            saves = ends or pace.is_due(before, done, unit.size, now - saved)
            units = (done - ticked_at) / unit.size
            if not (saves or units >= unit.between or now - ticked > wait):
                continue
            terms = means.take() | (training.validate() if saves else {})
            if not all(map(math.isfinite, terms.values())) or (saves and not training.is_sound()):
                rollbacks += 1
                _roll_back(training, diary, good, rollbacks)
                ends = stopping()
                ticked = saved = time.monotonic()
                ticked_at = training.done
                continue
            numbers, curves = training.numbers(terms), training.curves(terms)
            rate, memory = (now - ticked) / units, peak(training.device)
            diary.tick(
                Status(unit, done, training.total, now - begun, rate, memory, numbers, curves)
            )
            wait, ticked, ticked_at = TICK_SECONDS, now, done
            if saves:
                good, rollbacks = training.save(folder), 0
                prune(folder, pace)
                yield good
                if not stopping():
                    training.show(diary)
                if not ends and (why := training.finished()):
                    diary.say(why)
                    ends = True
                ticked = saved = time.monotonic()
    finally:
        diary.close()


def _roll_back(training: Training, diary: Diary, good: str, number: int) -> None:
    """Go back to the last snapshot for this time, and on from there with other random numbers.

    They depend on the snapshot alone, so that a run which is killed meanwhile does the same.
    """
    if not good or number > ROLLBACKS:
        whole = f"; the last good snapshot is {good}" if good else ""
        raise FatalError(f"training diverged to NaN{whole}: {training.cure}")
    diary.say(f"training diverged to NaN: back to {good}, with other random numbers")
    training.restore(good)
    diary.rewind(training.done)
    training.diverge(number)
