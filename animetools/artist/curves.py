"""Curves as lists of points: splines, ribbons, and the frames that place them in a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


def points(values: ArrayLike) -> Points:
    """Any list of points, as float64 [N, 2]."""
    return np.asarray(values, np.float64).reshape(-1, 2)


def spline(knots: ArrayLike, closed: bool = False, steps: int = 8) -> Points:
    """A smooth curve through the knots.

    Returns [steps * segments (+ 1 if open), 2].
    Source: Catmull and Rom 1974, the uniform cubic form.
    """
    through = points(knots)
    if closed:
        padded = np.concatenate([through[-1:], through, through[:2]])
    else:
        first, last = 2 * through[0] - through[1], 2 * through[-1] - through[-2]
        padded = np.concatenate([first[None], through, last[None]])
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    cubic = (
        2 * b[:, None]
        + (c - a)[:, None] * t
        + (2 * a - 5 * b + 4 * c - d)[:, None] * t**2
        + (3 * b - a - 3 * c + d)[:, None] * t**3
    ) / 2
    curve = cubic.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, through[-1:]])


def bend(start: ArrayLike, control: ArrayLike, end: ArrayLike, steps: int = 10) -> Points:
    """A quadratic Bezier curve, [steps + 1, 2]."""
    t = np.linspace(0, 1, steps + 1)[:, None]
    a, b, c = points(start), points(control), points(end)
    return a * (1 - t) ** 2 + 2 * b * t * (1 - t) + c * t**2


def join(*pieces: ArrayLike) -> Points:
    """The pieces joined end to end, with corners where they meet."""
    return np.concatenate([points(piece) for piece in pieces])


def ellipse(center: Sequence[float], radii: Sequence[float], steps: int = 40) -> Points:
    """A closed ellipse along the axes."""
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return points(center) + np.stack([np.cos(angle), np.sin(angle)], 1) * points(radii)


def rectangle(x: float, y: float, width: float, height: float) -> Points:
    """The four corners of an upright rectangle."""
    return points([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


def normals(curve: Points) -> Points:
    """Unit vectors to the right of the curve's direction (y points down), [N, 2]."""
    along = np.gradient(curve, axis=0)
    length = np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
    return np.stack([-along[:, 1], along[:, 0]], 1) / length


def ribbon(spine: Points, widths: ArrayLike) -> Points:
    """The outline of a band along the spine.

    `widths`: half widths at evenly spread places of the spine, interpolated between.
    """
    given = np.asarray(widths, np.float64)
    half = np.interp(np.linspace(0, 1, len(spine)), np.linspace(0, 1, len(given)), given)
    side = normals(spine) * half[:, None]
    return np.concatenate([spine + side, (spine - side)[::-1]])


def moved(curve: ArrayLike, x: float, y: float) -> Points:
    """The curve shifted."""
    return np.add(points(curve), (x, y))


def mirrored(curve: Points) -> Points:
    """The curve on the other side of x = 0."""
    return curve * points((-1, 1))


@dataclass(frozen=True)
class Frame:
    """Places a drawing's own coordinates in the picture.

    `x`, `y`: the picture's pixel at the drawing's origin; `size`: pixels per unit; `roll`: degrees
    clockwise about `pivot`; `yaw` and `pitch` (radians) turn what has depth to the right and down.
    """

    x: float
    y: float
    size: float
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    pivot: tuple[float, float] = (0.0, 0.0)

    def flat(self, curve: ArrayLike, depth: float | NDArray[np.float64] = 0.0) -> Points:
        """Points at one depth (towards the viewer, in units) as pixels."""
        own = points(curve)
        turned = np.stack(
            [
                own[:, 0] * np.cos(self.yaw * 0.6) + depth * np.sin(self.yaw),
                own[:, 1] + depth * np.sin(self.pitch),
            ],
            1,
        )
        angle = np.deg2rad(self.roll)
        matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        pivot = points(self.pivot)
        rolled = (turned - pivot) @ matrix + pivot
        return moved(rolled * self.size, self.x, self.y)

    def hang(self, curve: ArrayLike, depth: float = 0.0) -> Points:
        """Points as `flat` gives them, but below the ears they hang straight down instead of rolling."""
        own = points(curve).copy()
        own[:, 0] += np.tan(np.deg2rad(self.roll)) * 0.85 * np.maximum(own[:, 1] - 0.3, 0)
        return self.flat(own, depth)

    def round(self, curve: ArrayLike, bulge: float = 0.8, radius: float = 1.15) -> Points:
        """Points on a ball of that radius, flattened to `bulge`, as pixels."""
        own = points(curve)
        inside = radius**2 - own[:, 0] ** 2 - (own[:, 1] * 0.7) ** 2
        return self.flat(own, bulge * np.sqrt(np.maximum(inside, 0)) / radius)

    def axes(self, center: Sequence[float]) -> NDArray[np.float64]:
        """The affine map [2, 3] that approximates `round` near a point: columns right, down, origin."""
        step = 0.02
        x, y = center
        near = self.round([(x, y), (x + step, y), (x, y + step)])
        return np.stack([(near[1] - near[0]) / step, (near[2] - near[0]) / step, near[0]], 1)
