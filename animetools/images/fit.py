"""Pictures of any size on squares of one size, and the way back."""

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from animetools.errors import ItemError

Rgb = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # x, y, width, height in whole pixels
How = Literal["pad", "cover", "top", "stretch"]


@dataclass(frozen=True)
class Fit:
    """Which part of a picture went where on a square: all that is needed to undo it.

    `source` is the box of the picture that was taken, `target` the box of the square that it was
    scaled to; what is outside `target` is black.
    """

    how: How
    source: Box
    target: Box

    def to_target(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the picture lies on the square."""
        return _carry(x, y, self.source, self.target)

    def to_source(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the square lies in the picture."""
        return _carry(x, y, self.target, self.source)

    def undo(self, square: Rgb) -> Rgb:
        """The part of the picture that is on the square, without bars, at its own size."""
        x, y, width, height = self.target
        return resized(square[y : y + height, x : x + width], *self.source[2:])

    def record(self) -> dict[str, Any]:
        """This as JSON has it."""
        return {"how": self.how, "source": list(self.source), "target": list(self.target)}


def fit(rgb: Rgb, size: int, how: How = "pad", *, enlarge: bool = True) -> tuple[Rgb, Fit]:
    """Make a picture exactly `size` x `size`; rgb and the result are uint8 [H, W, 3].

    pad scales it until its longer side is `size`, cover until its shorter side is; what sticks out
    is cut off on both sides, for top only at the bottom of a tall picture; stretch scales both
    sides. Without `enlarge` nothing is scaled up. What stays empty is black, the same on both
    sides.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < 1:
        raise ItemError("an image without pixels")
    placed = place(width, height, size, how, enlarge=enlarge)
    x, y, w, h = placed.source
    part = resized(rgb[y : y + h, x : x + w], *placed.target[2:])
    x, y, w, h = placed.target
    if (w, h) == (size, size):
        return part, placed
    square = np.zeros((size, size, 3), np.uint8)
    square[y : y + h, x : x + w] = part
    return square, placed


def place(width: int, height: int, size: int, how: How = "pad", *, enlarge: bool = True) -> Fit:
    """Where a picture of width x height goes, as `fit` puts it."""
    if how == "pad":
        longer = max(width, height)
        to = size if enlarge else min(size, longer)
        took = (width, height)
        put = (max(1, round(width * to / longer)), max(1, round(height * to / longer)))
    elif how == "stretch":
        took = (width, height)
        put = (size, size) if enlarge else (min(size, width), min(size, height))
    else:
        side = min(width, height)
        if side < size and not enlarge:
            took = put = (min(size, width), min(size, height))
        else:
            took, put = (side, side), (size, size)
    top = 0 if how == "top" else (height - took[1]) // 2
    source = ((width - took[0]) // 2, top, *took)
    return Fit(how, source, ((size - put[0]) // 2, (size - put[1]) // 2, *put))


def resized(rgb: Rgb, width: int, height: int) -> Rgb:
    """A picture at another size, as good as it gets; uint8 [H, W, 3] in and out.

    OpenCV's cubic is 0.2 dB below Lanczos for enlarging and takes a fifteenth of its time. For
    shrinking, Pillow's Lanczos widens with the scale: 3 dB above INTER_AREA and 6 dB above
    OpenCV's Lanczos, which folds fine lines back as moire.
    """
    if rgb.shape[:2] == (height, width):
        return np.ascontiguousarray(rgb)
    if rgb.shape[0] <= height and rgb.shape[1] <= width:
        larger = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(larger, np.uint8)
    image = Image.fromarray(np.ascontiguousarray(rgb))
    # The gap has pictures of several times the size averaged down first: the same, far faster.
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))


def _carry(x: float, y: float, here: Box, there: Box) -> tuple[float, float]:
    across, down = there[2] / here[2], there[3] / here[3]
    return there[0] + (x - here[0]) * across, there[1] + (y - here[1]) * down
