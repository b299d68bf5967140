"""Crops around faces: which part of a picture they cover, and their pixels."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.colors import WHITE, Color
from animetools.errors import ItemError
from animetools.images.containers import MAX_PIXELS
from animetools.images.face import Face
from animetools.images.faces import with_landmarks
from animetools.images.nvxs import Box, Pixels

Border = Literal["shift", "pad", "reflect", "blur", "clip"]
Fill = Color | Literal["reflect", "blur"]  # what fills the area beyond a picture's edge

# Where the eyes are in the box of a face: medians of the labeled faces whose eyes nvxs finds.
SIDE_IN_EYE_DISTANCES = 2.5
EYES_DOWN = 0.455
# The eyes of a head that looks aside are close together; then the box gives the better size.
EYES_TRUSTED = (0.85, 1.15)
MOST_TURNED = 45  # degrees; landmarks turned further are not a pair of eyes

SHRINKS = 32  # sizes that are tried for a turned crop, from the whole frame to the bare face
LOST = 0.05  # of a face's side: a turned crop may cut off so much to avoid filled areas

BLURRED_AT = (
    128  # pixels of the longer side: the picture is blurred at this size, for a constant cost
)
BLUR = 4  # its standard deviation, in those pixels
BLURRED_FROM = 0.05  # of the longer side: the blur is complete at this distance from the picture


@dataclass(frozen=True)
class Span:
    """An interval on one axis."""

    middle: float
    length: float

    def grown(self, to: "Span", share: float) -> "Span":
        """The interval that lies this share of the way to a longer one."""
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
    """How much around a face a crop shows, in face widths and heights."""

    up: float
    down: float
    aside: float
    square: bool

    def around(self, x: float, y: float, width: float, height: float) -> tuple[Span, Span]:
        """The face's box enlarged by the frame, across and down; a square keeps the center."""
        across = Span(x + width / 2, width * (1 + 2 * self.aside))
        tall = height * (1 + self.up + self.down)
        down = Span(y - self.up * height + tall / 2, tall)
        if not self.square:
            return across, down
        side = max(across.length, down.length)
        return Span(across.middle, side), Span(down.middle, side)

    def bare(self) -> "Frame":
        """The smallest frame: the face itself."""
        return replace(self, up=0, down=0, aside=0)


def margin(room: float, *, square: bool = True) -> Frame:
    """The same margin on every side of a face."""
    return Frame(room, room, room, square)


def portrait(*, square: bool = True) -> Frame:
    """A frame with hair, ears, hat and neckline, as the Danbooru2019 Portraits have."""
    return Frame(up=0.75, down=0.25, aside=0.5, square=square)


