"""The engines of one run, on a CPU or on cards, and a picture's way through them."""

import os
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING

from animetools.errors import FatalError
from animetools.images.picture import Picture
from animetools.upscaling.alpha import enlarged, filled
from animetools.upscaling.engine import Engine
from animetools.upscaling.models import FOLDERS, digest, open_model, waifu2x
from animetools.upscaling.tiles import Pixels, enlarge

if TYPE_CHECKING:
    import torch

# Where none of these is there can be no card, and torch need not be loaded to find none.
DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


@dataclass(frozen=True)
class Step:
    """One network that a picture goes through; noise None takes nothing away."""

    noise: int | None
    scale: int


class Upscaler:
    """A model on all the processors it may use; many threads may ask it at once."""

    def __init__(
        self, model: str, device: str, dtype: str, *, jobs: int, side: int, tta: bool
    ) -> None:
        """Find the processors: on a CPU `jobs` tiles are computed at once, on each card one.

        Raises FatalError if there is no such device.
        """
        self.model, self.dtype, self.side, self.tta = model, dtype, side, tta
        self.cards = _cards(device)
        self.crews: list[Executor] = [ThreadPoolExecutor(1) for _ in self.cards] or [
            ThreadPoolExecutor(jobs)
        ]
        self.turn = count()
        self.engines: dict[tuple[Step | None, int], Engine] = {}
        self.opening = Lock()

    @property
    def own_scale(self) -> int:
        """How many times larger one of the model's networks makes a picture."""
        return 2 if self.model in FOLDERS else self._engine(Step(None, 1), 0).form.scale

    @property
    def identity(self) -> str:
        """What tells the model from others: a name, or a file's SHA-256."""
        return self.model if self.model in FOLDERS else digest(self.model)

    def steps(self, scale: int, noise: int | None) -> list[Step]:
        """What takes a picture to `scale` times its size, in order.

        Raises FatalError if the model cannot do that.
        """
        own = self.own_scale
        if self.model in FOLDERS and scale == 1:
            return [] if noise is None else [Step(noise, 1)]
        steps, reached = [Step(noise, own)], own
        while own > 1 and reached < scale:
            steps.append(Step(None, own))
            reached *= own
        if reached != scale:
            raise FatalError(f"{self.model} enlarges {own} times, not as --scale {scale} asks")
        return steps

    def open(self, steps: list[Step]) -> None:
        """Have the engines of these steps ready.

        Raises FatalError if one cannot be used.
        """
        for at in range(len(self.crews)):
            for step in steps:
                self._engine(step, at)

    def __call__(self, picture: Picture, steps: list[Step]) -> Picture:
        """The picture after all steps, its transparency beside it.

        Raises ItemError if it cannot be computed.
        """
        at = next(self.turn) % len(self.crews)
        pixels, alpha = picture.pixels, picture.alpha
        if alpha is not None:
            pixels = filled(pixels, alpha)
        for step in steps:
            pixels = self._enlarge(step, at, pixels)
        for step in steps:
            if alpha is not None and step.scale > 1:  # noise is of colors
                clean = replace(step, noise=None)
                alpha = enlarged(alpha, partial(self._enlarge, clean, at))
        return replace(picture, pixels=pixels, alpha=alpha)

    def _enlarge(self, step: Step, at: int, pixels: Pixels) -> Pixels:
        engine = self._engine(step, at)
        return enlarge(engine, pixels, self.crews[at], side=self.side, tta=self.tta)

    def _engine(self, step: Step, at: int) -> Engine:
        """What computes a step: a file's one network, or waifu2x's for that noise and scale."""
        is_named = self.model in FOLDERS
        key = (step if is_named else None, at)
        with self.opening:
            if key not in self.engines:
                path = waifu2x(self.model, step.noise, step.scale) if is_named else self.model
                device = self.cards[at] if self.cards else None
                self.engines[key] = open_model(path, device, self.dtype)
            return self.engines[key]


def _cards(device: str) -> "list[torch.device]":
    """The cards that `device` means; none for the CPU."""
    if device == "cpu" or (
        device == "auto" and sys.platform == "linux" and not any(map(os.path.exists, DRIVERS))
    ):
        return []
    from animetools.networks.devices import devices

    return [card for card in devices(device) if card.type != "cpu"]
