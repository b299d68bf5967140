"""A face in a picture, and when two boxes are of one face."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from animetools.images.nvxs import Box, Pixels, Point

SAME = 0.4  # boxes of one face overlap by at least this much (intersection over union)
INSIDE = 0.6  # a box with this share inside another shows a part of the same face


@dataclass(frozen=True)
class Face:
    """A face: `box` (x, y, width, height) in whole pixels of the picture, never outside it.

    `score` is the probability that this is a face, 0 to 1, comparable between detectors (see
    hits.py); if several found it, that at least one is right. `landmarks` are the points left_eye,
    right_eye (the character's own left and right), nose and mouth, of nvxs also chin; lbp gives none.
    """

    box: Box
    score: float
    detector: str
    landmarks: dict[str, Point] | None = None

    def moved(self, across: int, down: int) -> "Face":
        """The same face, shifted."""
        x, y, width, height = self.box
        marks = self.landmarks and {
            name: (at[0] + across, at[1] + down) for name, at in self.landmarks.items()
        }
        return replace(self, box=(x + across, y + down, width, height), landmarks=marks)


Search = Callable[[Pixels], list[Face]]  # of rgb uint8 [H, W, 3]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    both = _shared(one, other)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def _shared(one: Box, other: Box) -> int:
    """How many pixels two boxes share."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


def is_same(one: Box, other: Box) -> bool:
    """Whether two boxes are of one face; one may show only a part of it."""
    smaller = min(one[2] * one[3], other[2] * other[3])
    return overlap(one, other) >= SAME or _shared(one, other) >= INSIDE * smaller


def ranked(faces: list[Face]) -> list[Face]:
    """The same faces, highest score first."""
    return sorted(faces, key=lambda face: (-face.score, face.box))
