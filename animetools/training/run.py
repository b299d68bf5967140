"""A run from its first image to its last: the loop, readable in one sitting."""

import math
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.training import sheets, snapshots
from animetools.training.config import TrainConfig
from animetools.training.diary import Diary
from animetools.training.loader import Loader, signed
from animetools.training.metrics import Judge
from animetools.training.sampler import Sampler
from animetools.training.snapshots import Pace
from animetools.training.status import Status
from animetools.training.step import Trainer

TICK_KIMG = 4.0  # at most so many between two lines of status
TICK_SECONDS = 60.0  # nor so long
FIRST_SECONDS = 5.0  # after which the first one comes: it tells how long all will take
ROLLBACKS = 3  # times that a run goes back to the same snapshot


@dataclass
class Means:
    """The means of what was told since they were taken last; they stay on their device."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, terms: dict[str, Tensor]) -> None:
        """Count in the terms of one iteration."""
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0) + value
            self.counts[name] += 1

    def take(self) -> dict[str, float]:
        """The means, from here on anew."""
        found = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.sums.clear()
        self.counts.clear()
        return found


@dataclass
class Run:
    """One run under way, in the folder of its diary.

    `stopping` tells that it is to end; `facts` go into every snapshot; `judge` gives the metrics of
    samples; `good` is the last snapshot whose numbers are sound.
    """

    trainer: Trainer
    images: Images
    config: TrainConfig
    pace: Pace
    diary: Diary
    facts: dict[str, Any]
    stopping: Callable[[], bool]
    threads: int = 2
    judge: Judge | None = None
    good: str = ""

    def __post_init__(self) -> None:
        """Nothing has gone wrong yet."""
        self.begun = time.monotonic()
        self.rollbacks = 0
        self.wait = FIRST_SECONDS

    def train(self) -> Iterator[str]:
        """Train until the end; gives the path of each snapshot when it is whole.

        Raises FatalError where the numbers are lost for good.
        """
        try:
            self._show_reals()
            self._show_fakes()
            while self.trainer.seen < self.config.kimg * 1000 and not self.stopping():
                yield from self._go_on()
        finally:
            self.diary.close()

    def _go_on(self) -> Iterator[str]:
        """Train until the end, or until the numbers are lost."""
        trainer, pace, batch = self.trainer, self.pace, self.config.batch
        sampler = Sampler(len(self.images), self.config.seed, start=trainer.seen)
        means = Means()
        ticked = snapped = time.monotonic()
        tick_seen = trainer.seen
        with Loader(self.images, sampler, batch, threads=self.threads) as loader:
            for real in loader:
                trainer.rules = self.config.rules(trainer.seen / 1000)
                means.add(trainer.step(signed(real.images.to(trainer.device)).to(trainer.dtype)))
                self.diary.progress(trainer.seen)

                now, seen = time.monotonic(), trainer.seen
                ends = seen >= self.config.kimg * 1000 or self.stopping()
                snaps = (
                    ends
                    or now - snapped > pace.minutes * 60
                    # At multiples, wherever the run was resumed.
                    or seen // (pace.kimg * 1000) > (seen - batch) // (pace.kimg * 1000)
                )
                kimg = (seen - tick_seen) / 1000
                if snaps or kimg >= TICK_KIMG or now - ticked > self.wait:
                    told = means.take()
                    if not all(map(math.isfinite, told.values())) or (snaps and not self._sound()):
                        self._roll_back()
                        return
                    self._tick(told, (now - ticked) / kimg)
                    ticked, tick_seen = now, seen
                if snaps:
                    yield from self._snap()
                    ticked = snapped = time.monotonic()
                if ends:
                    return

    def _sound(self) -> bool:
        """Whether all numbers of the networks are numbers."""
        networks = self.trainer.generator, self.trainer.discriminator, self.trainer.ema
        values = [value.sum() for network in networks for value in network.state_dict().values()]
        return bool(torch.stack(values).isfinite().all())

    def _tick(self, told: dict[str, float], pace: float) -> None:
        """Say where the run is; pace is in seconds for a kimg."""
        self.wait = TICK_SECONDS
        rates = self.trainer.rules.g_rate, self.trainer.rules.d_rate
        seen, spent = self.trainer.seen, time.monotonic() - self.begun
        self.diary.tick(Status(seen, self.config.kimg, spent, pace, self._memory(), rates, told))

    def _memory(self) -> int:
        """Bytes that this process has had at most, on the card if it is on one."""
        if self.trainer.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.trainer.device)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024

    def _snap(self) -> Iterator[str]:
        """Save, then show and judge what is saved."""
        trainer, folder = self.trainer, self.diary.folder.path
        self.good = snapshots.write(folder, trainer, self.config, self.facts)
        self.rollbacks = 0
        snapshots.prune(folder, self.pace)
        yield self.good
        if not self.stopping():
            self._show_fakes()
            if self.judge:
                self.diary.metrics(self.judge(trainer.ema), trainer.seen)

    def _roll_back(self) -> None:
        """Go back to the last good snapshot, and on from there with other random numbers.

        They depend on the snapshot alone, so that a run which is killed meanwhile does the same.
        """
        self.rollbacks += 1
        if not self.good or self.rollbacks > ROLLBACKS:
            good = f"; {self.good} is good" if self.good else ""
            raise FatalError(
                f"the networks have lost their numbers (NaN){good}: "
                "try lower --g-lr and --d-lr, or another --gamma"
            )
        self.diary.say(f"the networks have lost their numbers (NaN): back to {self.good}")
        snapshots.restore(self.trainer, snapshots.read(self.good), self.config)
        self.diary.rewind(self.trainer.seen)
        chance = self.trainer.chance
        seed = int(torch.randint(1 << 62, (), generator=chance))
        chance.manual_seed(seed + self.rollbacks)

    def _show_fakes(self) -> None:
        """Show what the average generator makes of the same latents every time."""
        ema, seen = self.trainer.ema, self.trainer.seen
        z = sheets.latents(sheets.ON_SHEET, ema.config.mapping.z_dim, self.config.seed)
        fakes = sheets.samples(ema, z, self.config.batch, self.threads)
        self.diary.sheet("fakes", f"fakes{seen / 1000:010.3f}.jpg", sheets.sheet(fakes), seen)

    def _show_reals(self) -> None:
        """Show images that it learns from."""
        shown = list(sheets.chosen(self.images, sheets.ON_SHEET, 1))
        if shown:
            self.diary.sheet("reals", "reals.jpg", sheets.sheet(shown), self.trainer.seen)
