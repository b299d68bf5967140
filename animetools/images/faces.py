"""Find the faces in a picture, with three detectors.

`points` is the network that ships, `lbp` nagadomi's cascade of local binary patterns, and `nvxs` the
neural detector AnimeFace-2009. `auto` runs all that are installed, and compares what they find.
"""

import math
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from animetools.errors import Advice, FatalError
from animetools.images import nvxs, points
from animetools.images.cascade import classifier, fetch, other_cascade
from animetools.images.face import SAME, Face, Search, is_same, overlap
from animetools.images.hits import (
    NVXS_LONGEST,
    NVXS_SMALL_LONGEST,
    hits_of_lbp,
    hits_of_nvxs,
    hits_of_points,
    log_odds,
    points_score,
    probability,
)
from animetools.images.nvxs import Box, Pixels
from animetools.images.pieces import in_pieces

Name = Literal["auto", "points", "lbp", "nvxs"]

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
        return Detector(partial(hits_of_nvxs, longest=NVXS_LONGEST), name)
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
        by_lbp = partial(hits_of_lbp, cascade=cascade, equalize=equalize, smallest=smallest)
    if name == "lbp":
        return Detector(by_lbp, searched)
    by_nvxs: Search = _nobody
    if nvxs.is_installed():
        nvxs.load()
        by_nvxs = partial(hits_of_nvxs, longest=NVXS_SMALL_LONGEST)
    else:
        warnings.warn(
            "the nvxs detector is not installed (pip install animeface==2.0.3, if there is a"
            " wheel for this machine); going on without it",
            Advice,
            stacklevel=2,
        )
    names = ["points"] + ["lbp"] * bool(cascade) + ["nvxs"] * nvxs.is_installed()
    found = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    together = partial(_together, by_lbp=by_lbp, by_nvxs=by_nvxs, by_points=hits_of_points)
    return Detector(together, searched, found)


def with_landmarks(rgb: Pixels, face: Face) -> Face:
    """The face with the best landmarks: those of nvxs, or of points at a closer look, if any."""
    if face.landmarks and "chin" in face.landmarks:
        return face
    found = points.landmarks_of(rgb, face.box)
    if not found:
        return face
    marks = {name: (round(x), round(y)) for name, (x, y) in found.items()}
    return replace(face, landmarks=marks)


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
    if face.score >= points_score(POINTS_SURE):
        return face
    x, y, width, height = face.box
    look = partial(hits_of_points, least=POINTS_FAINT, sizes=(POINTS_CLOSER_LONGEST,))
    odds = [log_odds(face.score)]
    for seen in (
        _seen_closer(rgb, face.box, CLOSER_ROOM, look),
        _seen_closer(rgb[:, ::-1], (rgb.shape[1] - x - width, y, width, height), CLOSER_ROOM, look),
    ):
        odds.append(log_odds(seen.score if seen else points_score(POINTS_FAINT)))
    return replace(face, score=probability((1, 0), sum(odds) / len(odds)))


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
        if any(is_same(face.box, other.box) for other in found):
            continue
        same = [
            [other for other in group if overlap(face.box, other.box) >= SAME]
            for group in (faces, others, spots)
        ]
        seen_by = sum(map(bool, same))
        if face.detector == "nvxs" and seen_by == 1 and (faces or spots):
            look = partial(hits_of_nvxs, longest=CLOSER_LONGEST)
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


def _points_alone(rgb: Pixels) -> list[Face]:
    faces = [_seen_thrice(rgb, face) for face in hits_of_points(rgb)]
    return [face for face in faces if face.score >= SURE]
