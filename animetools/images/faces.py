"""Find the faces in a picture, with two detectors in stages.

`lbp` is nagadomi's cascade of local binary patterns, `nvxs` the neural detector AnimeFace-2009.
`auto` runs both, and if neither finds a face, nvxs on the picture rotated by 15 degrees. Each stage
shrinks the picture to a fixed size: that is faster, finds large faces that it would miss, and gives
fewer false positives. A picture much longer than wide, such as a webtoon, is searched in overlapping
pieces, so that its faces do not become too small.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import cv2
import numpy as np

from animetools.errors import Advice, FatalError
from animetools.images import nvxs
from animetools.images.cascade import classifier, fetch, other_cascade
from animetools.images.nvxs import Box, Pixels, Point
from animetools.images.view import View

Name = Literal["auto", "lbp", "nvxs"]

LBP_WINDOW = 24  # the side of the smallest face that the cascade finds
LBP_NEIGHBORS = 5
LBP_LONGEST = 1024
LBP_TILTED_LONGEST = 640
LBP_TILTED_NEIGHBORS = 3
# Windows of a face vary in size. Those below this share of the smallest face that is kept do not
# matter: in 72 pictures they change no face of 64, 128 or 250 px.
LBP_ROOM = 0.6
NVXS_LONGEST = 4096  # the library sums pixels in float32, which is too coarse for larger pictures
NVXS_SMALL_LONGEST = 384
# This finds the eyes of 46 of 60 faces found by lbp, in 8 ms a face; a larger one of 48, in 24 ms.
EYES_LONGEST = 128
EYES_ROOM = 0.3  # around the box, in face widths
# A face that only nvxs finds beside lbp's faces must be found again at a closer look: that keeps
# 16 of 19 faces on pages made of real pictures, and neither of 2 false positives.
CLOSER_LONGEST = 192
CLOSER_ROOM = 0.6
TILT = 15  # degrees
SAME = 0.4  # boxes of one face overlap by at least this much (intersection over union)
INSIDE = 0.6  # a box with this share inside another shows a part of the same face

# A picture longer than LONG short sides is cut into pieces of PIECE short sides.
LONG = 2.2
PIECE = 1.5
STEP = 1.0  # from piece to piece at most: the overlap holds a face of half the short side

# The log odds that a hit is a face: slope and intercept, by logistic regression on the hits in 72
# real and 150 drawn pictures with known faces (216 of 240 hits of lbp are right, 592 of 608 of nvxs).
LBP_ODDS = (4.65, -5.59)  # of the logarithm of the number of neighboring windows
NVXS_ODDS = (0.55, 0.43)  # of nvxs's own log odds
SUREST = 1e-5  # nvxs's likelihood is clipped this far from 0 and 1, about float32's resolution

# There are enough workers already, and one thread gives the hits in a fixed order.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Face:
    """A face: `box` (x, y, width, height) in whole pixels of the picture, never outside it.

    `score` is the probability that this is a face, 0 to 1, comparable between detectors (see LBP_ODDS
    and NVXS_ODDS); if both found it, that at least one is right. `landmarks` are the points left_eye,
    right_eye (the character's own left and right), nose, mouth and chin; lbp gives none.
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


Stage = Callable[[Pixels], list[Face]]  # of uint8 [H, W], grey, or [H, W, 3]


@dataclass(frozen=True)
class Detector:
    """Finds the faces of rgb uint8 [H, W, 3]; may be pickled, and used by several threads."""

    stages: tuple[Stage, ...]
    searched: str  # what was asked for: auto, lbp, nvxs, and another cascade
    found: str = ""  # what auto found installed: lbp and nvxs, or one of them

    def __call__(self, rgb: Pixels) -> list[Face]:
        """The faces, highest score first."""
        return find_faces(rgb, self.stages)


def choose_detector(
    name: Name, *, cascade: str = "", equalize: bool = False, smallest: int = 0
) -> Detector:
    """The detector of this name, checked and ready for any worker.

    `cascade` is the file for lbp (downloaded once by default, see cascade.py); `equalize` equalizes
    the grey levels for it. Faces with a side below `smallest` may be left out, to save time. auto
    goes on with one detector, and warns, if the other is not available.

    Raises FatalError if no detector is available, or one does not work.
    """
    if name == "nvxs":
        nvxs.load()
        return Detector((partial(_nvxs, longest=NVXS_LONGEST),), name)
    searched: str = name
    stages: list[Stage] = []
    has_nvxs = nvxs.is_installed()
    try:
        cascade = cascade or fetch()
    except FatalError as why:
        if name == "lbp" or not has_nvxs:
            raise
        warnings.warn(f"{why}; going on with the nvxs detector alone", Advice, stacklevel=2)
    if cascade:
        classifier(cascade)
        searched += other_cascade(cascade)
        lbp = partial(_lbp, cascade=cascade, equalize=equalize, smallest=smallest)
        stages.append(lbp)
        if name == "auto" and smallest:
            # A small face ends the search too. If there is a large one, small faces need not be
            # searched, which takes most of the time.
            stages.append(partial(lbp, only_smaller=True))
    if name == "auto" and has_nvxs:
        nvxs.load()
        small = partial(_nvxs, longest=NVXS_SMALL_LONGEST)
        upright = partial(_both, by_lbp=tuple(stages), by_nvxs=small) if stages else small
        stages = [upright, partial(_tilted, search=small)]
    elif name == "auto":
        warnings.warn(
            "the nvxs detector is not installed (pip install animeface==2.0.3, if there is a "
            "wheel for this machine); going on with lbp alone",
            Advice,
            stacklevel=2,
        )
        loose = partial(
            _lbp,
            cascade=cascade,
            equalize=equalize,
            longest=LBP_TILTED_LONGEST,
            neighbors=LBP_TILTED_NEIGHBORS,
        )
        stages.append(partial(_tilted, search=loose))
    found = " and ".join(["lbp"] * bool(cascade) + ["nvxs"] * has_nvxs)
    return Detector(tuple(stages), searched, found if name == "auto" else "")


def find_faces(rgb: Pixels, stages: tuple[Stage, ...]) -> list[Face]:
    """The faces of the first stage that finds any, highest score first. rgb uint8 [H, W, 3].

    A long picture is searched piece by piece, each with its own first stage.
    """
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    return in_pieces(grey, partial(_first, stages))


def in_pieces(picture: Pixels, search: Stage) -> list[Face]:
    """The faces that a search finds in a picture, or in the pieces of a long one, highest score first.

    picture uint8, [H, W] or [H, W, 3].
    """
    size = picture.shape[1], picture.shape[0]
    pieces = list(_pieces(*size))
    if len(pieces) == 1:
        return _ranked(search(picture))
    whole: list[Face] = []
    cut: list[Face] = []
    for piece in pieces:
        x, y, width, height = piece
        for face in search(picture[y : y + height, x : x + width]):
            face = face.moved(x, y)
            (cut if _is_cut(face.box, piece, picture.shape) else whole).append(face)
    kept: list[Face] = []
    for face in _ranked(whole) + _ranked(cut):
        if not any(_is_same(face.box, other.box) for other in kept):
            kept.append(face)
    return _ranked(kept)


def with_landmarks(rgb: Pixels, face: Face) -> Face:
    """The face with landmarks: its own, or those that nvxs finds in its box, if any."""
    if face.landmarks is not None:
        return face
    seen = _seen_closer(rgb, face.box, EYES_ROOM, EYES_LONGEST)
    return replace(face, landmarks=seen.landmarks) if seen else face


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    both = _shared(one, other)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def _shared(one: Box, other: Box) -> int:
    """How many pixels two boxes share."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


def _is_same(one: Box, other: Box) -> bool:
    """Whether two boxes are of one face; one may show only a part of it."""
    smaller = min(one[2] * one[3], other[2] * other[3])
    return overlap(one, other) >= SAME or _shared(one, other) >= INSIDE * smaller


def _ranked(faces: list[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: (-face.score, face.box))


def _first(stages: tuple[Stage, ...], grey: Pixels) -> list[Face]:
    """The faces of the first stage that finds any."""
    return next((faces for stage in stages if (faces := stage(grey))), [])


def _pieces(width: int, height: int) -> Iterator[Box]:
    """The whole picture, or overlapping pieces of a long one, which share half a short side."""
    short, long = sorted((width, height))
    length = max(round(PIECE * short), NVXS_SMALL_LONGEST)
    if long <= max(LONG * short, length):
        yield 0, 0, width, height
        return
    steps = math.ceil((long - length) / (length - (PIECE - STEP) * short))
    for n in range(steps + 1):
        start = round(n * (long - length) / steps)
        yield (0, start, width, length) if height > width else (start, 0, length, height)


def _is_cut(face: Box, piece: Box, shape: tuple[int, ...]) -> bool:
    """Whether a face touches an edge of its piece that is not an edge of the picture [H, W]."""
    return any(
        (face[n] <= piece[n] > 0)
        or (face[n] + face[n + 2] >= piece[n] + piece[n + 2] < shape[1 - n])
        for n in (0, 1)
    )


def _seen_closer(picture: Pixels, box: Box, room: float, longest: int) -> Face | None:
    """The face that nvxs finds in a box with a margin of `room` box widths, if any.

    picture uint8, [H, W] or [H, W, 3].
    """
    x, y, width, height = box
    around = round(room * max(width, height))
    left, top = max(0, x - around), max(0, y - around)
    near = picture[top : y + height + around, left : x + width + around]
    if near.ndim == 3:
        near = np.asarray(cv2.cvtColor(near, cv2.COLOR_RGB2GRAY), np.uint8)
    seen = [face.moved(left, top) for face in _nvxs(near, longest=longest)]
    best = max(seen, key=lambda face: overlap(face.box, box), default=None)
    return best if best and overlap(best.box, box) > SAME else None


def _both(grey: Pixels, by_lbp: tuple[Stage, ...], by_nvxs: Stage) -> list[Face]:
    """The faces of both detectors; of a face that both find, lbp's box, which fits better.

    If lbp finds faces, those that only nvxs finds must be found again at a closer look.
    """
    faces, others = _first(by_lbp, grey), by_nvxs(grey)
    if not faces:
        return others
    found = []
    for face in faces:
        doubt = min(
            (1 - other.score for other in others if overlap(face.box, other.box) >= SAME), default=1
        )
        found.append(replace(face, score=1 - (1 - face.score) * doubt))
    for other in others:
        is_new = not any(_is_same(other.box, face.box) for face in faces)
        if is_new and _seen_closer(grey, other.box, CLOSER_ROOM, CLOSER_LONGEST):
            found.append(other)
    return found


def _lbp_score(neighbors: int) -> float:
    return _probability(LBP_ODDS, math.log(neighbors))


def _nvxs_score(likelihood: float) -> float:
    likelihood = min(max(likelihood, SUREST), 1 - SUREST)
    return _probability(NVXS_ODDS, math.log(likelihood / (1 - likelihood)))


def _probability(odds: tuple[float, float], evidence: float) -> float:
    slope, intercept = odds
    return 1 / (1 + math.exp(-(intercept + slope * evidence)))


def _lbp(
    grey: Pixels,
    degrees: float = 0,
    *,
    cascade: str,
    equalize: bool,
    longest: int = LBP_LONGEST,
    neighbors: int = LBP_NEIGHBORS,
    smallest: int = 0,
    only_smaller: bool = False,
) -> list[Face]:
    view = View.of(grey, longest, degrees)
    pixels = cv2.equalizeHist(view.pixels) if equalize else view.pixels
    window = max(LBP_WINDOW, int(smallest * view.scale * LBP_ROOM))
    least, most = (LBP_WINDOW, window - 1) if only_smaller else (window, max(pixels.shape))
    boxes, counts = classifier(cascade).detectMultiScale2(
        pixels,
        scaleFactor=1.1,
        minNeighbors=neighbors,
        minSize=(least, least),
        maxSize=(most, most),
    )
    faces = []
    for (x, y, side, _), count in zip(boxes, counts, strict=True):
        # The box that fits labeled faces best is smaller by 5 % and further up by 5 %.
        box = view.box_in_source(x + 0.5 * side, y + 0.45 * side, 0.95 * side)
        if box:
            faces.append(Face(box, _lbp_score(count), "lbp"))
    return faces


def _nvxs(grey: Pixels, degrees: float = 0, *, longest: int) -> list[Face]:
    view = View.of(grey, longest, degrees)
    faces = []
    for hit in nvxs.detect(view.pixels):
        x, y, side, _ = hit.face
        # The box that fits labeled faces best is larger by 25 % and further up by 7.5 %.
        box = view.box_in_source(x + 0.5 * side, y + 0.425 * side, 1.25 * side)
        if not box:
            continue
        landmarks = {name: view.point_in_source(*at) for name, at in hit.middles.items()}
        faces.append(Face(box, _nvxs_score(hit.likelihood), "nvxs", landmarks))
    return faces


def _tilted(grey: Pixels, search: Callable[[Pixels, float], list[Face]]) -> list[Face]:
    """The faces found in the picture rotated either way; of one face the better box."""
    kept: list[Face] = []
    found = [*search(grey, TILT), *search(grey, -TILT)]
    for face in sorted(found, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) < SAME for other in kept):
            kept.append(face)
    return kept
