"""Blur and sharpen more in some places than in others, as ImageMagick does."""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.images.files import Pixels

Floats = NDArray[np.float32]

LUMA = (0.212656, 0.715158, 0.072186)  # Rec. 709

_FINE = 3  # samples of a Gaussian per pixel


def adaptive_blur(pixels: Pixels, radius: int, sigma: float) -> Pixels:
    """Blur uint8 [H, W, 3] by a Gaussian, in a window that is smaller the nearer an edge is.

    What the window cuts off of the Gaussian counts as the pixel itself.
    """

    def weigh(inside: float, _: float) -> tuple[float, float]:
        return 1, 1 - inside

    return _filtered(pixels, radius, sigma, _edges(pixels, radius, sigma), weigh)


def adaptive_sharpen(pixels: Pixels, radius: int, sigma: float) -> Pixels:
    """Sharpen uint8 [H, W, 3] with a Gaussian, in a window that is larger the nearer an edge is."""

    def weigh(inside: float, middle: float) -> tuple[float, float]:
        return -1 / (inside + middle), (2 * inside + middle) / (inside + middle)

    return _filtered(pixels, radius, sigma, 1 - _edges(pixels, radius, sigma), weigh)


def _filtered(
    pixels: Pixels,
    radius: int,
    sigma: float,
    narrowing: Floats,
    weigh: Callable[[float, float], tuple[float, float]],
) -> Pixels:
    """Filter each pixel in a window of its own size: 2 radius + 1 where narrowing is 0, 1 where it is 1.

    `weigh` gives the weights of the sum over the window and of the pixel itself, for the sum of the
    Gaussian in a window and its value in the middle.
    """
    width = 2 * radius + 1
    narrower = np.ceil(narrowing * width - 0.5).astype(np.uint8) & ~np.uint8(1)
    levels = pixels.astype(np.float32)
    result = pixels.copy()
    for less in range(0, width - 1, 2):
        x = np.arange(width - less) - (width - less) // 2
        gaussian = np.exp(-(x**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
        weights = weigh(gaussian.sum() ** 2, gaussian.max() ** 2)
        around = _convolved(levels, gaussian)
        whole = cv2.addWeighted(around, weights[0], levels, weights[1], 0, dtype=cv2.CV_8U)
        cv2.copyTo(whole, (narrower == less).astype(np.uint8), result)
    return result


def _edges(pixels: Pixels, radius: int, sigma: float) -> Floats:
    """How near an edge is, [H, W] from 0 to 1."""
    width = 2 * radius + 1
    around = cv2.boxFilter(
        pixels, cv2.CV_32F, (width, width), normalize=False, borderType=cv2.BORDER_REPLICATE
    )
    levels = pixels.astype(np.float32)
    edges = np.asarray(cv2.addWeighted(levels, width**2, around, -1, 0, dtype=cv2.CV_8U), np.uint8)
    fine = np.arange(_FINE * width) - (_FINE * width - 1) / 2
    gaussian = np.exp(-((fine / _FINE) ** 2) / (2 * sigma**2)).reshape(width, _FINE).sum(1)
    near = _spread(_convolved(_spread(edges), gaussian / gaussian.sum()))
    return np.asarray(cv2.transform(near, np.array([LUMA], np.float32)), np.float32)


def _convolved(levels: Floats, kernel: NDArray[np.float64]) -> Floats:
    """Convolve in both directions."""
    done = cv2.sepFilter2D(levels, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(done, np.float32)


def _spread(levels: Pixels | Floats) -> Floats:
    """Levels from 0 to 1; all 0 if they are all alike."""
    return np.asarray(cv2.normalize(levels, None, 0, 1, cv2.NORM_MINMAX, cv2.CV_32F), np.float32)  # type: ignore[call-overload]
