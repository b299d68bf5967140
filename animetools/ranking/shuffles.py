"""Scores of images that are compared with each other, in minibatches, averaged over shuffles."""

import tempfile
from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.errors import FatalError, ItemError
from animetools.networks.discriminator import AnyDiscriminator
from animetools.ranking.scores import Scored, Scorer


class FeatureFile:
    """The features of all images, in a temporary file: they are far larger than the scores.

    `labels` [1, c_dim] are those of each image, where they differ.
    """

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  it is closed with this
        self.shape: tuple[int, ...] = ()
        self.count = 0
        self.labels: list[Tensor] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def add(self, scored: Scored) -> None:
        """Append those of one image.

        Raises FatalError if the disk is full.
        """
        assert scored.features is not None
        self.shape = tuple(scored.features.shape)
        try:
            self.file.write(scored.features.numpy().tobytes())
            self.file.flush()
        except OSError as why:
            raise FatalError(
                f"{tempfile.gettempdir()}: {why.strerror}; the features of all images are kept there:"
                " set TMPDIR to another folder"
            ) from why
        self.labels += [] if scored.labels is None else [scored.labels]
        self.count += 1

    def features(self) -> NDArray[np.float32]:
        """[n, ...], still on the disk."""
        if not self.count:
            return np.zeros((0,), np.float32)
        return np.memmap(self.file, np.float32, "r", shape=(self.count, *self.shape))


def shuffled_scores(
    scorer: Scorer, file: FeatureFile, shuffles: int, minibatch: int, seed: int
) -> NDArray[np.float64]:
    """The mean score of each image over shuffles of all, compared within minibatches.

    The last minibatch of a shuffle is filled up with the shuffle's first images, whose scores
    there do not count. Source: Branwen 2019, "Making Anime Faces With StyleGAN", section
    "Discriminator Ranking".
    """
    features = file.features()
    labels = torch.cat(file.labels) if file.labels else None
    total = np.zeros(len(features))
    for order in _orders(len(features), shuffles, seed):
        for first in range(0, len(order), minibatch):
            mine = order[first : first + minibatch]
            filled = np.resize(np.concatenate([mine, order]), minibatch)
            chosen = torch.from_numpy(np.ascontiguousarray(features[filled]))
            scores = scorer.together(chosen, None if labels is None else labels[filled])
            total[mine] += scores[: len(mine)].numpy()
    return total / shuffles


def _orders(count: int, shuffles: int, seed: int) -> Iterator[NDArray[np.int64]]:
    stream = np.random.default_rng(seed)
    for _ in range(shuffles):
        yield stream.permutation(count)


def check_minibatch(discriminator: AnyDiscriminator, minibatch: int) -> None:
    """Raise ItemError if such a minibatch does not divide into the network's groups."""
    group = discriminator.mbstd_group
    if group and minibatch > group and minibatch % group:
        raise ItemError(
            f"the minibatch must be a multiple of {group} for this network, not {minibatch}"
        )
