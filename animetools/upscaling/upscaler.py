"""A model on all processors of a run, and the steps in which it enlarges a picture."""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, count
from operator import mul
from threading import Lock
from typing import TYPE_CHECKING

from animetools.errors import FatalError
from animetools.images.picture import Picture
from animetools.upscaling.alpha import enlarged, filled
from animetools.upscaling.models import FOLDERS, digest, open_model, waifu2x
from animetools.upscaling.network import UpscalingNetwork
from animetools.upscaling.tiles import Pixels, Progress, enlarge

if TYPE_CHECKING:
    import torch

# Without any of these there is no card, and torch need not be loaded to find that out.
DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


@dataclass(frozen=True)
class Step:
    """One network that a picture goes through; `noise` is the level that it removes."""

    noise: int | None
    scale: int


class Upscaler:
    """A model on all the processors it may use; many threads may call it at once."""

    def __init__(
        self, model: str, device: str, dtype: str, *, jobs: int, side: int, tta: bool
    ) -> None:
        """Find the processors: on a CPU `jobs` tiles are computed at once, on each card one.

        `side` is that of a tile, or 0 for the network's own; `tta` averages eight flips and turns.

        Raises FatalError if the device does not exist.
        """
        self.model, self.dtype, self.side, self.tta = model, dtype, side, tta
        self.cards = _cards(device)
        threads = [1 for _ in self.cards] or [jobs]
        self.tilers: list[Executor] = [ThreadPoolExecutor(n) for n in threads]  # for each device
        self.turn = count()
        self.networks: dict[tuple[Step | None, int], UpscalingNetwork] = {}
        self.opening = Lock()

    @property
    def is_waifu2x(self) -> bool:
        """Whether it is one of waifu2x's models, not a file."""
        return self.model in FOLDERS

    @property
    def own_scale(self) -> int:
        """How many times one of the model's networks enlarges a picture."""
        return 2 if self.is_waifu2x else self._network(Step(None, 1), 0).geometry.scale

    @property
    def identity(self) -> str:
        """What tells the model from others: its name, or a hash of its file."""
        return self.model if self.is_waifu2x else digest(self.model)

    def steps(self, scale: int, noise: int | None) -> list[Step]:
        """What enlarges a picture `scale` times, in order.

        Raises FatalError if the model cannot do that.
        """
        own = self.own_scale
        if self.is_waifu2x and scale == 1:
            return [] if noise is None else [Step(noise, 1)]
        steps, reached = [Step(noise, own)], own
        while own > 1 and reached < scale:
            steps.append(Step(None, own))
            reached *= own
        if reached != scale:
            raise FatalError(f"{self.model} enlarges {own} times, not the {scale} of --scale")
        return steps

    def open(self, steps: list[Step]) -> None:
        """Load the networks of these steps.

        Raises FatalError if one cannot be used.
        """
        for at in range(len(self.tilers)):
            for step in steps:
                self._network(step, at)

    def __call__(
        self, picture: Picture, steps: Sequence[Step], progress: Progress | None = None
    ) -> Picture:
        """The picture after all steps, with its transparency.

        Raises ItemError if it cannot be computed.
        """
        at = next(self.turn) % len(self.tilers)
        pixels, alpha = picture.pixels, picture.alpha
        if alpha is not None:
            pixels = filled(pixels, alpha)
        areas = list(accumulate((step.scale**2 for step in steps[:-1]), mul, initial=1))
        for number, step in enumerate(steps):
            tell = partial(_tell, progress, areas, number) if progress else None
            pixels = self._enlarge(step, at, pixels, tell)
        for step in steps:
            if alpha is not None and step.scale > 1:  # only colors are noisy
                clean = replace(step, noise=None)
                alpha = enlarged(alpha, partial(self._enlarge, clean, at))
        return replace(picture, pixels=pixels, alpha=alpha)

    def _enlarge(
        self, step: Step, at: int, pixels: Pixels, progress: Progress | None = None
    ) -> Pixels:
        network = self._network(step, at)
        return enlarge(
            network, pixels, self.tilers[at], side=self.side, tta=self.tta, progress=progress
        )

    def _network(self, step: Step, at: int) -> UpscalingNetwork:
        """What computes a step: a file's one network, or waifu2x's for that noise and scale."""
        key = (step if self.is_waifu2x else None, at)
        with self.opening:
            if key not in self.networks:
                path = (
                    waifu2x(self.model, step.noise, step.scale) if self.is_waifu2x else self.model
                )
                device = self.cards[at] if self.cards else None
                self.networks[key] = open_model(path, device, self.dtype)
            return self.networks[key]


def _tell(progress: Progress, areas: Sequence[int], number: int, done: float, total: float) -> None:
    """Report so much of one step as part of all, whose work grows with the area."""
    progress(sum(areas[:number]) + areas[number] * done / total, sum(areas))


def _cards(device: str) -> "list[torch.device]":
    """The cards that `device` means; none for the CPU."""
    if device == "cpu" or (
        device == "auto" and sys.platform == "linux" and not any(map(os.path.exists, DRIVERS))
    ):
        return []
    from animetools.networks.devices import devices

    return [card for card in devices(device) if card.type != "cpu"]
