"""The face detector that ships: a small convolutional network, run by OpenCV.

It was trained on drawn pictures alone (examples/train-detector.sh, docs/default-detector.md). Every cell of
a grid over the picture says whether it is the middle of a face, and if so how large the face is
and where its eyes, nose and mouth are, at any tilt.
"""

import math
import os
import threading
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.images.nvxs import Box, Pixels

SHIPPED = os.path.join(os.path.dirname(__file__), "points.onnx")

STRIDE = 8  # pixels of a cell
MULTIPLE = 64  # pictures are padded to a multiple of this
UNIT = 32.0  # pixels: the side of a face of size 0; a size is the logarithm of the ratio to it
LARGEST = math.log(1024)  # of a size: what is beyond it is not a face
# The look at a known face for its landmarks: a square of this many pixels, with so much room around the
# box, in box widths. The network underestimates a tilt: by half in 12 drawn portraits at 15 to 45
# degrees. So the face is turned back by twice what it says, until its eyes are level.
LOOK = 160
ROOM = 0.5
GAIN = 2.0
LOOKS = 4
MOST_TURNED = 75  # degrees
FAINT = 0.1  # likelihood

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth")  # the character's own left

_own = threading.local()


@dataclass(frozen=True)
class Spot:
    """A face in pixels of the picture that was searched: middle and side of its square.

    `likelihood` 0 to 1; `landmarks` by name.
    """

    likelihood: float
    x: float
    y: float
    side: float
    landmarks: dict[str, tuple[float, float]]


def detect(rgb: Pixels, least: float) -> list[Spot]:
    """The faces of a picture uint8 [H, W, 3] with at least this likelihood, the highest first.

    One face may be found more than once.
    """
    high, wide = rgb.shape[:2]
    padded = cv2.copyMakeBorder(
        rgb, 0, -high % MULTIPLE, 0, -wide % MULTIPLE, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )
    network = _network()
    network.setInput(padded.transpose(2, 0, 1)[None].astype(np.float32))
    return spots(np.asarray(network.forward()[0], np.float32), least)


def landmarks_of(rgb: Pixels, box: Box) -> dict[str, tuple[float, float]] | None:
    """The landmarks of the face in a box of a picture uint8 [H, W, 3], or None if there is none."""
    x, y, wide, high = box
    side = max(wide, high) * (1 + 2 * ROOM)
    middle, scale = np.array([x + wide / 2, y + high / 2]), LOOK / side
    # Sampling at half of the size and less would skip pixels.
    shrink = min(1.0, 2 * scale)
    left, top = np.maximum(0, (middle - side).astype(int))
    near = rgb[top : int(middle[1] + side) + 1, left : int(middle[0] + side) + 1]
    if min(near.shape[:2]) * shrink < 1:  # a strip, which shows no face
        return None
    near = np.asarray(cv2.resize(near, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
    middle, scale, turn = (middle - (left, top)) * shrink, scale / shrink, 0.0
    found: dict[str, tuple[float, float]] | None = None
    for _ in range(LOOKS):
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        linear = scale * np.array([(cosine, sine), (-sine, cosine)])
        matrix = np.column_stack([linear, LOOK / 2 - linear @ middle])
        look = cv2.warpAffine(near, matrix, (LOOK, LOOK), borderValue=(255, 255, 255))
        central = [spot for spot in detect(np.asarray(look, np.uint8), FAINT) if _is_central(spot)]
        if not central:
            break
        marks = {name: np.array(at) for name, at in central[0].landmarks.items()}
        back = np.linalg.inv(linear)
        found = {}
        for name, at in marks.items():
            across, down = (back @ (at - LOOK / 2) + middle) / shrink + (left, top)
            found[name] = (float(across), float(down))
        along = marks["left_eye"] - marks["right_eye"]
        more = GAIN * math.degrees(math.atan2(along[1], along[0]))
        turn = min(max(turn + more, -MOST_TURNED), MOST_TURNED)
    return found


def _is_central(spot: Spot) -> bool:
    return max(abs(spot.x - LOOK / 2), abs(spot.y - LOOK / 2)) < LOOK / 6


def spots(cells: NDArray[np.float32], least: float) -> list[Spot]:
    """What a network's output [12, rows, columns] says."""
    logits = np.ascontiguousarray(cells[0])
    peaks = (logits == cv2.dilate(logits, np.ones((3, 3)))) & (
        logits >= math.log(least / (1 - least))
    )
    found = []
    for row, column in zip(*np.nonzero(peaks), strict=True):
        across, down, size, *marks = cells[1:, row, column].astype(float).tolist()
        side = UNIT * math.exp(min(size, LARGEST))
        x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
        pairs = zip(LANDMARKS, marks[::2], marks[1::2], strict=True)
        landmarks = {name: (x + side * u, y + side * v) for name, u, v in pairs}
        likelihood = 1 / (1 + math.exp(-float(logits[row, column])))
        found.append(Spot(likelihood, x + side * across, y + side * down, side, landmarks))
    return sorted(found, key=lambda spot: -spot.likelihood)


def _network() -> cv2.dnn.Net:
    """This thread's own network; one keeps the state of a run inside it."""
    if not hasattr(_own, "network"):
        _own.network = cv2.dnn.readNetFromONNX(SHIPPED)
    network: cv2.dnn.Net = _own.network
    return network
