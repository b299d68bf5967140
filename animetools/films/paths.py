"""Ways through latent space."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from animetools.errors import FatalError
from animetools.estimate import size

Floats = NDArray[np.float32]
Times = NDArray[np.float64]

MOST_BYTES = 1 << 30  # of the latents of a walk
FARTHEST = 0.25  # widths of a picture that it drifts to each side
SLAB = 256  # numbers that are filtered at once: the filter needs no copy of all


def walk(seed: int, frames: int, cells: int, z_dim: int, sigma: float) -> Floats:
    """A random walk of z that ends where it began, [frames, cells, z_dim], of unit variance.

    Noise of RandomState(seed), smoothed over time by a wrapped Gaussian of `sigma` frames: the very
    numbers of Karras et al. 2017 (Progressive Growing of GANs) and of the scripts that followed.

    Raises FatalError if they would not fit into MOST_BYTES.
    """
    bytes_ = 4 * frames * cells * z_dim
    if bytes_ > MOST_BYTES:
        raise FatalError(
            f"{frames:,} frames of {cells} faces take {size(bytes_)} of latents, more than"
            f" {size(MOST_BYTES)}: lower --seconds, --fps or --grid"
        )
    stream = np.random.RandomState(seed)
    z = np.empty((frames, cells * z_dim), np.float32)
    for row in z:
        row[:] = stream.randn(cells * z_dim)
    square = 0.0
    for start in range(0, cells * z_dim, SLAB):
        slab = z[:, start : start + SLAB]
        slab[:] = gaussian_filter1d(slab, sigma, axis=0, mode="wrap")
        square += float(np.square(slab).sum(dtype=np.float64))
    z /= np.float32(math.sqrt(square / z.size))
    return z.reshape(frames, cells, z_dim)


def along(walk: Floats, places: Times) -> Floats:
    """A walk [n, ...] at any places in 0..n, where n is 0 again, between its own points."""
    below = np.floor(places).astype(int)
    share = (places - below).astype(np.float32).reshape(-1, *[1] * (walk.ndim - 1))
    one, other = walk[below % len(walk)], walk[(below + 1) % len(walk)]
    between: Floats = one + share * (other - one)
    return between


def legs(frames: int, points: int) -> Times:
    """Where each frame is on a way through points 0, 1, 2 ..., eased at each; the last is the last."""
    if points == 1 or frames == 1:
        return np.zeros(frames)
    places = np.arange(frames) * (points - 1) / (frames - 1)
    whole = np.minimum(np.floor(places), points - 2)
    share = places - whole
    return np.asarray(whole + share * share * (3 - 2 * share))


def to_and_fro(frames: int, points: int) -> Times:
    """Where each frame is on a way from point 0 to the last and back, eased at both, in a loop."""
    phase = 2 * np.pi * np.arange(frames) / frames
    return np.asarray((1 - np.cos(phase)) / 2 * (points - 1))


def circle(seed: int, cells: int, z_dim: int) -> tuple[Floats, Floats]:
    """Two orthogonal z [cells, z_dim] of the length of an average z: cos and sin of a circle."""
    stream = np.random.RandomState(seed)
    one, other = (stream.randn(cells, z_dim).astype(np.float32) for _ in range(2))
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    other -= one * (one * other).sum(1, keepdims=True)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    length = np.float32(math.sqrt(z_dim))
    return one * length, other * length


def eight(share: float) -> tuple[float, float]:
    """A place on an eight around the middle, after a `share` of the way, in widths of a picture."""
    angle = 2 * math.pi * share
    return FARTHEST * math.sin(angle), FARTHEST / 2 * math.sin(2 * angle)
