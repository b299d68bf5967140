"""Stretch and rotate pictures with piecewise cubic filters, as ImageMagick does."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.colors import WHITE, Color
from animetools.images.bands import bands
from animetools.images.files import Pixels

Floats = NDArray[np.float32]

REACH = 2  # pixels, of a cubic filter
MITCHELL = (1 / 3, 1 / 3)
ROBIDOUX = (0.37821575509399867, 0.31089212245300067)

_PER_SQUARE = 512  # steps of a table of a filter, over the square of the distance


def stretched(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Enlarge uint8 [H, W, 3] to size (width, height) with the filter of Mitchell and Netravali.

    If one side keeps its length, it is filtered too, which smooths it a little.
    """
    width, height = size
    if pixels.shape[:2] == (height, width):
        return pixels
    if height == pixels.shape[0]:  # the stretched side comes first
        return np.asarray(
            cv2.transpose(stretched(np.asarray(cv2.transpose(pixels)), (height, width)))
        )
    down, across = _taps(pixels.shape[0], height), _taps(pixels.shape[1], width)
    result = np.empty((height, width, 3), np.uint8)
    for rows, _, _ in bands(height, width):
        tall = _mixed(pixels, [(lines[rows], weights[rows]) for lines, weights in down])
        wide = _mixed(np.asarray(cv2.transpose(tall), np.float32), across)
        result[rows] = _rounded(np.asarray(cv2.transpose(wide)))
    return result


def rotated(pixels: Pixels, degrees: float, background: Color = WHITE) -> Pixels:
    """Rotate uint8 [H, W, 3] clockwise into a picture that has room for all of it.

    Each pixel is a mean of those within two pixels, weighted by distance with the filter of Robidoux.
    Source: Heckbert 1989, section 3.5 (EWA); of a rotation, its ellipses are circles.
    """
    height, width = pixels.shape[:2]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([(cosine, -sine), (sine, cosine)])
    corners = turn @ [(0, width, 0, width), (0, 0, height, height)]
    low, high = np.floor(corners.min(1) - 0.5), np.ceil(corners.max(1) + 0.5)
    columns, lines = (int(side) for side in high - low)

    border = REACH + 2
    padded = cv2.copyMakeBorder(
        pixels, border, border, border, border, cv2.BORDER_CONSTANT, value=background
    )
    stride = padded.shape[1]
    planes = [np.ravel(plane) for plane in cv2.split(padded)]
    weights = _by_distance()
    steps = np.arange(2 * REACH)[:, None, None]
    result = np.empty((lines, columns, 3), np.uint8)
    for rows, _, _ in bands(lines, columns):
        x = np.arange(columns) + low[0] + 0.5
        y = np.arange(rows.start, rows.stop)[:, None] + low[1] + 0.5
        # Where in the padded picture, whose pixel 0 has its center at 0; far outside is just outside.
        u = np.clip(cosine * x + sine * y - 0.5 + border, REACH, width + border + 1)
        v = np.clip(cosine * y - sine * x - 0.5 + border, REACH, height + border + 1)
        left, above = np.floor(u) + 1 - REACH, np.floor(v) + 1 - REACH
        first = (above * stride + left).astype(np.int64)
        across = (_PER_SQUARE * (left + steps - u) ** 2).astype(np.float32)
        down = (_PER_SQUARE * (above + steps - v) ** 2 + 0.5).astype(np.float32)
        total = np.zeros(first.shape, np.float32)
        sums = np.zeros((3, *first.shape), np.float32)
        for row in range(2 * REACH):
            for column in range(2 * REACH):
                weight = weights.take((across[column] + down[row]).astype(np.int32))
                total += weight
                offset = row * stride + column
                for plane, value in zip(planes, sums, strict=True):
                    value += weight * plane[offset:].take(first)
        result[rows] = _rounded(cv2.merge(list(sums / total)))
    return result


def _cubic(x: NDArray[np.float64], b: float, c: float) -> NDArray[np.float64]:
    """The piecewise cubic filters. Source: Mitchell and Netravali 1988, equation 8."""
    x = abs(x)
    near = (12 - 9 * b - 6 * c) * x**3 + (12 * b + 6 * c - 18) * x**2 + (6 - 2 * b)
    far = (-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 - (12 * b + 48 * c) * x + (8 * b + 24 * c)
    return np.where(x < 1, near, np.where(x < REACH, far, 0)) / 6


def _by_distance() -> Floats:
    """The filter of Robidoux at the square of a distance, up to twice that of its reach."""
    squares = np.arange(2 * REACH**2 * _PER_SQUARE + 2) / _PER_SQUARE
    return _cubic(np.sqrt(squares), *ROBIDOUX).astype(np.float32)


def _taps(length: int, count: int) -> list[tuple[NDArray[np.int64], Floats]]:
    """Which four of `length` samples, with which weights, each of `count` is made of."""
    at = (np.arange(count) + 0.5) * (length / count) - 0.5
    taps = np.floor(at).astype(np.int64) + np.arange(1 - REACH, 1 + REACH)[:, None]
    weights = _cubic(taps - at, *MITCHELL) * ((taps >= 0) & (taps < length))
    shares = (weights / weights.sum(0)).astype(np.float32)
    return list(zip(np.clip(taps, 0, length - 1), shares, strict=True))


def _mixed(levels: Pixels | Floats, taps: list[tuple[NDArray[np.int64], Floats]]) -> Floats:
    """Rows made of the rows of [H, W, 3]; levels stay in 0 to 255."""
    height, width = levels.shape[:2]
    lines = levels.reshape(height, width * 3)
    total = np.zeros((len(taps[0][0]), width * 3), np.float32)
    for chosen, weights in taps:
        total += weights[:, None] * lines[chosen]
    return np.clip(total, 0, 255, out=total).reshape(-1, width, 3)


def _rounded(levels: Floats) -> Pixels:
    """The nearest of 256 levels."""
    return np.asarray(cv2.convertScaleAbs(np.maximum(levels, 0)), np.uint8)
