"""A picture as a detector sees it, shrunk; maps results back to the source."""

from dataclasses import dataclass

import cv2
import numpy as np

from animetools.images.nvxs import Box, Pixels, Point


@dataclass(frozen=True)
class View:
    """A picture as a detector sees it: shrunk by `scale`."""

    pixels: Pixels
    width: int  # of the source
    height: int
    scale: float

    @classmethod
    def of(cls, picture: Pixels, longest: int) -> "View":
        """A picture uint8 [H, W] or [H, W, 3], shrunk to `longest` if larger."""
        height, width = picture.shape[:2]
        scale = min(1.0, longest / max(height, width))
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            picture = np.asarray(small, np.uint8)
        return cls(picture, width, height, scale)

    def point_in_source(self, x: float, y: float) -> Point:
        """A point of the view, in whole pixels of the source."""
        across, down = self._in_source(x, y)
        return round(across), round(down)

    def box_in_source(self, x: float, y: float, side: float) -> Box | None:
        """The box of a square centered at (x, y), cut at the source's edges; None if outside."""
        across, down = self._in_source(x, y)
        half = side / self.scale / 2
        left, right = max(0, round(across - half)), min(self.width, round(across + half))
        high, low = max(0, round(down - half)), min(self.height, round(down + half))
        if left >= right or high >= low:
            return None
        return left, high, right - left, low - high

    def _in_source(self, x: float, y: float) -> tuple[float, float]:
        high, wide = self.pixels.shape[:2]
        return x * self.width / wide, y * self.height / high
