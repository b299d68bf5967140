"""Crops around faces: which part of a picture they show, and their pixels."""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError
from animetools.images.colours import WHITE, Colour
from animetools.images.containers import MAX_PIXELS
from animetools.images.faces import Face
from animetools.images.nvxs import Box, Pixels

Border = Literal["shift", "pad", "clip"]

# Where the eyes are in the box of a face: medians of the labelled faces whose eyes nvxs finds.
SIDE_IN_EYE_DISTANCES = 2.5
EYES_DOWN = 0.455
# A head that looks aside has its eyes close together; the box then knows its size better.
EYES_TRUSTED = (0.85, 1.15)
MOST_TURNED = 45  # degrees; what is found beyond is no pair of eyes


@dataclass(frozen=True)
class Frame:
    """How much of the picture around a face a crop shows, in face widths and heights.

    One that gives way asks for less where the picture has less.
    """

    up: float
    down: float
    aside: float
    square: bool
    gives_way: bool

    def around(self, x: float, y: float, width: float, height: float) -> tuple[float, ...]:
        """x, y, width, height of a face grown by this much; a square about the same middle."""
        x -= self.aside * width
        y -= self.up * height
        width *= 1 + 2 * self.aside
        height *= 1 + self.up + self.down
        if not self.square:
            return x, y, width, height
        side = max(width, height)
        return x + (width - side) / 2, y + (height - side) / 2, side, side


def margin(room: float, *, square: bool = True) -> Frame:
    """The same room on every side of a face, as far as the picture has it."""
    return Frame(room, room, room, square, gives_way=True)


def portrait(*, square: bool = True) -> Frame:
    """Hair, ears, hats and neckline, too: what the Danbooru2019 Portraits set aims at."""
    return Frame(up=0.75, down=0.25, aside=0.5, square=square, gives_way=False)


@dataclass(frozen=True)
class Crop:
    """The part of a picture that a crop shows: a box, turned about its middle.

    The box may reach beyond the picture. `degrees` is how far the crop turns the picture back,
    anticlockwise; the pixels of a crop that does not turn are the picture's own.
    """

    box: Box
    degrees: float = 0.0

    def holds(self, face: Box) -> bool:
        """Whether a face is to be seen in it: its middle, or more than a fifth of it."""
        x, y, width, height = face
        corners = np.array(
            [(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float32
        )
        shared, _ = cv2.intersectConvexConvex(corners, self._corners())
        middle = (x + width / 2, y + height / 2)
        inside = cv2.pointPolygonTest(self._corners(), middle, measureDist=False) >= 0
        return inside or shared > width * height / 5

    def pixels(self, rgb: Pixels, background: Colour = WHITE) -> Pixels:
        """What it shows of a picture, at the picture's own scale; background beyond the edge.

        rgb and the result are uint8 [H, W, 3].

        Raises ItemError where it would be larger than any picture that is read.
        """
        x, y, width, height = self.box
        if width * height > MAX_PIXELS:
            raise ItemError(f"a crop of {width}x{height} pixels is too large")
        if self.degrees:
            turned = cv2.warpAffine(
                rgb,
                self._to_picture(),
                (width, height),
                flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=background,
            )
            return np.asarray(turned, np.uint8)
        left, top = max(0, x), max(0, y)
        part = rgb[top : max(top, y + height), left : max(left, x + width)]
        if part.shape[:2] == (height, width):
            return np.ascontiguousarray(part)
        crop = np.full((height, width, 3), background, np.uint8)
        crop[top - y : top - y + part.shape[0], left - x : left - x + part.shape[1]] = part
        return crop

    def _to_picture(self) -> NDArray[np.float64]:
        """[2, 3], from pixels of the crop to pixels of the picture."""
        x, y, width, height = self.box
        cosine, sine = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        turn = np.array([(cosine, -sine), (sine, cosine)])
        # Of an even side the middle lies between two pixels.
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        return np.column_stack([turn, np.array([x, y]) + middle - turn @ middle])

    def _corners(self) -> NDArray[np.float32]:
        _, _, width, height = self.box
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5
        to = self._to_picture()
        return (corners @ to[:, :2].T + to[:, 2] + 0.5).astype(np.float32)


def crop_of(face: Box, frame: Frame, size: tuple[int, int], border: Border = "shift") -> Crop:
    """The crop around a face in a picture of size (width, height).

    At the picture's edge shift moves it in, and only what is larger than the picture still sticks
    out; pad leaves the face in its middle; clip cuts it off.
    """
    x, y, width, height = frame.around(*face)
    w, h = max(1, round(width)), max(1, round(height))
    if border == "shift" and frame.gives_way:
        most = (min(size), min(size)) if frame.square else size
        least = (max(face[2:]), max(face[2:])) if frame.square else face[2:]
        w, h = max(min(w, most[0]), least[0]), max(min(h, most[1]), least[1])
    # Rounding the middle, not the corner, keeps a crop as symmetrical as it was.
    left, top = round(x + (width - w) / 2), round(y + (height - h) / 2)
    if border == "shift":
        return Crop((_moved_in(left, w, size[0]), _moved_in(top, h, size[1]), w, h))
    if border == "pad":
        return Crop((left, top, w, h))
    right, low = min(size[0], left + w), min(size[1], top + h)
    left, top = max(0, left), max(0, top)
    return Crop((left, top, right - left, low - top))


def aligned_crop_of(face: Face, frame: Frame) -> Crop | None:
    """The crop in which the eyes are level, with the eyes in the same place of every crop.

    Its size follows the distance between the eyes. None where the eyes are not known.
    """
    if face.landmarks is None:
        return None
    (left, left_down), (right, right_down) = (
        face.landmarks["left_eye"],
        face.landmarks["right_eye"],
    )
    degrees = math.degrees(math.atan2(left_down - right_down, left - right))
    if abs(degrees) > MOST_TURNED:
        return None
    least, most = (share * max(face.box[2:]) for share in EYES_TRUSTED)
    distance = math.hypot(left - right, left_down - right_down)
    side = min(max(SIDE_IN_EYE_DISTANCES * distance, least), most)
    # The face as it stands about its eyes, then from there to the picture.
    x, y, width, height = frame.around(-side / 2, -EYES_DOWN * side, side, side)
    across, down = x + width / 2, y + height / 2
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    middle = (
        (left + right) / 2 + cosine * across - sine * down,
        (left_down + right_down) / 2 + sine * across + cosine * down,
    )
    w, h = max(1, round(width)), max(1, round(height))
    return Crop((round(middle[0] - w / 2), round(middle[1] - h / 2), w, h), degrees)


def _moved_in(start: int, length: int, limit: int) -> int:
    """Where a stretch begins when as much of it as can be lies in [0, limit]."""
    low, high = sorted((0, limit - length))
    return min(max(start, low), high)
