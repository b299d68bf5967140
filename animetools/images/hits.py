"""What each of the three detectors finds in a picture: faces, with scores that can be compared.

Each shrinks the picture to a fixed size: that is faster, finds large faces that it would miss, and
gives fewer false positives.
"""

import math

import cv2
import numpy as np

from animetools.images import nvxs, points
from animetools.images.cascade import classifier
from animetools.images.face import Face, is_same, ranked
from animetools.images.nvxs import Pixels
from animetools.images.view import View

LBP_WINDOW = 24  # the side of the smallest face that the cascade finds
LBP_NEIGHBORS = 5
LBP_LONGEST = 1024
# Windows of a face vary in size. Those below this share of the smallest face that is kept do not
# matter: in 72 pictures they change no face of 64, 128 or 250 px.
LBP_ROOM = 0.6
NVXS_LONGEST = 4096  # the library sums pixels in float32, which is too coarse for larger pictures
NVXS_SMALL_LONGEST = 384
NVXS_SIDE = 1.25  # of a face's box, in sides of nvxs's window
POINTS_LONGEST = (448, 224)  # the network knows faces of 11 to 180 px: small ones, and large ones
POINTS_LEAST = 0.5  # likelihood
# The log odds that a hit is a face: slope and intercept, by logistic regression on the hits in 72
# real and 150 drawn pictures with known faces (216 of 240 hits of lbp are right, 592 of 608 of nvxs).
LBP_ODDS = (4.65, -5.59)  # of the logarithm of the number of neighboring windows
NVXS_ODDS = (0.55, 0.43)  # of nvxs's own log odds
# Of points's own log odds. Regression on 261 hits in other pictures gives 4.7 and -2.5; this doubts more.
POINTS_ODDS = (4.0, -2.5)
SUREST = 1e-5  # nvxs's likelihood is clipped this far from 0 and 1, about float32's resolution

# There are enough workers already, and one thread gives the hits in a fixed order.
cv2.setNumThreads(1)


def hits_of_lbp(
    rgb: Pixels, *, cascade: str, equalize: bool = False, smallest: int = 0
) -> list[Face]:
    """The faces of rgb uint8 [H, W, 3]; those with a side below `smallest` may be left out."""
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


def hits_of_nvxs(rgb: Pixels, *, longest: int) -> list[Face]:
    """The faces of rgb uint8 [H, W, 3], shrunk to this longer side."""
    view = View.of(_grey(rgb), longest)
    faces = []
    for hit in nvxs.detect(view.pixels):
        x, y, side, _ = hit.face
        # The box that fits labeled faces best is larger, and further up by 7.5 %.
        box = view.box_in_source(x + 0.5 * side, y + 0.425 * side, NVXS_SIDE * side)
        if not box:
            continue
        landmarks = {name: view.point_in_source(*at) for name, at in hit.middles.items()}
        faces.append(Face(box, _nvxs_score(hit.likelihood), "nvxs", landmarks))
    return faces


def hits_of_points(
    rgb: Pixels, *, least: float = POINTS_LEAST, sizes: tuple[int, ...] = POINTS_LONGEST
) -> list[Face]:
    """The faces of rgb uint8 [H, W, 3], at least this likely, in views of these sizes."""
    found = []
    for longest in dict.fromkeys(min(size, max(rgb.shape)) for size in sizes):
        view = View.of(rgb, longest)
        for spot in points.detect(view.pixels, least):
            # The box that fits labeled faces best.
            box = view.box_in_source(spot.x, spot.y, spot.side)
            if box:
                marks = {name: view.point_in_source(*at) for name, at in spot.landmarks.items()}
                found.append(Face(box, points_score(spot.likelihood), "points", marks))
    kept: list[Face] = []
    for face in ranked(found):
        if not any(is_same(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def _lbp_score(neighbors: int) -> float:
    return probability(LBP_ODDS, math.log(neighbors))


def _nvxs_score(likelihood: float) -> float:
    return probability(NVXS_ODDS, log_odds(min(max(likelihood, SUREST), 1 - SUREST)))


def points_score(likelihood: float) -> float:
    """The score of a face to which points gives this likelihood."""
    return probability(POINTS_ODDS, log_odds(likelihood))


def log_odds(likelihood: float) -> float:
    """The logarithm of p / (1 - p)."""
    return math.log(likelihood / (1 - likelihood))


def probability(odds: tuple[float, float], evidence: float) -> float:
    """The probability by a slope and an intercept (see the _ODDS)."""
    slope, intercept = odds
    return 1 / (1 + math.exp(-(intercept + slope * evidence)))


def _grey(rgb: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
