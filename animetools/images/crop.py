"""Crops around faces: which part of a picture they show, and their pixels."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError
from animetools.images.colors import WHITE, Color
from animetools.images.containers import MAX_PIXELS
from animetools.images.faces import Face
from animetools.images.nvxs import Box, Pixels

Border = Literal["shift", "pad", "reflect", "blur", "clip"]
Fill = Color | Literal["reflect", "blur"]  # what lies beyond a picture's edge

# Where the eyes are in the box of a face: medians of the labelled faces whose eyes nvxs finds.
SIDE_IN_EYE_DISTANCES = 2.5
EYES_DOWN = 0.455
# A head that looks aside has its eyes close together; the box then knows its size better.
EYES_TRUSTED = (0.85, 1.15)
MOST_TURNED = 45  # degrees; what is found beyond is no pair of eyes

SHRINKS = 32  # sizes that are tried of a turned crop, from the whole frame to the bare face
LOST = 0.05  # of a face's side: what a turned crop may cut off rather than be filled up

BLURRED_AT = 128  # pixels of the longer side: a blur of any width costs the same there
BLUR = 4  # its standard deviation, in those pixels
BLURRED_FROM = 0.05  # of the longer side: beyond the picture by so much it is all blurred


@dataclass(frozen=True)
class Span:
    """A stretch of an axis."""

    middle: float
    length: float

    def grown(self, to: "Span", share: float) -> "Span":
        """The stretch that lies this share of the way to a longer one."""
        return Span(
            self.middle + share * (to.middle - self.middle),
            self.length + share * (to.length - self.length),
        )

    def whole(self) -> tuple[int, int]:
        """Start and length in whole pixels."""
        length = max(1, round(self.length))
        return round(self.middle - length / 2), length


@dataclass(frozen=True)
class Frame:
    """How much of the picture around a face a crop shows, in face widths and heights."""

    up: float
    down: float
    aside: float
    square: bool

    def around(self, x: float, y: float, width: float, height: float) -> tuple[Span, Span]:
        """A face grown by this much, across and down; a square about the same middle."""
        across = Span(x + width / 2, width * (1 + 2 * self.aside))
        tall = height * (1 + self.up + self.down)
        down = Span(y - self.up * height + tall / 2, tall)
        if not self.square:
            return across, down
        side = max(across.length, down.length)
        return Span(across.middle, side), Span(down.middle, side)

    def bare(self) -> "Frame":
        """The least that a crop may show: the face itself."""
        return replace(self, up=0, down=0, aside=0)


def margin(room: float, *, square: bool = True) -> Frame:
    """The same room on every side of a face."""
    return Frame(room, room, room, square)


def portrait(*, square: bool = True) -> Frame:
    """Hair, ears, hats and neckline, too: what the Danbooru2019 Portraits set aims at."""
    return Frame(up=0.75, down=0.25, aside=0.5, square=square)


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

    def beyond(self, size: tuple[int, int]) -> float:
        """Which share of it lies beyond a picture of size (width, height)."""
        width, height = size
        picture = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        shared, _ = cv2.intersectConvexConvex(picture, self._corners())
        return round(1 - shared / (self.box[2] * self.box[3]), 5)

    def pixels(self, rgb: Pixels, fill: Fill = WHITE) -> Pixels:
        """What it shows of a picture, at the picture's own scale, and beyond the edge the fill.

        reflect mirrors the picture there; blur does so, too, and blurs it the more the farther it
        is from the picture. rgb and the result are uint8 [H, W, 3].

        Raises ItemError where it would be larger than any picture that is read.
        """
        x, y, width, height = self.box
        if width * height > MAX_PIXELS:
            raise ItemError(f"a crop of {width}x{height} pixels is too large")
        left, top = max(0, x), max(0, y)
        part = rgb[top : max(top, y + height), left : max(left, x + width)]
        if not self.degrees and part.shape[:2] == (height, width):
            return np.ascontiguousarray(part)
        crop = self._sampled(rgb, cv2.INTER_CUBIC, fill)
        if fill == "blur":
            there = np.full(rgb.shape[:2], 255, np.uint8)
            _blur(crop, self._sampled(there, cv2.INTER_NEAREST, (0, 0, 0)) == 0)
        return crop

    def _sampled(self, picture: Pixels, interpolation: int, fill: Fill) -> Pixels:
        # OpenCV takes no picture of more than 32767 pixels a side: hand over what is there of it.
        high, wide = picture.shape[:2]
        corners = self._corners()
        left, top = np.clip(corners.min(0).astype(int) - 2, 0, (wide - 1, high - 1))
        right, low = np.clip(corners.max(0).astype(int) + 3, (left + 1, top + 1), (wide, high))
        to_part = self._to_picture() - [(0, 0, left), (0, 0, top)]
        sampled = cv2.warpAffine(
            picture[top:low, left:right],
            to_part,
            self.box[2:],
            flags=interpolation | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101 if isinstance(fill, str) else cv2.BORDER_CONSTANT,
            borderValue=(0, 0, 0) if isinstance(fill, str) else fill,
        )
        return np.asarray(sampled, np.uint8)

    def _to_picture(self) -> NDArray[np.float64]:
        """[2, 3], from pixels of the crop to pixels of the picture."""
        x, y, width, height = self.box
        turn = _rotation(self.degrees)
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

    At the picture's edge shift moves it in and shrinks the frame to what is there, so that only a
    square that cannot be smaller than its face still sticks out; clip cuts off what does; the
    others leave the face in its place in the frame.
    """
    spans = frame.around(*face)
    if border == "shift":
        limits = (min(size), min(size)) if frame.square else size
        bare = frame.bare().around(*face)
        spans = _shrunk(bare[0], spans[0], limits[0]), _shrunk(bare[1], spans[1], limits[1])
    (left, width), (top, height) = spans[0].whole(), spans[1].whole()
    if border == "shift":
        left, top = _moved_in(left, width, size[0]), _moved_in(top, height, size[1])
    if border == "clip":
        right, low = min(size[0], left + width), min(size[1], top + height)
        left, top = max(0, left), max(0, top)
        width, height = right - left, low - top
    return Crop((left, top, width, height))


