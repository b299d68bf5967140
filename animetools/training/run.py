"""A run from its first image to its last: the loop, readable in one sitting."""

import math
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from animetools import whole
from animetools.dataset.forecast import duration
from animetools.dataset.pictures import Pixels
from animetools.dataset.training_set import Images
from animetools.errors import FatalError, ItemError
from animetools.images.files import encode_jpeg
from animetools.networks.fast import synthesis
from animetools.training import snapshots
from animetools.training.config import TrainConfig
from animetools.training.forecast import size
from animetools.training.loader import Loader, signed
from animetools.training.sampler import Sampler
from animetools.training.step import Trainer

TICK_KIMG = 4.0  # at most so many between two lines of status
TICK_SECONDS = 60.0  # nor so long
FIRST_SECONDS = 5.0  # after which the first one comes: it tells how long all will take
ROLLBACKS = 3  # times that a run goes back to the same snapshot
GRID = (8, 6)  # columns and rows of a sheet of images


@dataclass(frozen=True)
class Pace:
    """When a run saves, and what it keeps."""

    snap_kimg: float = 200.0
    snap_minutes: float = 30.0
    keep: int = 5  # of the last snapshots; 0: all
    keep_every: int = 0  # kimg, besides


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
    """One run under way, in a folder of its own.

    `say` takes a line for a person; `stopping` tells that it is to end; `facts` go into every
    snapshot; `good` is the last one whose numbers are sound.
    """

    trainer: Trainer
    images: Images
    config: TrainConfig
    pace: Pace
    folder: str
    facts: dict[str, Any]
    say: Callable[[str], None]
    stopping: Callable[[], bool]
    threads: int = 2
    good: str = ""

    def __post_init__(self) -> None:
        """Choose what the sheets show."""
        columns, rows = GRID
        z_dim = self.trainer.generator.config.mapping.z_dim
        rng = np.random.RandomState(self.config.seed)
        self.z = torch.from_numpy(rng.randn(columns * rows, z_dim)).float()
        self.rollbacks = 0
        self.wait = FIRST_SECONDS

    def train(self) -> Iterator[str]:
        """Train until the end; gives the path of each snapshot when it is whole.

        Raises FatalError where the numbers are lost for good.
        """
        self.show_reals()
        self.show_fakes()
        while self.trainer.seen < self.config.kimg * 1000 and not self.stopping():
            yield from self._go_on()

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

                now, seen = time.monotonic(), trainer.seen
                ends = seen >= self.config.kimg * 1000 or self.stopping()
                snaps = (
                    ends
                    or now - snapped > pace.snap_minutes * 60
                    # At multiples, wherever the run was resumed.
                    or seen // (pace.snap_kimg * 1000) > (seen - batch) // (pace.snap_kimg * 1000)
                )
                kimg = (seen - tick_seen) / 1000
                if snaps or kimg >= TICK_KIMG or now - ticked > self.wait:
                    told = means.take()
                    if not all(map(math.isfinite, told.values())) or (snaps and not self._sound()):
                        self._roll_back()
                        return
                    self._tell(told, (now - ticked) / kimg)
                    ticked, tick_seen = now, seen
                if snaps:
                    yield self._snap()
                    ticked = snapped = time.monotonic()
                if ends:
                    return

    def _sound(self) -> bool:
        """Whether all numbers of the networks are numbers."""
        networks = self.trainer.generator, self.trainer.discriminator, self.trainer.ema
        values = [value.sum() for network in networks for value in network.state_dict().values()]
        return bool(torch.stack(values).isfinite().all())

    def _snap(self) -> str:
        self.good = snapshots.write(self.folder, self.trainer, self.config, self.facts)
        self.rollbacks = 0
        self.show_fakes()
        snapshots.prune(self.folder, self.pace.keep, self.pace.keep_every)
        return self.good

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
        self.say(f"the networks have lost their numbers (NaN): back to {self.good}")
        snapshots.restore(self.trainer, snapshots.read(self.good), self.config)
        chance = self.trainer.chance
        seed = int(torch.randint(1 << 62, (), generator=chance))
        chance.manual_seed(seed + self.rollbacks)

    def _tell(self, told: dict[str, float], pace: float) -> None:
        """One line for a person; pace is in seconds for a kimg."""
        seen, self.wait = self.trainer.seen, TICK_SECONDS
        left = duration(max(self.config.kimg - seen / 1000, 0) * pace)
        self.say(
            f"kimg {seen / 1000:.1f}  {pace:.1f} s/kimg  {left} left  G {told['loss_g']:.3f}"
            f"  D {told['loss_fake'] + told['loss_real']:.3f}  signs {told['sign_real']:+.2f}"
            f" {told['sign_fake']:+.2f}  p {told['p']:.3f}  memory {size(self._memory())}"
        )

    def _memory(self) -> int:
        """Bytes that this process has had at most, on the card if it is on one."""
        if self.trainer.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.trainer.device)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024

    def show_fakes(self) -> None:
        """Write a sheet of what the average generator makes of the same latents every time."""
        ema, device = self.trainer.ema, self.trainer.device
        draw: Callable[..., Tensor] = ema.synthesis
        if device.type == "cpu":  # elsewhere it would be compiled anew every time
            draw = synthesis(ema, device, torch.float32, self.threads)
        with torch.inference_mode():
            ws = ema.mapping(self.z.to(device, self.trainer.dtype))
            parts = [draw(part, "const").cpu() for part in ws.split(self.config.batch)]
        levels = (torch.cat(parts) * 127.5 + 128).clamp(0, 255).byte().numpy()
        self._show(levels, f"fakes{self.trainer.seen // 1000:06d}.jpg")

    def show_reals(self) -> None:
        """Write a sheet of the images that it learns from."""
        shown: list[Pixels] = []
        for index in np.random.RandomState(0).permutation(len(self.images)).tolist():
            with suppress(ItemError):  # told when its turn comes to be learnt from
                shown.append(self.images.read(index))
            if len(shown) == GRID[0] * GRID[1]:
                break
        if shown:
            self._show(np.stack(shown), "reals.jpg")

    def _show(self, levels: Pixels, name: str) -> None:
        """Write images [n, C, H, W] side by side."""
        columns, rows = GRID
        count, channels, height, width = levels.shape
        sheet = np.zeros((rows * height, columns * width, channels), np.uint8)
        for at in range(count):
            y, x = at // columns * height, at % columns * width
            sheet[y : y + height, x : x + width] = levels[at].transpose(1, 2, 0)
        data = encode_jpeg(sheet if channels > 1 else sheet[:, :, 0], 92)
        whole.write(os.path.join(self.folder, name), data)
