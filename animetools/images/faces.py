"""Find the faces in a picture, with three detectors.

`points` is the network that ships, `lbp` nagadomi's cascade of local binary patterns, and `nvxs` the
neural detector AnimeFace-2009. `auto` runs all that are installed, and compares what they find. Each
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
from animetools.images import nvxs, points
from animetools.images.cascade import classifier, fetch, other_cascade
from animetools.images.nvxs import Box, Pixels, Point
from animetools.images.view import View

Name = Literal["auto", "points", "lbp", "nvxs"]

LBP_WINDOW = 24  # the side of the smallest face that the cascade finds
LBP_NEIGHBORS = 5
LBP_LONGEST = 1024
# Windows of a face vary in size. Those below this share of the smallest face that is kept do not
# matter: in 72 pictures they change no face of 64, 128 or 250 px.
LBP_ROOM = 0.6
NVXS_LONGEST = 4096  # the library sums pixels in float32, which is too coarse for larger pictures
NVXS_SMALL_LONGEST = 384
POINTS_LONGEST = (448, 224)  # the network knows faces of 11 to 180 px: small ones, and large ones
POINTS_LEAST = 0.5  # likelihood
# A face that only points sees is looked at twice more, closer, and once mirrored, unless it is this
# likely already. Texture seldom looks like a face three times.
POINTS_SURE = 0.8
POINTS_FAINT = 0.02  # of what is looked at closer
SURE = 0.5  # score of such a face, from here on it counts
# A face that only nvxs finds beside lbp's faces must be found again at a closer look: that keeps
# 16 of 19 faces on pages made of real pictures, and neither of 2 false positives.
CLOSER_LONGEST = 192
POINTS_CLOSER_LONGEST = 160
CLOSER_ROOM = 0.6
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
# Of points's own log odds. Regression on 261 hits in other pictures gives 4.7 and -2.5; this doubts more.
POINTS_ODDS = (4.0, -2.5)
SUREST = 1e-5  # nvxs's likelihood is clipped this far from 0 and 1, about float32's resolution

# There are enough workers already, and one thread gives the hits in a fixed order.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Face:
    """A face: `box` (x, y, width, height) in whole pixels of the picture, never outside it.

    `score` is the probability that this is a face, 0 to 1, comparable between detectors (see the
    _ODDS); if several found it, that at least one is right. `landmarks` are the points left_eye,
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


@dataclass(frozen=True)
class Detector:
    """Finds the faces of rgb uint8 [H, W, 3]; may be pickled, and used by several threads."""

    search: Search
    searched: str  # what was asked for: auto, points, lbp, nvxs, and another cascade
    found: str = ""  # what auto found besides points: lbp, nvxs, or both

    def __call__(self, rgb: Pixels) -> list[Face]:
        """The faces, highest score first."""
        return in_pieces(rgb, self.search)


def choose_detector(
    name: Name, *, cascade: str = "", equalize: bool = False, smallest: int = 0
) -> Detector:
    """The detector of this name, checked and ready for any worker.

    `cascade` is the file for lbp (downloaded once by default, see cascade.py); `equalize` equalizes
    the grey levels for it. Faces with a side below `smallest` may be left out, to save time. auto
    goes on with one detector, and warns, if the other is not available.

    Raises FatalError if no detector is available, or one does not work.
    """
    if name == "points":
        return Detector(_points_alone, name)
    if name == "nvxs":
        nvxs.load()
        return Detector(partial(_nvxs, longest=NVXS_LONGEST), name)
    searched: str = name
    try:
        cascade = cascade or fetch()
    except FatalError as why:
        if name == "lbp":
            raise
        warnings.warn(f"{why}; going on without the lbp detector", Advice, stacklevel=2)
    by_lbp: Search = _nobody
    if cascade:
        classifier(cascade)
        searched += other_cascade(cascade)
        by_lbp = partial(_lbp, cascade=cascade, equalize=equalize, smallest=smallest)
    if name == "lbp":
        return Detector(by_lbp, searched)
    by_nvxs: Search = _nobody
    if nvxs.is_installed():
        nvxs.load()
        by_nvxs = partial(_nvxs, longest=NVXS_SMALL_LONGEST)
    else:
        warnings.warn(
            "the nvxs detector is not installed (pip install animeface==2.0.3, if there is a"
            " wheel for this machine); going on without it",
            Advice,
            stacklevel=2,
        )
    names = ["points"] + ["lbp"] * bool(cascade) + ["nvxs"] * nvxs.is_installed()
    found = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    together = partial(_together, by_lbp=by_lbp, by_nvxs=by_nvxs, by_points=_points)
    return Detector(together, searched, found)


def in_pieces(rgb: Pixels, search: Search) -> list[Face]:
    """The faces in a picture uint8 [H, W, 3], highest score first; a long one is searched in pieces."""
    pieces = list(_pieces(rgb.shape[1], rgb.shape[0]))
    if len(pieces) == 1:
        return _ranked(search(rgb))
    whole: list[Face] = []
    cut: list[Face] = []
    for piece in pieces:
        x, y, width, height = piece
        for face in search(np.ascontiguousarray(rgb[y : y + height, x : x + width])):
            face = face.moved(x, y)
            (cut if _is_cut(face.box, piece, rgb.shape) else whole).append(face)
    kept: list[Face] = []
    for face in _ranked(whole) + _ranked(cut):
        if not any(_is_same(face.box, other.box) for other in kept):
            kept.append(face)
    return _ranked(kept)


