"""Drawing on pixels: filled and stroked curves, clipping, gradients, glows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from animetools.artist.colors import Color
from animetools.artist.curves import Points, join, moved, points

Pixels = NDArray[np.uint8]

_SUBPIXEL_BITS = 4


class Canvas:
    """A picture while it is drawn.

    Coordinates are in pixels of the finished picture. Drawing happens at `scale` times the
    resolution, which `finish` averages. `pixels`: uint8 [H * scale, W * scale, 3], RGB. `rough`: draw every line
    a second time, unsteadily, so many line widths off.
    """

    def __init__(
        self,
        pixels: Pixels,
        scale: float,
        corner: tuple[int, int] = (0, 0),
        rough: float = 0.0,
    ) -> None:
        self.pixels = pixels
        self.scale = scale
        self.rough = rough
        self._corner = corner

    @classmethod
    def blank(cls, width: int, height: int, scale: float, color: Color) -> "Canvas":
        """A picture of one color."""
        canvas = cls(np.empty((round(height * scale), round(width * scale), 3), np.uint8), scale)
        canvas.flood(color)
        return canvas

    def finish(self, width: int, height: int) -> Pixels:
        """The picture at its own size."""
        small = cv2.resize(self.pixels, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    def flood(self, color: Color) -> None:
        """Fill it with one color."""
        height, width = self.pixels.shape[:2]
        cv2.rectangle(self.pixels, (0, 0), (width, height), _rounded(color), cv2.FILLED)

    def fill(self, shape: Points, color: Color, opacity: float = 1.0) -> None:
        """Fill a closed curve (even-odd where it crosses itself)."""
        if opacity < 1:
            with self.clip(shape, opacity=opacity) as inside:
                inside.flood(color)
            return
        cv2.fillPoly(
            self.pixels, [self._fixed(shape)], _rounded(color), cv2.LINE_AA, _SUBPIXEL_BITS
        )

    def stroke(
        self,
        curve: Points,
        width: float,
        color: Color,
        taper: tuple[float, float] = (1.0, 1.0),
        closed: bool = False,
    ) -> None:
        """Draw a line along a curve; `taper`: the share of its width at the start and at the end."""
        if closed:
            curve = np.concatenate([curve, curve[:1]])
        if self.rough:
            swing = np.linspace(0, len(curve) * 0.25, len(curve))[:, None]
            off = np.hstack([np.sin(swing + curve[0, 0]), np.cos(swing * 0.7 + curve[0, 1])])
            self._ink(curve + off * width * self.rough, width * 0.6, color, taper)
        self._ink(curve, width, color, taper)

    def _ink(self, curve: Points, width: float, color: Color, taper: tuple[float, float]) -> None:
        place = np.linspace(0, 1, len(curve) - 1)
        start, end = taper
        share = np.minimum(
            1, np.minimum(start + (1 - start) * place * 2.5, end + (1 - end) * (1 - place) * 2.5)
        )
        thick = np.maximum(1, np.round(share * width * self.scale)).astype(int)
        fixed = self._fixed(curve)
        breaks = [0, *(np.flatnonzero(np.diff(thick)) + 1).tolist(), len(thick)]
        for first, last in pairwise(breaks):
            cv2.polylines(
                self.pixels,
                [fixed[first : last + 1]],
                False,
                _rounded(color),
                int(thick[first]),
                cv2.LINE_AA,
                _SUBPIXEL_BITS,
            )

    @contextmanager
    def clip(self, *shapes: Points, opacity: float = 1.0) -> Iterator["Canvas"]:
        """A canvas that shows only inside the union of the shapes."""
        left, top, right, bottom = self._bounds(shapes)
        if right <= left or bottom <= top:
            yield Canvas(np.empty((1, 1, 3), np.uint8), self.scale, (left, top))
            return
        corner = (left + self._corner[0], top + self._corner[1])
        region = self.pixels[top:bottom, left:right]
        inside = Canvas(region.copy(), self.scale, corner, self.rough)
        cover = np.zeros(region.shape[:2], np.uint8)
        for shape in shapes:
            cv2.fillPoly(cover, [inside._fixed(shape)], (255,), cv2.LINE_AA, _SUBPIXEL_BITS)
        yield inside
        if opacity < 1:
            cover = cv2.convertScaleAbs(cover, alpha=opacity).astype(np.uint8)
        _blend(region, inside.pixels, cover)

    def gradient(self, start: ArrayLike, end: ArrayLike, colors: Sequence[Color]) -> None:
        """Fill the whole canvas with a gradient of evenly spaced colors from one point to another."""
        first, last = self._place(points(start))[0], self._place(points(end))[0]
        way = (last - first) / max(float(((last - first) ** 2).sum()), 1e-9)
        height, width = self.pixels.shape[:2]
        along = (np.arange(width, dtype=np.float32) - np.float32(first[0])) * np.float32(way[0])
        down = (np.arange(height, dtype=np.float32) - np.float32(first[1])) * np.float32(way[1])
        share = np.clip((down[:, None] + along[None]) * 255, 0, 255).astype(np.uint8)
        self.pixels[:] = cv2.applyColorMap(share, _ramp(colors))

    def mirror(self) -> None:
        """Swap left and right."""
        self.pixels[:] = self.pixels[:, ::-1].copy()

    def glow(
        self, center: ArrayLike, radii: tuple[float, float], color: Color, opacity: float
    ) -> None:
        """Airbrush a soft ellipse that fades to nothing at its radii."""
        at, (wide, high) = points(center)[0], radii
        box = join(moved(at, -wide, -high), moved(at, wide, high))
        left, top, right, bottom = self._bounds([box])
        if right <= left or bottom <= top:
            return
        x, y = self._place(points(at))[0]
        across = ((np.arange(left, right) - x) / (wide * self.scale)) ** 2
        down = ((np.arange(top, bottom) - y) / (high * self.scale)) ** 2
        far = np.minimum(down[:, None] + across[None], 1).astype(np.float32)
        cover = ((1 - far) ** 2 * (255 * opacity)).astype(np.uint8)
        region = self.pixels[top:bottom, left:right]
        paint = Canvas(np.empty_like(region), 1)
        paint.flood(color)
        _blend(region, paint.pixels, cover)

    def tint(self, color: Color) -> None:
        """Multiply the whole canvas by a color."""
        levels = np.arange(256)[:, None] * np.asarray(color)[None] / 255
        table = np.round(np.clip(levels, 0, 255)).astype(np.uint8)[None]
        self.pixels[:] = cv2.LUT(self.pixels, table)

    def shadow(self, *shapes: Points, color: Color, opacity: float = 1.0) -> None:
        """Tint what lies inside the shapes."""
        with self.clip(*shapes, opacity=opacity) as inside:
            inside.tint(color)

    def bloom(self, amount: float) -> None:
        """Let the bright parts of the whole picture glow a little."""
        small = cv2.resize(self.pixels, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(small, (0, 0), 5)
        wide = cv2.resize(soft, self.pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        dark = cv2.multiply(cv2.bitwise_not(self.pixels), cv2.bitwise_not(wide), scale=1 / 255)
        screen = cv2.bitwise_not(dark)
        self.pixels[:] = cv2.addWeighted(self.pixels, 1 - amount, screen, amount, 0)

    def disc(self, axes: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The coordinates (u, v) of every pixel in a drawing that the affine map [2, 3] places here."""
        height, width = self.pixels.shape[:2]
        matrix = np.linalg.inv(axes[:, :2] * self.scale)
        x, y = self._place(points(axes[:, 2]))[0]
        across = np.arange(width, dtype=np.float32) - np.float32(x)
        down = np.arange(height, dtype=np.float32) - np.float32(y)
        u = matrix[0, 0] * across[None] + matrix[0, 1] * down[:, None]
        v = matrix[1, 0] * across[None] + matrix[1, 1] * down[:, None]
        return u.astype(np.float32), v.astype(np.float32)

    def _place(self, curve: Points) -> Points:
        """Coordinates in pixels of the canvas; the center of pixel 0 is 0."""
        return np.subtract(curve * self.scale - 0.5, self._corner)

    def _fixed(self, curve: Points) -> NDArray[np.int32]:
        """Fixed-point coordinates for cv2; far points are clamped to its range."""
        placed = np.clip(self._place(curve), -20000, 20000)
        return np.round(placed * (1 << _SUBPIXEL_BITS)).astype(np.int32)

    def _bounds(self, shapes: Sequence[Points]) -> tuple[int, int, int, int]:
        height, width = self.pixels.shape[:2]
        placed = self._place(np.concatenate(list(shapes)))
        left, top = np.floor(placed.min(0)).astype(int) - 1
        right, bottom = np.ceil(placed.max(0)).astype(int) + 2
        return max(left, 0), max(top, 0), min(right, width), min(bottom, height)


def _rounded(color: Color) -> tuple[int, int, int]:
    red, green, blue = (round(part) for part in color)
    return red, green, blue


def _ramp(colors: Sequence[Color]) -> Pixels:
    """256 colors in the shape of a cv2 color table."""
    stops = np.linspace(0, 255, len(colors))
    levels = [np.interp(np.arange(256), stops, [c[k] for c in colors]) for k in range(3)]
    return np.round(np.stack(levels, 1)).astype(np.uint8)[:, None]


def _blend(region: Pixels, paint: Pixels, cover: Pixels) -> None:
    """Blend the paint over the region in place, by the coverage."""
    thick = cv2.merge((cover, cover, cover))
    above = cv2.multiply(paint, thick, scale=1 / 255)
    below = cv2.multiply(region, cv2.bitwise_not(thick), scale=1 / 255)
    region[:] = cv2.add(above, below)
