"""Steps along a way that all change the picture by as much."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from animetools.images.files import Pixels

Places = NDArray[np.float64]
Draw = Callable[[Places], Iterator[Pixels]]

EVEN = 0.08  # how far the errors of the steps may be apart, as a share of their mean
# Of placing all frames again; with 60 frames on a circle five are usual, with 20 twelve.
ROUNDS = 16


def even_steps(draw: Draw, count: int, tell: Callable[[int], None]) -> Places:
    """Places 0 <= t < 1 of `count` frames on a loop, with equal mean squared errors between neighbors.

    `draw` gives the frames of places; `tell` hears of each how many were drawn so far.

    To bisect each step, as the article's film did, takes several drawings one after the other. Here each
    round draws all frames at once, and measures the steps: the roots of their errors add up to the
    length of the way, whose equal shares are the places of the next round.
    Source: de Boor 1973 (Good Approximation by Splines with Variable Knots).
    """
    places = best = np.arange(count) / count
    least = np.inf
    for number in range(ROUNDS):
        errors = np.empty(count)
        for n, error in enumerate(step_errors(draw(places))):
            errors[n] = error
            tell(number * count + n + 1)
        spread = variation(errors)
        if spread < least:
            best, least = places, spread
        if least < EVEN or not errors.all():
            break
        length = np.concatenate([[0.0], np.cumsum(np.sqrt(errors))])
        places = np.interp(length[-1] * np.arange(count) / count, length, [*places, 1.0])
    return best


def step_errors(frames: Iterator[Pixels]) -> Iterator[float]:
    """The mean squared error from each frame to the next, of the last to the first."""
    first = before = next(frames)
    for frame in frames:
        yield _error(before, frame)
        before = frame
    yield _error(before, first)


def variation(errors: NDArray[np.float64]) -> float:
    """How far errors are apart, as a share of their mean; 0 if all are 0."""
    mean = float(errors.mean())
    return float(errors.max() - errors.min()) / mean if mean else 0.0


def _error(one: Pixels, other: Pixels) -> float:
    difference = one.astype(np.int32) - other
    return float(np.square(difference).mean())
