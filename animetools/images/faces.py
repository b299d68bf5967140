"""Where the faces in a picture are: two detectors, their stages, and what a face is.

`lbp` is nagadomi's cascade of local binary patterns, `nvxs` the neural one of AnimeFace-2009.
`auto` asks them in stages, each only where the one before found nothing: lbp, nvxs, nvxs on the
picture turned by 15 degrees. A stage looks at a picture of bounded size: it is faster, finds large
faces that it would miss, and takes fewer other things for faces.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.errors import Advice, FatalError
from animetools.images import nvxs
from animetools.images.cascade import classifier, fetch, other_cascade
from animetools.images.nvxs import Box, Pixels, Point

Name = Literal["auto", "lbp", "nvxs"]

LBP_WINDOW = 24  # the side of the smallest face that the cascade knows
LBP_NEIGHBOURS = 5
LBP_LONGEST = 1024
LBP_TILTED_LONGEST = 640
LBP_TILTED_NEIGHBOURS = 3
# Windows of a face vary in size; below this share of the smallest face that is kept, none matters:
# of 72 pictures none gives another face of 64, 128 or 250 px.
LBP_ROOM = 0.6
NVXS_LONGEST = 4096  # the library sums pixels up in float32, too coarse for larger pictures
NVXS_SMALL_LONGEST = 384
# Eyes are known of 46 of 60 faces found by lbp, in 8 ms a face; of 48, in 24 ms, at most.
EYES_LONGEST = 128
EYES_ROOM = 0.3  # around the box, in face widths
TILT = 15  # degrees
WITHIN = 0.9  # the share of a tilted box that must lie in the picture, not in the border
TWIN = 0.4  # boxes of one face overlap by this much (intersection over union)

# The workers are many already; and one thread gives hits in one order.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Face:
    """A face: `box` (x, y, width, height) in whole pixels of the picture, never outside it.

    `score`, in [0, 1], compares faces of one detector: nvxs gives its likelihood, lbp n / (n + 5)
    for n neighbouring windows that all hold the face. `landmarks` are the points left_eye,
    right_eye (the character's own left and right), nose, mouth and chin; lbp knows none.
    """

    box: Box
    score: float
    detector: str
    landmarks: dict[str, Point] | None = None


Stage = Callable[[Pixels], list[Face]]  # of grey uint8 [H, W]


@dataclass(frozen=True)
class Detector:
    """Finds the faces of rgb uint8 [H, W, 3]; may be pickled, and used by several threads."""

    stages: tuple[Stage, ...]
    searched: str  # what it was to look with: auto, lbp with another cascade
    found: str = ""  # what auto could have: lbp and nvxs, or one of them

    def __call__(self, rgb: Pixels) -> list[Face]:
        """The faces, best score first."""
        return find_faces(rgb, self.stages)


def choose_detector(
    name: Name, *, cascade: str = "", equalize: bool = False, smallest: int = 0
) -> Detector:
    """The detector of a name, checked and ready for any worker.

    `cascade` is the file for lbp (else fetched once, see cascade.py), searched on equalised grey
    with `equalize`. Faces with a side below `smallest` may be left out, to save time. auto goes on
    without what cannot be had, and warns of it.

    Raises FatalError where that leaves nothing, or what there is does not work.
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
            # Small faces are faces, too: they end the search. Where there is a large one, nobody
            # needs to look for them, which takes most of the time.
            stages.append(partial(lbp, only_smaller=True))
    if name == "auto" and has_nvxs:
        nvxs.load()
        small = partial(_nvxs, longest=NVXS_SMALL_LONGEST)
        stages += [small, partial(_tilted, search=small)]
    elif name == "auto":
        warnings.warn(
            "no nvxs detector here (pip install animeface==2.0.3 has it where there are wheels); "
            "going on with lbp alone",
            Advice,
            stacklevel=2,
        )
        loose = partial(
            _lbp,
            cascade=cascade,
            equalize=equalize,
            longest=LBP_TILTED_LONGEST,
            neighbours=LBP_TILTED_NEIGHBOURS,
        )
        stages.append(partial(_tilted, search=loose))
    found = " and ".join(["lbp"] * bool(cascade) + ["nvxs"] * has_nvxs)
    return Detector(tuple(stages), searched, found if name == "auto" else "")


def find_faces(rgb: Pixels, stages: tuple[Stage, ...]) -> list[Face]:
    """The faces that the first stage to find any finds, best score first. rgb uint8 [H, W, 3]."""
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    for stage in stages:
        if faces := stage(grey):
            return sorted(faces, key=lambda face: (-face.score, face.box))
    return []


def with_landmarks(rgb: Pixels, face: Face) -> Face:
    """The face with the landmarks that nvxs finds in it, if it does, whatever found the face."""
    if face.landmarks is not None:
        return face
    x, y, width, height = face.box
    room = round(EYES_ROOM * max(width, height))
    left, top = max(0, x - room), max(0, y - room)
    near = rgb[top : y + height + room, left : x + width + room]
    best, found = TWIN, face
    for twin in find_faces(near, (partial(_nvxs, longest=EYES_LONGEST),)):
        at = twin.box
        shared = overlap((at[0] + left, at[1] + top, at[2], at[3]), face.box)
        if shared > best:
            marks = twin.landmarks or {}
            moved = {name: (mark[0] + left, mark[1] + top) for name, mark in marks.items()}
            best, found = shared, replace(face, landmarks=moved)
    return found


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if min(width, height) <= 0:
        return 0.0
    both = width * height
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def _lbp(
    grey: Pixels,
    degrees: float = 0,
    *,
    cascade: str,
    equalize: bool,
    longest: int = LBP_LONGEST,
    neighbours: int = LBP_NEIGHBOURS,
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
        minNeighbors=neighbours,
        minSize=(least, least),
        maxSize=(most, most),
    )
    faces = []
    for (x, y, side, _), count in zip(boxes, counts, strict=True):
        # The box that fits labelled faces best is smaller by 5 % and higher by 5 %.
        box = view.box_in_source(x + 0.5 * side, y + 0.45 * side, 0.95 * side)
        if box:
            faces.append(Face(box, int(count) / (int(count) + 5), "lbp"))
    return faces


def _nvxs(grey: Pixels, degrees: float = 0, *, longest: int) -> list[Face]:
    view = View.of(grey, longest, degrees)
    faces = []
    for hit in nvxs.detect(view.pixels):
        x, y, side, _ = hit.face
        # The box that fits labelled faces best is larger by 25 % and higher by 7.5 %.
        box = view.box_in_source(x + 0.5 * side, y + 0.425 * side, 1.25 * side)
        if not box:
            continue
        landmarks = {name: view.point_in_source(*at) for name, at in hit.middles.items()}
        faces.append(Face(box, hit.likelihood, "nvxs", landmarks))
    return faces


def _tilted(grey: Pixels, search: Callable[[Pixels, float], list[Face]]) -> list[Face]:
    """What a search finds in the picture turned either way; of twins the better one."""
    kept: list[Face] = []
    found = [*search(grey, TILT), *search(grey, -TILT)]
    for face in sorted(found, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) < TWIN for other in kept):
            kept.append(face)
    return kept


@dataclass(frozen=True)
class View:
    """A grey picture as a stage looks at it, shrunk and perhaps turned on white.

    `back` [2, 3] takes a point of it to the source; `outline` [4, 2] holds the picture's corners,
    if it is turned.
    """

    pixels: Pixels
    width: int  # of the source
    height: int
    scale: float
    back: NDArray[np.float64]
    outline: NDArray[np.float32] | None

    @classmethod
    def of(cls, grey: Pixels, longest: int, degrees: float = 0) -> "View":
        """grey uint8 [H, W], shrunk to `longest` where larger, turned anticlockwise."""
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
        # A repeated edge would draw streaks, and both detectors see faces in streaks.
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
        """A point of the view in whole pixels of the source."""
        at = self.back @ (x, y, 1)
        return round(at[0]), round(at[1])

    def box_in_source(self, x: float, y: float, side: float) -> Box | None:
        """The upright box of a square about (x, y), cut at the source's edges.

        None if it lies outside, or too much of it in the border of a turned view.
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
    """A map of points as OpenCV wants it: there whole numbers are the middles of pixels."""
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return moved
