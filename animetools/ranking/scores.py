"""The scores that a discriminator gives to images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.errors import FatalError, ItemError
from animetools.images.fit import How, fit
from animetools.networks import fast
from animetools.networks.config import Config
from animetools.networks.cpu import GROUP, give_back
from animetools.networks.discriminator import AnyDiscriminator

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Prepared = tuple[Pixels, Tensor | None]  # uint8 [C, H, W], and labels [1, c_dim] of its own


@dataclass(frozen=True)
class Scored:
    """The score of an image, and the features and labels that it was computed from, if kept."""

    value: float
    features: Tensor | None = None
    labels: Tensor | None = None


class Scorer:
    """A discriminator on one device.

    `labels` [c_dim] go with every image. A card always gets `group` images at once, since another
    number may choose other kernels, which round otherwise; on a CPU `cpu.GROUP` at a time are
    cheapest. Several threads may call it at once.
    """

    def __init__(
        self,
        discriminator: AnyDiscriminator,
        device: torch.device,
        dtype: torch.dtype,
        labels: Floats | None = None,
        group: int = 1,
    ) -> None:
        self.is_on_cpu = device.type == "cpu"
        self.device = device
        self.group = GROUP if self.is_on_cpu else group
        self.discriminator = discriminator
        self.trunk = fast.features(discriminator, device, dtype)
        if self.is_on_cpu:
            give_back(discriminator)  # the trunk has the weights in an order of its own
        self.labels = None if labels is None else torch.from_numpy(labels)[None]

    def score(
        self, batch: Sequence[Prepared], *, keep_features: bool = False
    ) -> list[Scored | ItemError]:
        """The score of each image alone; an ItemError in its place where that is NaN or infinite."""
        features = self.features([pixels for pixels, _ in batch])
        labels = [own for _, own in batch]
        values = self.alone(features, None if labels[0] is None else labels)
        scored: list[Scored | ItemError] = []
        for value, *rest in zip(values, features, labels, strict=True):
            if not math.isfinite(value):
                scored.append(ItemError("its score is not finite: try fp32, or another network"))
            elif keep_features:
                scored.append(Scored(value, *rest))
            else:
                scored.append(Scored(value))
        return scored

    @torch.inference_mode()
    def features(self, images: list[Pixels]) -> Tensor:
        """What the discriminator's head takes for images of `prepare`: float32 on the CPU."""
        if self.is_on_cpu:
            torch.set_num_threads(1)  # of this thread: there is one per core
        missing = 0 if self.is_on_cpu else -len(images) % self.group
        full = images + images[-1:] * missing
        x = torch.from_numpy(np.stack(full)).float() * (2 / 255) - 1
        try:
            parts = [self.trunk(some) for some in torch.split(x, self.group)]
        except torch.OutOfMemoryError:
            raise FatalError(
                f"{self.device} has too little memory for {self.group} images at once: try a smaller"
                " batch, or bf16"
            ) from None
        return torch.cat(parts)[: len(images)].cpu()

    @torch.inference_mode()
    def alone(self, features: Tensor, labels: Sequence[Tensor | None] | None = None) -> list[float]:
        """The score of each image by itself: its minibatch deviation is 1e-4.

        The same whatever its companions, to the last bit. `labels` [1, c_dim] are those of each,
        where they differ.
        """
        each = [self.labels] * len(features) if labels is None else labels
        pairs = zip(features, each, strict=True)
        return [float(self.discriminator.score(one[None], its)) for one, its in pairs]

    @torch.inference_mode()
    def together(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """The scores [n] of images that are compared with each other, as in training.

        `labels` [n, c_dim] are those of each, where they differ.
        """
        if labels is None and self.labels is not None:
            labels = self.labels.expand(len(features), -1)
        return self.discriminator.score(features, labels)


def prepare(rgb: Pixels, config: Config, how: How) -> Pixels:
    """An image uint8 [H, W, 3] as training would show it to a network: uint8 [C, height, width]."""
    height, width = config.image_size
    frame, _ = fit(rgb, (width, height), how)
    channels = config.image_channels
    if channels == 1:  # Rec. 601, as everything that turns a PNG grey
        grey = frame @ np.array([0.299, 0.587, 0.114])
        frame = np.rint(grey).astype(np.uint8)[..., None]
    elif channels == 4:
        frame = np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)])
    return np.ascontiguousarray(frame.transpose(2, 0, 1))


def frame_of(discriminator: AnyDiscriminator) -> tuple[int, int]:
    """Width and height of the images that it takes."""
    height, width = discriminator.config.image_size
    return width, height
