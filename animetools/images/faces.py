"""Find the faces in a picture, with three detectors.

`points` is the network that ships, `lbp` nagadomi's cascade of local binary patterns, and `nvxs` the
neural detector AnimeFace-2009. `auto` compares what points and lbp find; nvxs, which takes longer than
both, searches only where they leave a doubt.
"""

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
    NVXS_SIDE,
    NVXS_SMALL_LONGEST,
    POINTS_LEAST,
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
# In a picture without any other face, what points takes for one so likely counts if nvxs sees it, too.
# nvxs sees no face below this share of the longer side.
POINTS_DOUBTFUL = 0.3
NVXS_SMALLEST = NVXS_SIDE * nvxs.SMALLEST_WINDOW / NVXS_SMALL_LONGEST
POINTS_CLOSER_LONGEST = 160
CLOSER_ROOM = 0.6


@dataclass(frozen=True)
class Detector:
    """Finds the faces of rgb uint8 [H, W, 3]; may be pickled, and used by several threads."""

    search: Search
    searched: str  # what was asked for: auto, points, lbp, nvxs, and another cascade
    found: str = ""  # the detectors that auto has here: points, lbp and nvxs, or fewer

    def __call__(self, rgb: Pixels) -> list[Face]:
        """The faces, highest score first."""
        return in_pieces(rgb, self.search)


def choose_detector(
    name: Name,
    *,
    cascade: str = "",
    equalize: bool = False,
    smallest: int = 0,
    landmarks: bool = False,
) -> Detector:
    """The detector of this name, checked and ready for any worker.

    `cascade` is the file for lbp (downloaded once by default, see cascade.py); `equalize` equalizes
    the grey levels for it. Faces with a side below `smallest` may be left out, to save time; with
    `landmarks`, auto takes the time to have those of nvxs wherever it sees a face. auto goes on with
    one detector, and warns, if the other is not available.

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
    by_points = partial(hits_of_points, least=POINTS_DOUBTFUL)
    search: Search = partial(_together, by_lbp=by_lbp, by_nvxs=by_nvxs, by_points=by_points)
    if landmarks:
        search = partial(_with_landmarks_of_nvxs, search=search, by_nvxs=by_nvxs)
    return Detector(search, searched, found)


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
    """The faces of lbp and points; of a face that both find, lbp's box, which fits best.

    What only points sees counts if it is seen at closer looks, too; or, if nothing else is found, if
    nvxs sees it.
    """
    spots, faces = by_points(rgb), by_lbp(rgb)
    likely = [spot for spot in spots if spot.score >= points_score(POINTS_LEAST)]
    found: list[Face] = []
    for face in [*(_with_spot(face, likely) for face in faces), *likely]:
        if any(is_same(face.box, other.box) for other in found):
            continue
        face = _seen_thrice(rgb, face) if face.detector == "points" else face
        if face.detector == "lbp" or face.score >= SURE:
            found.append(face)
    large = NVXS_SMALLEST * max(rgb.shape)
    doubtful = [spot for spot in spots if max(spot.box[2:]) >= large]
    if found or not doubtful:
        return found
    seen = [face for face in by_nvxs(rgb) if any(is_same(face.box, spot.box) for spot in doubtful)]
    return [_with_spot(face, doubtful) for face in seen]


def _with_spot(face: Face, spots: list[Face]) -> Face:
    """A face of another detector with what points knows of it, if points sees it, too."""
    same = [spot for spot in spots if overlap(face.box, spot.box) >= SAME]
    if not same:
        return face
    spot = max(same, key=lambda spot: spot.score)
    score = 1 - (1 - face.score) * (1 - spot.score)
    return replace(face, score=score, landmarks=face.landmarks or spot.landmarks)


def _with_landmarks_of_nvxs(rgb: Pixels, search: Search, by_nvxs: Search) -> list[Face]:
    """What a search finds, with the landmarks of nvxs, which are better, where nvxs sees the face."""
    faces = search(rgb)
    seen = by_nvxs(rgb) if faces else []
    for at, face in enumerate(faces):
        same = (each for each in seen if overlap(face.box, each.box) >= SAME)
        best = max(same, key=lambda each: each.score, default=face)
        faces[at] = replace(face, landmarks=best.landmarks)
    return faces


def _points_alone(rgb: Pixels) -> list[Face]:
    faces = [_seen_thrice(rgb, face) for face in hits_of_points(rgb)]
    return [face for face in faces if face.score >= SURE]
