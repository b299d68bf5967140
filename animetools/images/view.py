"""A picture as a detector sees it, shrunk and perhaps rotated; maps results back to the source."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.images.nvxs import Box, Pixels, Point

WITHIN = 0.9  # the share of a tilted box that must lie in the picture, not in its border


@dataclass(frozen=True)
class View:
    """A grey picture as a detector sees it, shrunk and perhaps rotated on white.

    `back` [2, 3] maps a point of it to the source; `outline` [4, 2] are the picture's corners, if it
    is rotated.
    """

    pixels: Pixels
    width: int  # of the source
    height: int
    scale: float
    back: NDArray[np.float64]
    outline: NDArray[np.float32] | None

    @classmethod
    def of(cls, grey: Pixels, longest: int, degrees: float = 0) -> "View":
        """grey uint8 [H, W], shrunk to `longest` if larger, rotated counterclockwise."""
        height, width = grey.shape
        scale = min(1.0, longest / max(height, width))
        w, h = max(1, round(width * scale)), max(1, round(height * scale))
        if scale < 1:
            grey = np.asarray(cv2.resize(grey, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
        back = np.diag((width / w, height / h, 1.0))
        if not degrees:
            return cls(grey, width, height, scale, back[:2], None)
        turn = np.asarray(cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1), np.float64)
        cosine, sine = abs(turn[0, 0]), abs(turn[0, 1])
        canvas = int(w * cosine + h * sine), int(w * sine + h * cosine)
        turn[:, 2] += (canvas[0] - w) / 2, (canvas[1] - h) / 2
        # A repeated edge would make streaks, and both detectors see faces in streaks.
        turned = cv2.warpAffine(
            grey, _between_pixels(turn), canvas, borderMode=cv2.BORDER_CONSTANT, borderValue=255
        )
        outline = np.array([(0, 0), (w, 0), (w, h), (0, h)]) @ turn[:, :2].T + turn[:, 2]
        back = back @ np.vstack([cv2.invertAffineTransform(turn), (0, 0, 1)])
        return cls(
            np.asarray(turned, np.uint8),
            width,
            height,
            scale,
            back[:2],
            outline.astype(np.float32),
        )

    def point_in_source(self, x: float, y: float) -> Point:
        """A point of the view, in whole pixels of the source."""
        at = self.back @ (x, y, 1)
        return round(at[0]), round(at[1])

    def box_in_source(self, x: float, y: float, side: float) -> Box | None:
        """The upright box of a square centered at (x, y), cut at the source's edges.

        None if it lies outside, or too much of it in the border of a rotated view.
        """
        if self.outline is not None:
            right, low = x + side / 2, y + side / 2
            left, high = right - side, low - side
            square = np.array([(left, high), (right, high), (right, low), (left, low)], np.float32)
            shared, _ = cv2.intersectConvexConvex(square, self.outline)
            if shared < WITHIN * side * side:
                return None
        across, down = self.back @ (x, y, 1)
        half = side / self.scale / 2
        left, right = max(0, round(across - half)), min(self.width, round(across + half))
        high, low = max(0, round(down - half)), min(self.height, round(down + half))
        if left >= right or high >= low:
            return None
        return left, high, right - left, low - high


def _between_pixels(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """An affine map in OpenCV's convention, in which integers are the centers of pixels."""
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return moved
