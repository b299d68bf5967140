"""Blur and sharpen more in some places than in others, as ImageMagick does."""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.images.bands import bands
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
    result = pixels.copy()
    for rows, around, inside in bands(len(pixels), pixels.shape[1], radius):
        levels = pixels[around].astype(np.float32)
        narrower = np.ceil(narrowing[rows] * width - 0.5).astype(np.uint8) & ~np.uint8(1)
        for less in range(0, width - 1, 2):
            x = np.arange(width - less) - (width - less) // 2
            gaussian = np.exp(-(x**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
            weights = weigh(gaussian.sum() ** 2, gaussian.max() ** 2)
            near = _convolved(levels, gaussian)
            whole = cv2.addWeighted(near, weights[0], levels, weights[1], 0, dtype=cv2.CV_8U)
            cv2.copyTo(whole[inside], (narrower == less).astype(np.uint8), result[rows])
    return result


def _edges(pixels: Pixels, radius: int, sigma: float) -> Floats:
    """How near an edge is, [H, W] from 0 to 1."""
    width = 2 * radius + 1
    fine = np.arange(_FINE * width) - (_FINE * width - 1) / 2
    gaussian = np.exp(-((fine / _FINE) ** 2) / (2 * sigma**2)).reshape(width, _FINE).sum(1)
    gaussian /= gaussian.sum()
    result = np.empty(pixels.shape[:2], np.float32)
    low, high = math.inf, 0.0
    for rows, around, inside in bands(len(pixels), pixels.shape[1], 2 * radius):
        levels = pixels[around].astype(np.float32)
        others = cv2.blur(levels, (width, width), borderType=cv2.BORDER_REPLICATE)
        edges = cv2.addWeighted(levels, width**2, others, -(width**2), 0, dtype=cv2.CV_8U)
        near = _convolved(edges.astype(np.float32), gaussian)[inside]
        low, high = min(low, float(near.min())), max(high, float(near.max()))
        result[rows] = cv2.transform(near, np.array([LUMA], np.float32))
    return (result - np.float32(low)) / np.float32((high - low) or 1)


def _convolved(levels: Floats, kernel: NDArray[np.float64]) -> Floats:
    """Convolve in both directions."""
    done = cv2.sepFilter2D(levels, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(done, np.float32)
