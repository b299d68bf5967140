"""How the examples train their small networks: what the tagger and the face detector have in common."""

import copy
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import cv2
import torch
from torch import Tensor, nn

from animetools import atomic

SAVE_SECONDS = 60
WORKERS = 1

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Pace:
    """How fast a network learns."""

    rate: float  # the highest learning rate
    warmup: float  # share of the run after which it is reached
    decay: float  # of weights
    ema: float  # share of the moving average that a step leaves, at most
    clip: float  # the longest gradient


class Training(Generic[Net]):
    """Two networks, the trained one and its moving average, and how far they are.

    The folder of the run gets checkpoint.pt, from which the next one continues.
    """

    def __init__(self, network: Net, pace: Pace, run: str, total: int) -> None:
        os.makedirs(run, exist_ok=True)
        self.path, self.total, self.step = os.path.join(run, "checkpoint.pt"), total, 0
        self.pace, self.network = pace, network
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), pace.rate, weight_decay=pace.decay
        )
        if os.path.exists(self.path):
            saved = torch.load(self.path, weights_only=True)
            self.step = int(saved["step"])
            for name, part in self._parts().items():
                part.load_state_dict(saved[name])
        self.first, self.began = self.step, time.monotonic()
        self.saved = self.began

    def _parts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("network", "average", "optimizer")}

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        states = {name: part.state_dict() for name, part in self._parts().items()}
        with atomic.writing(self.path) as file:
            torch.save({"step": self.step, **states}, file)
        self.saved = time.monotonic()

    @property
    def speed(self) -> float:
        """Steps a second."""
        return (self.step - self.first) / (time.monotonic() - self.began)

    def seen(self, images: Tensor) -> Tensor:
        """What the network says of images [n, C, H, W], in bf16, to learn from."""
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16):
            found: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return found

    def learn(self, loss: Tensor) -> None:
        """One step down a loss; writes the checkpoint where a minute has passed."""
        pace, done = self.pace, self.step / self.total
        rate = pace.rate * min(1.0, done / pace.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * (0.5 + 0.5 * math.cos(math.pi * min(1.0, done)))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), pace.clip)
        self.optimizer.step()
        self.step += 1
        share = 1 - min(pace.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            average = self.average.state_dict()
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    average[name].lerp_(value, share)
        if time.monotonic() - self.saved > SAVE_SECONDS:
            self.save()


def batches(views: Any, size: int, first: int, total: int) -> Iterator[list[Tensor]]:
    """The `total` batches from `first` on of so many views each, which `views` has by their numbers."""
    torch.set_num_threads(1)
    yield from torch.utils.data.DataLoader(
        views,
        size,
        sampler=range(first * size, total * size),
        num_workers=WORKERS,
        worker_init_fn=_alone,
        prefetch_factor=4,
    )


def _alone(worker: int) -> None:
    cv2.setNumThreads(0)