def aligned_crop_of(
    face: Face, frame: Frame, size: tuple[int, int], border: Border = "shift"
) -> Crop | None:
    """The crop in which the eyes are level, with the eyes in the same place of every crop.

    Its size follows the distance between the eyes. At the edge of the picture of size (width,
    height) shift and clip move and shrink it until nothing sticks out, or as little as can be where
    the face itself is too near to the edge; the others leave it where it is. None where the eyes
    are not known.
    """
    if face.landmarks is None:
        return None
    left, right = (np.array(face.landmarks[name], float) for name in ("left_eye", "right_eye"))
    degrees = math.degrees(math.atan2(*(left - right)[::-1]))
    if abs(degrees) > MOST_TURNED:
        return None
    least, most = (share * max(face.box[2:]) for share in EYES_TRUSTED)
    side = min(max(SIDE_IN_EYE_DISTANCES * math.hypot(*(left - right)), least), most)
    # The face as it stands about its eyes, then from there to the picture.
    upright = (-side / 2, -EYES_DOWN * side, side, side)
    bare, whole = frame.bare().around(*upright), frame.around(*upright)
    eyes, turn = (left + right) / 2, _rotation(degrees)

    def at_share(share: float) -> Crop:
        spans = [small.grown(large, share) for small, large in zip(bare, whole, strict=True)]
        lengths = np.array([span.length for span in spans])
        middle = eyes + turn @ [span.middle for span in spans]
        # Half of the upright box that holds it, and two pixels for what cubic sampling needs.
        reach = abs(turn) @ lengths / 2 + 2
        if border in ("shift", "clip"):
            half = np.array(size) / 2
            moved = np.clip(middle, np.minimum(reach, half), np.maximum(size - reach, half))
            about = [span.middle for span in bare]
            room = (lengths - side) / 2 + LOST * side  # for the face in its frame
            middle = eyes + turn @ (about + np.clip(turn.T @ (moved - eyes) - about, -room, room))
        (x, width), (y, height) = (
            Span(*span).whole() for span in zip(middle, lengths, strict=True)
        )
        return Crop((x, y, width, height), degrees)

    if border not in ("shift", "clip"):
        return at_share(1)
    return min(map(at_share, np.linspace(1, 0, SHRINKS)), key=lambda crop: crop.beyond(size))


def _rotation(degrees: float) -> NDArray[np.float64]:
    """[2, 2]: from a crop that turns a picture back by this much to the picture."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([(cosine, -sine), (sine, cosine)])


def _shrunk(least: Span, whole: Span, limit: int) -> Span:
    """The longest stretch from the least one to the whole one that is not beyond the limit."""
    if whole.length <= limit:
        return whole
    room = whole.length - least.length
    return least.grown(whole, max(0.0, (limit - least.length) / room) if room else 0.0)


def _moved_in(start: int, length: int, limit: int) -> int:
    """Where a stretch begins when as much of it as can be lies in [0, limit]."""
    low, high = sorted((0, limit - length))
    return min(max(start, low), high)


def _blur(crop: Pixels, beyond: NDArray[np.bool_]) -> None:
    """Blur a crop where it is beyond the picture, [H, W], the more the farther it is from it."""
    if not beyond.any():
        return
    height, width = beyond.shape
    scale = min(1.0, BLURRED_AT / max(height, width))
    at = max(1, round(scale * width)), max(1, round(scale * height))
    small = cv2.GaussianBlur(cv2.resize(crop, at, interpolation=cv2.INTER_AREA), (0, 0), BLUR)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    away = cv2.distanceTransform(beyond.astype(np.uint8), cv2.DIST_L2, 3)
    share = np.minimum(away / (BLURRED_FROM * max(height, width)), 1)[beyond, None]
    crop[beyond] = np.rint(crop[beyond] * (1 - share) + smooth[beyond] * share)