def with_landmarks(rgb: Pixels, face: Face) -> Face:
    """The face with the best landmarks: those of nvxs, or of points at a closer look, if any."""
    if face.landmarks and "chin" in face.landmarks:
        return face
    found = points.landmarks_of(rgb, face.box)
    if not found:
        return face
    marks = {name: (round(x), round(y)) for name, (x, y) in found.items()}
    return replace(face, landmarks=marks)


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


def _seen_closer(rgb: Pixels, box: Box, room: float, search: Search) -> Face | None:
    """The face that a search finds in a box with a margin of `room` box widths, if any."""
    x, y, width, height = box
    around = round(room * max(width, height))
    left, top = max(0, x - around), max(0, y - around)
    near = np.ascontiguousarray(rgb[top : y + height + around, left : x + width + around])
    seen = [face.moved(left, top) for face in search(near)]
    best = max(seen, key=lambda face: overlap(face.box, box), default=None)
    return best if best and overlap(best.box, box) > SAME else None


def _seen_thrice(rgb: Pixels, face: Face) -> Face:
    """A face of points with the mean score of three looks, by its log odds."""
    if face.score >= _points_score(POINTS_SURE):
        return face
    x, y, width, height = face.box
    look = partial(_points, least=POINTS_FAINT, sizes=(POINTS_CLOSER_LONGEST,))
    odds = [_log_odds(face.score)]
    for seen in (
        _seen_closer(rgb, face.box, CLOSER_ROOM, look),
        _seen_closer(rgb[:, ::-1], (rgb.shape[1] - x - width, y, width, height), CLOSER_ROOM, look),
    ):
        odds.append(_log_odds(seen.score if seen else _points_score(POINTS_FAINT)))
    return replace(face, score=_probability((1, 0), sum(odds) / len(odds)))


def _nobody(rgb: Pixels) -> list[Face]:
    """What a detector finds that is not there."""
    return []


def _together(rgb: Pixels, by_lbp: Search, by_nvxs: Search, by_points: Search) -> list[Face]:
    """The faces of all detectors; of a face that several find, lbp's box, which fits best.

    What only nvxs or only points sees counts if it is seen at a closer look, too; or, of nvxs, if
    nothing else is found.
    """
    spots, faces, others = by_points(rgb), by_lbp(rgb), by_nvxs(rgb)
    found: list[Face] = []
    for face in [*faces, *others, *spots]:
        if any(_is_same(face.box, other.box) for other in found):
            continue
        same = [
            [other for other in group if overlap(face.box, other.box) >= SAME]
            for group in (faces, others, spots)
        ]
        seen_by = sum(map(bool, same))
        if face.detector == "nvxs" and seen_by == 1 and (faces or spots):
            look = partial(_nvxs, longest=CLOSER_LONGEST)
            if not _seen_closer(rgb, face.box, CLOSER_ROOM, look):
                continue
        if face.detector == "points" and seen_by == 1:
            face = _seen_thrice(rgb, face)
            same[2] = [face]
            if face.score < SURE:
                continue
        scores = [max(other.score for other in group) for group in same if group]
        marks = next((each.landmarks for group in same for each in group if each.landmarks), None)
        score = 1 - math.prod(1 - score for score in scores)
        found.append(replace(face, score=score, landmarks=marks))
    return found


def _lbp_score(neighbors: int) -> float:
    return _probability(LBP_ODDS, math.log(neighbors))


def _nvxs_score(likelihood: float) -> float:
    return _probability(NVXS_ODDS, _log_odds(min(max(likelihood, SUREST), 1 - SUREST)))


def _points_score(likelihood: float) -> float:
    return _probability(POINTS_ODDS, _log_odds(likelihood))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _probability(odds: tuple[float, float], evidence: float) -> float:
    slope, intercept = odds
    return 1 / (1 + math.exp(-(intercept + slope * evidence)))


def _lbp(rgb: Pixels, *, cascade: str, equalize: bool = False, smallest: int = 0) -> list[Face]:
    view = View.of(_grey(rgb), LBP_LONGEST)
    pixels = cv2.equalizeHist(view.pixels) if equalize else view.pixels
    window = max(LBP_WINDOW, int(smallest * view.scale * LBP_ROOM))
    boxes, counts = classifier(cascade).detectMultiScale2(
        pixels, scaleFactor=1.1, minNeighbors=LBP_NEIGHBORS, minSize=(window, window)
    )
    faces = []
    for (x, y, side, _), count in zip(boxes, counts, strict=True):
        # The box that fits labeled faces best is smaller by 5 % and further up by 5 %.
        box = view.box_in_source(x + 0.5 * side, y + 0.45 * side, 0.95 * side)
        if box:
            faces.append(Face(box, _lbp_score(count), "lbp"))
    return faces


def _nvxs(rgb: Pixels, *, longest: int) -> list[Face]:
    view = View.of(_grey(rgb), longest)
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


def _points(
    rgb: Pixels, *, least: float = POINTS_LEAST, sizes: tuple[int, ...] = POINTS_LONGEST
) -> list[Face]:
    found = []
    for longest in dict.fromkeys(min(size, max(rgb.shape)) for size in sizes):
        view = View.of(rgb, longest)
        for spot in points.detect(view.pixels, least):
            # The box that fits labeled faces best.
            box = view.box_in_source(spot.x, spot.y, spot.side)
            if box:
                marks = {name: view.point_in_source(*at) for name, at in spot.landmarks.items()}
                found.append(Face(box, _points_score(spot.likelihood), "points", marks))
    kept: list[Face] = []
    for face in _ranked(found):
        if not any(_is_same(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def _points_alone(rgb: Pixels) -> list[Face]:
    faces = [_seen_thrice(rgb, face) for face in _points(rgb)]
    return [face for face in faces if face.score >= SURE]


def _grey(rgb: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
