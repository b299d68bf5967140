"""What a discriminator thinks of pictures."""

import tempfile
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.errors import FatalError, ItemError
from animetools.images.fit import How, fit
from animetools.networks import fast
from animetools.networks.discriminator import Discriminator

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


class Judge:
    """A discriminator on one device.

    `labels` [c_dim] go with every picture. A card is always given `group` pictures, since another
    number may choose other kernels, which round otherwise; a CPU looks at each alone. Calls from
    several threads at once do not meet.
    """

    def __init__(
        self,
        discriminator: Discriminator,
        device: torch.device,
        dtype: torch.dtype,
        labels: Floats | None = None,
        group: int = 1,
    ) -> None:
        self.is_on_cpu = device.type == "cpu"
        self.device = device
        self.group = 1 if self.is_on_cpu else group
        self.head = discriminator
        self.look = fast.features(discriminator, device, dtype)
        self.labels = None if labels is None else torch.from_numpy(labels)[None]

    @torch.inference_mode()
    def features(self, pictures: list[Pixels]) -> Tensor:
        """What the head sees of pictures [C, H, W], prepared by `prepared`: float32 on the CPU."""
        if self.is_on_cpu:
            torch.set_num_threads(1)  # of this thread: its like are beside it
        full = pictures + pictures[-1:] * (-len(pictures) % self.group)
        images = torch.from_numpy(np.stack(full)).float() * (2 / 255) - 1
        try:
            parts = [self.look(some) for some in torch.split(images, self.group)]
        except torch.OutOfMemoryError:
            less = "try a smaller --batch, or --dtype bf16"
            raise FatalError(
                f"{self.device} has no memory for {self.group} images: {less}"
            ) from None
        return torch.cat(parts)[: len(pictures)].cpu()

    @torch.inference_mode()
    def alone(self, features: Tensor, labels: Sequence[Tensor | None] | None = None) -> list[float]:
        """The score of each picture by itself: its minibatch deviation is 1e-4.

        The same whatever its companions, to the last bit. `labels` [1, c_dim] are those of each,
        where they differ.
        """
        told = [self.labels] * len(features) if labels is None else labels
        pairs = zip(features, told, strict=True)
        return [float(self.head.score(one[None], its)) for one, its in pairs]

    @torch.inference_mode()
    def together(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """The scores [n] of pictures that are compared with each other, as in training.

        `labels` [n, c_dim] are those of each, where they differ.
        """
        if labels is None and self.labels is not None:
            labels = self.labels.expand(len(features), -1)
        return self.head.score(features, labels)


def ranks_of(scores: Sequence[float]) -> list[int]:
    """The rank of each score: 1 is the highest; of equal ones the first comes first."""
    order = np.argsort(-np.array(scores), kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks.tolist()


def prepared(rgb: Pixels, discriminator: Discriminator, how: How) -> Pixels:
    """A picture uint8 [H, W, 3] as training would show it: uint8 [C, height, width]."""
    frame, _ = fit(rgb, frame_of(discriminator), how)
    channels = discriminator.config.image_channels
    if channels == 1:  # Rec. 601, as everything that turns a PNG grey
        grey = frame @ np.array([0.299, 0.587, 0.114])
        frame = np.rint(grey).astype(np.uint8)[..., None]
    elif channels == 4:
        frame = np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)])
    return np.ascontiguousarray(frame.transpose(2, 0, 1))


def frame_of(discriminator: Discriminator) -> tuple[int, int]:
    """Width and height of the pictures that it takes."""
    height, width = discriminator.config.image_size
    return width, height


class Memory:
    """The features of all pictures, on the disk: they are far larger than the scores."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  it is closed with this
        self.shape: tuple[int, ...] = ()
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def add(self, features: Tensor) -> None:
        """Those of one picture more."""
        self.shape = tuple(features.shape)
        try:
            self.file.write(features.numpy().tobytes())
            self.file.flush()
        except OSError as why:
            folder = tempfile.gettempdir()
            raise FatalError(
                f"{folder}: {why.strerror}, and --shuffles keeps there what it saw: name another"
                " folder in TMPDIR"
            ) from why
        self.count += 1

    def all(self) -> NDArray[np.float32]:
        """[n, ...], still on the disk."""
        if not self.count:
            return np.zeros((0,), np.float32)
        return np.memmap(self.file, np.float32, "r", shape=(self.count, *self.shape))


def shuffled_scores(
    judge: Judge,
    memory: Memory,
    shuffles: int,
    minibatch: int,
    seed: int,
    labels: Tensor | None = None,
) -> NDArray[np.float64]:
    """The mean score of each picture over shuffles of all, compared within minibatches.

    `labels` [n, c_dim] are those of each, where they differ.

    The last minibatch of a shuffle is filled up with the shuffle's first pictures, whose scores
    there do not count. Source: Branwen 2019, "Making Anime Faces With StyleGAN", section
    "Discriminator Ranking".
    """
    features = memory.all()
    total = np.zeros(len(features))
    for order in _orders(len(features), shuffles, seed):
        for first in range(0, len(order), minibatch):
            mine = order[first : first + minibatch]
            filled = np.resize(np.concatenate([mine, order]), minibatch)
            chosen = torch.from_numpy(np.ascontiguousarray(features[filled]))
            scores = judge.together(chosen, None if labels is None else labels[filled])
            total[mine] += scores[: len(mine)].numpy()
    return total / shuffles


def _orders(count: int, shuffles: int, seed: int) -> Iterator[NDArray[np.int64]]:
    stream = np.random.default_rng(seed)
    for _ in range(shuffles):
        yield stream.permutation(count)


def check_minibatch(discriminator: Discriminator, minibatch: int) -> None:
    """Raise ItemError if such a minibatch does not divide into the network's groups."""
    group = discriminator.mbstd_group
    if group and minibatch > group and minibatch % group:
        raise ItemError(f"--minibatch is a multiple of {group} for this network, not {minibatch}")
