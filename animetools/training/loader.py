"""Batches of real images, decoded ahead in threads."""

import warnings
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from animetools.dataset.training_set import Images
from animetools.errors import Advice, FatalError, ItemError
from animetools.training.sampler import Sampler

PER_JOB = 4  # images of a thread's job
AHEAD = 2  # batches, and jobs per thread, that are read ahead at least
MOST_LEFT_OUT = 100  # images in a row; then it is the disk that is damaged


@dataclass(frozen=True)
class Batch:
    """Images, uint8 [B, C, H, W], and their labels, float32 [B, label_dim]."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class _Filled:
    """Which images a job has read, and what is wrong with those that it could not read."""

    indices: list[int]
    faults: list[str]


class Loader:
    """Endless batches of `batch` images each, in the order of a sampler; to be used in a `with`.

    Where only those at some `places` of each batch are wanted, it loads no others. They do not
    depend on the number of threads. An image that cannot be read is left out: the next of the list,
    mirrored ones last, takes its place. An Advice says so once.

    Raises FatalError where next to nothing can be read.
    """

    def __init__(
        self,
        images: Images,
        sampler: Sampler,
        batch: int,
        *,
        threads: int,
        places: Sequence[int] | None = None,
    ) -> None:
        self.images = images
        self.sampler = sampler
        self.batch = batch
        self.places = range(batch) if places is None else places
        self.left_out: set[str] = set()
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="loader")
        self.coming: deque[tuple[Tensor, list[Future[_Filled]]]] = deque()
        for _ in range(AHEAD + AHEAD * threads * PER_JOB // len(self.places)):
            self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        """The next batch, and work for the threads."""
        images, jobs = self.coming[0]
        filled = [job.result() for job in jobs]
        self.coming.popleft()
        self._begin()
        for fault in (fault for one in filled for fault in one.faults):
            if fault not in self.left_out:
                self.left_out.add(fault)
                warnings.warn(f"{fault}: left out", Advice, stacklevel=2)
        labels = self.images.labels([index for one in filled for index in one.indices])
        return Batch(images, torch.from_numpy(labels))

    def close(self) -> None:
        """End the threads and wait for them."""
        self.pool.shutdown(cancel_futures=True)

    def _begin(self) -> None:
        """Have the threads read one more batch."""
        size = (len(self.places), self.images.channels, self.images.height, self.images.width)
        images = torch.empty(size, dtype=torch.uint8)
        drawn = self.sampler.draw(self.batch)
        indices = [drawn[place] for place in self.places]
        jobs = [
            self.pool.submit(self._fill, images[n : n + PER_JOB], indices[n : n + PER_JOB])
            for n in range(0, len(indices), PER_JOB)
        ]
        self.coming.append((images, jobs))

    def _fill(self, places: Tensor, indices: Sequence[int]) -> _Filled:
        """Read some images into their places in a batch: a thread's work."""
        filled = _Filled([], [])
        for place, index in zip(places.numpy(), indices, strict=True):
            most = min(len(self.images), MOST_LEFT_OUT)
            for number in range(index, index + most):
                number %= len(self.images)
                try:
                    place[...] = self.images.read(number)
                except ItemError as why:
                    filled.faults.append(str(why))
                else:
                    filled.indices.append(number)
                    break
            else:
                raise FatalError(
                    f"{most} images in a row cannot be read, the last: {filled.faults[-1]}: "
                    "check the disk, or sort the images with animeclean"
                )
        return filled


@dataclass(frozen=True)
class LabelTable:
    """The labels of all images, as a tensor [images, label_dim] that is made as it is read."""

    images: Images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Tensor) -> Tensor:
        return torch.from_numpy(self.images.labels(indices.tolist()))


def signed(images: Tensor) -> Tensor:
    """Levels of uint8 as float32 from -1 to 1, as the networks have them."""
    return images.float() / 127.5 - 1