@dataclass(frozen=True)
class Crop:
    """The part of a picture that a crop shows: a box, rotated about its center.

    The box may reach beyond the picture. `degrees` is how far the crop rotates the picture back,
    counterclockwise; without rotation the pixels are copied unchanged.
    """

    box: Box
    degrees: float = 0.0

    def holds(self, face: Box) -> bool:
        """Whether a face is visible in it: its center, or more than a fifth of it."""
        x, y, width, height = face
        corners = np.array(
            [(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float32
        )
        shared, _ = cv2.intersectConvexConvex(corners, self._corners())
        middle = (x + width / 2, y + height / 2)
        inside = cv2.pointPolygonTest(self._corners(), middle, measureDist=False) >= 0
        return inside or shared > width * height / 5

    def beyond(self, size: tuple[int, int]) -> float:
        """The share of it that lies beyond a picture of size (width, height)."""
        width, height = size
        picture = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        shared, _ = cv2.intersectConvexConvex(picture, self._corners())
        return round(1 - shared / (self.box[2] * self.box[3]), 5)

    def pixels(self, rgb: Pixels, fill: Fill = WHITE) -> Pixels:
        """The crop's pixels, at the picture's own scale; `fill` is used beyond the picture's edge.

        reflect mirrors the picture there; blur mirrors it and blurs it more with the distance from
        the picture. rgb and the result are uint8 [H, W, 3].

        Raises ItemError if the crop would have more than MAX_PIXELS.
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
            _blur(crop, self._sampled(there, cv2.INTER_NEAREST, Color(0, 0, 0)) == 0)
        return crop

    def _sampled(self, picture: Pixels, interpolation: int, fill: Fill) -> Pixels:
        # OpenCV takes at most 32767 pixels a side: pass only the part that the crop covers.
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
        """The affine map [2, 3] from pixels of the crop to pixels of the picture."""
        x, y, width, height = self.box
        turn = _rotation(self.degrees)
        # The center of an even side lies between two pixels.
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        return np.column_stack([turn, np.array([x, y]) + middle - turn @ middle])

    def _corners(self) -> NDArray[np.float32]:
        _, _, width, height = self.box
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5
        to = self._to_picture()
        return (corners @ to[:, :2].T + to[:, 2] + 0.5).astype(np.float32)


def crops(
    rgb: Pixels,
    faces: Iterable[Face],
    frame: Frame,
    border: Border,
    *,
    align: bool = False,
    without: Sequence[Face] = (),
) -> Iterator[tuple[Face, Crop]]:
    """The crop of each face of a picture uint8 [H, W, 3]; aligned ones also by landmarks sought now.

    Left out are crops that show two of the faces in `without`.
    """
    for face in faces:
        if align:
            face = with_landmarks(rgb, face)
        crop = crop_around(face, frame, (rgb.shape[1], rgb.shape[0]), border, align=align)
        if sum(crop.holds(other.box) for other in without) < 2:
            yield face, crop


def crop_around(
    face: Face, frame: Frame, size: tuple[int, int], border: Border, *, align: bool
) -> Crop:
    """The crop around a face: with `align` rotated so that its eyes, if known, are level."""
    aligned = aligned_crop_of(face, frame, size, border) if align else None
    return aligned or crop_of(face.box, frame, size, border)


def crop_of(face: Box, frame: Frame, size: tuple[int, int], border: Border = "shift") -> Crop:
    """The crop around a face in a picture of size (width, height).

    At the picture's edge, shift moves the crop inside and shrinks its frame to what is there, so that
    only a square that cannot be smaller than its face still sticks out; clip cuts off what sticks
    out; the others leave the crop where it is.
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
    """The crop with level eyes, which are at the same place in every crop.

    Its size follows the distance between the eyes. At the edge of a picture of size (width, height),
    shift and clip move and shrink it until nothing sticks out, or as little as possible if the face
    itself is too near the edge; the others leave it where it is. None if the eyes are not known.
    """
    if face.landmarks is None:
        return None
    left, right = (np.array(face.landmarks[name], float) for name in ("left_eye", "right_eye"))
    degrees = math.degrees(math.atan2(*(left - right)[::-1]))
    if abs(degrees) > MOST_TURNED:
        return None
    least, most = (share * max(face.box[2:]) for share in EYES_TRUSTED)
    side = min(max(SIDE_IN_EYE_DISTANCES * math.hypot(*(left - right)), least), most)
    # The upright face, relative to the middle between the eyes; then rotated into the picture.
    upright = (-side / 2, -EYES_DOWN * side, side, side)
    bare, whole = frame.bare().around(*upright), frame.around(*upright)
    eyes, turn = (left + right) / 2, _rotation(degrees)

    def at_share(share: float) -> Crop:
        spans = [small.grown(large, share) for small, large in zip(bare, whole, strict=True)]
        lengths = np.array([span.length for span in spans])
        middle = eyes + turn @ [span.middle for span in spans]
        # Half of its upright bounding box, and two pixels that cubic sampling needs.
        reach = abs(turn) @ lengths / 2 + 2
        if border in ("shift", "clip"):
            half = np.array(size) / 2
            moved = np.clip(middle, np.minimum(reach, half), np.maximum(size - reach, half))
            about = [span.middle for span in bare]
            room = (lengths - side) / 2 + LOST * side  # how far the face may move in its frame
            middle = eyes + turn @ (about + np.clip(turn.T @ (moved - eyes) - about, -room, room))
        (x, width), (y, height) = (
            Span(*span).whole() for span in zip(middle, lengths, strict=True)
        )
        return Crop((x, y, width, height), degrees)

    if border not in ("shift", "clip"):
        return at_share(1)
    return min(map(at_share, np.linspace(1, 0, SHRINKS)), key=lambda crop: crop.beyond(size))


def _rotation(degrees: float) -> NDArray[np.float64]:
    """The map [2, 2] to the picture, from a crop that rotates it back by so many degrees."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([(cosine, -sine), (sine, cosine)])


def _shrunk(least: Span, whole: Span, limit: int) -> Span:
    """The longest interval between `least` and `whole` that is not longer than the limit."""
    if whole.length <= limit:
        return whole
    room = whole.length - least.length
    return least.grown(whole, max(0.0, (limit - least.length) / room) if room else 0.0)


def _moved_in(start: int, length: int, limit: int) -> int:
    """The start of an interval, moved so that as much of it as possible lies in [0, limit]."""
    low, high = sorted((0, limit - length))
    return min(max(start, low), high)


def _blur(crop: Pixels, beyond: NDArray[np.bool_]) -> None:
    """Blur a crop where `beyond` [H, W] is true, more with the distance from the picture."""
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
