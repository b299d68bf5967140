"""Mean and covariance of what a network computes, over any number of samples in constant memory."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from animetools.sampling.latents import Floats

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """The mean [d] and covariance [d, d] of vectors."""

    mean: Numbers
    covariance: Numbers

    def spread(self, vector: Floats) -> float:
        """The standard deviation along a unit vector [d]."""
        v = vector.astype(np.float64)
        return math.sqrt(max(float(v @ self.covariance @ v), 0.0))


def moments(chunks: Iterable[Floats]) -> Moments:
    """The moments of the rows of chunks [n, d], of which there is at least one."""
    count, first = 0, None
    for chunk in chunks:
        if first is None:  # sums of differences from it stay small
            first = chunk[0].astype(np.float64)
            total, squares = np.zeros_like(first), np.zeros((len(first), len(first)))
        away = chunk - first
        count += len(chunk)
        total += away.sum(0)
        squares += away.T @ away
    assert first is not None
    mean = total / count
    squares /= count
    squares -= np.outer(mean, mean)
    return Moments(first + mean, squares)


def axes(covariance: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """The unit vectors [count, d] along which the variance is the largest, and the variances.

    The number of a vector that is the largest is positive: its sign says nothing.
    """
    variances, vectors = np.linalg.eigh(covariance)
    chosen = vectors[:, ::-1][:, :count].T
    largest = np.take_along_axis(chosen, np.abs(chosen).argmax(1)[:, None], 1)
    return chosen * np.where(largest < 0, -1, 1), np.maximum(variances[::-1][:count], 0)
