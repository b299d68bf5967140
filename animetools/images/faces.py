"""Where the faces in a picture are: two detectors, their stages, and what a face is.

`lbp` is nagadomi's cascade of local binary patterns, `nvxs` the neural one of AnimeFace-2009.
`auto` asks both, and where neither finds anything nvxs on the picture turned by 15 degrees. A stage
looks at a picture of bounded size: it is faster, finds large faces that it would miss, and takes
fewer other things for faces. So that its faces do not become too small in a picture much longer than
wide, as a webtoon's, such a picture is searched in pieces that overlap.
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
# What nvxs finds beside lbp's faces must be found again in a closer look: so are 16 of 19 faces on
# pages made of real pictures, and neither of 2 wrong ones.
CLOSER_LONGEST = 192
CLOSER_ROOM = 0.6
TILT = 15  # degrees
SAME = 0.4  # boxes of one face overlap by this much (intersection over union)
INSIDE = 0.6  # a box of which so much is in another shows a part of its face

# A picture is cut where it is longer than so many of its short sides, and into pieces of so many.
LONG = 2.2
PIECE = 1.5
STEP = 1.0  # from piece to piece at most: what they share holds a face of half the short side

# The log odds that a hit is a face: slope and start, by logistic regression on the hits in 72 real
# and 150 drawn pictures with known faces (216 of 240 hits of lbp are right, 592 of 608 of nvxs).
LBP_ODDS = (4.65, -5.59)  # by the logarithm of how many neighboring windows hold it
NVXS_ODDS = (0.55, 0.43)  # by the log odds that nvxs gives
SUREST = 1e-5  # nvxs's likelihood comes no nearer to 0 and 1 than float32 can tell

# The workers are many already; and one thread gives hits in one order.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Face:
    """A face: `box` (x, y, width, height) in whole pixels of the picture, never outside it.

    `score` is how probable it is that this is a face, 0 to 1, whatever found it (see LBP_ODDS and
    NVXS_ODDS); where both did, that not both are wrong. `landmarks` are the points left_eye,
    right_eye (the character's own left and right), nose, mouth and chin; lbp knows none.
    """

    box: Box
    score: float
    detector: str
    landmarks: dict[str, Point] | None = None

    def moved(self, across: int, down: int) -> "Face":
        """The same face from another origin."""
        x, y, width, height = self.box
        marks = self.landmarks and {
            name: (at[0] + across, at[1] + down) for name, at in self.landmarks.items()
        }
        return replace(self, box=(x + across, y + down, width, height), landmarks=marks)


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
        upright = partial(_both, by_lbp=tuple(stages), by_nvxs=small) if stages else small
        stages = [upright, partial(_tilted, search=small)]
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
    """The faces that the first stage to find any finds, best score first. rgb uint8 [H, W, 3].

    In a long picture that is so for each of its pieces.
    """
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    pieces = list(_pieces(*grey.shape[::-1]))
    if len(pieces) == 1:
        return _ranked(_first(stages, grey))
    whole: list[Face] = []
    cut: list[Face] = []
    for piece in pieces:
        x, y, width, height = piece
        for face in _first(stages, grey[y : y + height, x : x + width]):
            face = face.moved(x, y)
            (cut if _is_cut(face.box, piece, grey.shape) else whole).append(face)
    kept: list[Face] = []
    for face in _ranked(whole) + _ranked(cut):
        if not any(_is_same(face.box, other.box) for other in kept):
            kept.append(face)
    return _ranked(kept)


def with_landmarks(rgb: Pixels, face: Face) -> Face:
    """The face with the landmarks that nvxs finds in it, if it does, whatever found the face."""
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
    """Whether two boxes are of one face, of which one may show but a part."""
    smaller = min(one[2] * one[3], other[2] * other[3])
    return overlap(one, other) >= SAME or _shared(one, other) >= INSIDE * smaller


def _ranked(faces: list[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: (-face.score, face.box))


def _first(stages: tuple[Stage, ...], grey: Pixels) -> list[Face]:
    """What the first stage to find any face finds."""
    return next((faces for stage in stages if (faces := stage(grey))), [])


def _pieces(width: int, height: int) -> Iterator[Box]:
    """A picture, or the pieces of a long one, that share at least half a short side."""
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
    """Whether a face reaches an edge of its piece that is none of the picture [H, W]."""
    return any(
        (face[n] <= piece[n] > 0)
        or (face[n] + face[n + 2] >= piece[n] + piece[n + 2] < shape[1 - n])
        for n in (0, 1)
    )


def _seen_closer(picture: Pixels, box: Box, room: float, longest: int) -> Face | None:
    """The face that nvxs finds in a box, if it does, with so much room around, in box widths.

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
    """What either detector finds; of a face that both find lbp's box, which fits better.

    Where lbp finds faces, those that nvxs alone finds must be found again in a closer look.
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
    slope, start = odds
    return 1 / (1 + math.exp(-(start + slope * evidence)))


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
            faces.append(Face(box, _lbp_score(count), "lbp"))
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
        faces.append(Face(box, _nvxs_score(hit.likelihood), "nvxs", landmarks))
    return faces


def _tilted(grey: Pixels, search: Callable[[Pixels, float], list[Face]]) -> list[Face]:
    """What a search finds in the picture turned either way; of one face the better box."""
    kept: list[Face] = []
    found = [*search(grey, TILT), *search(grey, -TILT)]
    for face in sorted(found, key=lambda face: -face.score):
        if all(overlap(face.box, other.box) < SAME for other in kept):
            kept.append(face)
    return kept
