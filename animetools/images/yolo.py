"""Other people's detectors in the layout of YOLOv8, from ONNX files.

The input is one picture [1, 3, H, W], rgb from 0 to 1; the output [1, 4 + classes, anchors] holds the middle,
width and height of each box in pixels of the input, then a probability per class. Exporters of Ultralytics
write the names of the classes and the size into the file.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.download import sha256_of
from animetools.errors import FatalError
from animetools.images.face import Face
from animetools.images.nvxs import Box, Pixels
from animetools.images.pieces import in_pieces
from animetools.netfiles.onnx_session import OnnxError, open_session
from animetools.tags import Subject

# Words in the names of the classes that show a subject, the best first. One counts at the end of a word
# (animeface, hands; no handbag), and of several the last (human_face).
WORDS: dict[Subject, tuple[str, ...]] = {
    "face": ("face", "head"),
    "figure": ("person", "figure", "character", "body", "human"),
    "hand": ("hand", "palm"),
}
LEAST = 0.3  # probability
SAME = 0.5  # of one class, boxes that overlap more (intersection over union) are of one object
USUAL_SIDE = 640  # of a picture for a network that takes any size
MULTIPLE = 32  # of pixels, for such a network
SIDES = (32, 2048)
MOST_CLASSES = 80
MOST_ANCHORS = 1 << 18  # of 2048 x 2048 pixels there are 86,016
MOST_BOXES = 3000  # the most likely ones; the time to compare them grows with their square
MOST_TEXT = 1 << 16  # characters of the classes' names
GREY = (114, 114, 114)  # what surrounds the picture, as in training
SLACK = 1e-3  # of a probability: float16 rounds
NUMBERS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

Values = NDArray[np.float32]


@dataclass(frozen=True)
class YoloDetector:
    """Finds what a file was trained for; may be pickled, and used by several threads."""

    path: str
    subject: Subject
    searched: str  # tells files and subjects apart
    found: str = ""

    def __call__(self, rgb: Pixels) -> list[Face]:
        """The subjects in rgb uint8 [H, W, 3], highest score first.

        Raises FatalError, one sentence, if the network fails or returns something else.
        """
        find = _model(self.path, self.subject).find
        # A piece may cut a figure anywhere.
        return find(rgb) if self.subject == "figure" else in_pieces(rgb, find)


def choose_yolo(path: str, subject: Subject) -> YoloDetector:
    """The detector of an ONNX file, checked.

    Raises FatalError, one sentence, if the file cannot be used, or does not know the subject.
    """
    _model(path, subject)
    return YoloDetector(path, subject, f"onnx {sha256_of(path)[:12]} {subject}")


@cache
def _model(path: str, subject: Subject) -> "_Model":
    return _Model(path, subject)


class _Model:
    """A network, and which of its classes are wanted."""

    def __init__(self, path: str, subject: Subject) -> None:
        self.path, self.subject = path, subject
        self.network = open_session(path, "cpu", 1, "detect")
        self._read_shapes()

    def find(self, rgb: Pixels) -> list[Face]:
        """See YoloDetector."""
        given, scale, left, top = self._letterboxed(rgb)
        found = self._run(given)
        classes = self._wanted(len(found) - 4)
        scores = found[4:][classes].max(0)
        likely = np.argsort(-scores, kind="stable")[:MOST_BOXES]
        likely = likely[(scores[likely] >= LEAST) & (found[2:4, likely] > 0).all(0)]
        x, y, wide, high = found[:4, likely].astype(np.float64)
        corners = np.stack([x - wide / 2 - left, y - high / 2 - top, wide, high], 1) / scale
        # What an oversized box covers of the picture is all that counts.
        corners = np.clip(corners, -1e6, 1e6)
        kept = cv2.dnn.NMSBoxes(corners.tolist(), scores[likely].tolist(), LEAST, SAME)
        faces = []
        for n in np.asarray(kept, int).ravel():
            box = _inside(corners[n], rgb.shape)
            if box:
                faces.append(Face(box, float(min(scores[likely[n]], 1)), "onnx"))
        return sorted(faces, key=lambda face: (-face.score, face.box))

    def _letterboxed(self, rgb: Pixels) -> tuple[Values, float, int, int]:
        """The picture [1, 3, H, W] in a grey frame, its scale, and where it begins."""
        high, wide = rgb.shape[:2]
        height, width = self.size or (self.side, self.side)
        scale = min(height / high, width / wide)
        h, w = max(1, round(high * scale)), max(1, round(wide * scale))
        if not self.size:
            height, width = (-(-side // MULTIPLE) * MULTIPLE for side in (h, w))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(rgb, (w, h), interpolation=how)
        left, top = (width - w) // 2, (height - h) // 2
        framed = cv2.copyMakeBorder(
            small, top, height - h - top, left, width - w - left, cv2.BORDER_CONSTANT, value=GREY
        )
        given = framed.transpose(2, 0, 1)[None] / np.float32(255)
        return np.ascontiguousarray(given, self.dtype), scale, left, top

    def _run(self, given: Values) -> Values:
        """The output [4 + classes, anchors]."""
        try:
            found = self.network.run(given)
        except MemoryError:
            raise FatalError(f"{self.path}: not enough memory: try fewer --jobs") from None
        except OnnxError as why:
            raise FatalError(f"{self.path} cannot be run: {why}") from why
        if not isinstance(found, np.ndarray) or found.dtype not in NUMBERS.values():
            raise FatalError(f"{self.path} does not return float32 or float16")
        self._check_output(found.shape)
        values = np.asarray(found[0], np.float32)
        if not np.isfinite(values).all():
            raise FatalError(f"{self.path} returns values that are not numbers")
        wrong = values[4:][abs(values[4:] - 0.5) > 0.5 + SLACK]
        if wrong.size:
            raise FatalError(
                f"{self.path} returns {wrong[0]:.3g}, not a probability from 0 to 1: it is not in"
                " the layout of YOLOv8, or lacks the sigmoid at its end"
            )
        return values

    def _read_shapes(self) -> None:
        inputs, outputs = self.network.inputs, self.network.outputs
        if (len(inputs), len(outputs)) != (1, 1):
            raise FatalError(
                f"{self.path} has {len(inputs)} inputs and {len(outputs)} outputs, not one each as"
                " YOLOv8 has"
            )
        shape = _sizes(inputs[0].shape)
        is_image = len(shape) == 4 and shape[0] in (0, 1) and shape[1] in (0, 3)
        if inputs[0].type not in NUMBERS or not is_image or (shape[2] == 0) != (shape[3] == 0):
            raise FatalError(
                f"{self.path} takes {inputs[0].type} {_shown(shape)}, not a picture as YOLOv8 does:"
                " tensor(float) [1, 3, height, width]"
            )
        self.dtype = NUMBERS[inputs[0].type]
        self.names = _names_of(self.network.texts)
        self.side = _side_of(self.network.texts)
        self.size = (shape[2], shape[3]) if shape[2] else None
        if self.size and not SIDES[0] <= min(self.size) <= max(self.size) <= SIDES[1]:
            raise FatalError(
                f"{self.path} takes pictures of {shape[3]}x{shape[2]} pixels; a side is"
                f" {SIDES[0]} to {SIDES[1]}"
            )
        known = outputs[0].shape
        if known:
            self._check_output(_sizes(known))
        if self.names:
            self._wanted(len(self.names))

    def _check_output(self, shape: tuple[int, ...]) -> None:
        """Raise FatalError for a shape, 0 where unknown, that is not [1, 4 + classes, anchors]."""
        fits = (
            len(shape) == 3
            and shape[0] in (0, 1)
            and (shape[1] == 0 or 5 <= shape[1] <= 4 + MOST_CLASSES)
            and shape[2] <= MOST_ANCHORS
        )
        if not fits:
            raise FatalError(
                f"{self.path} returns {_shown(shape)}, not [1, 4 + classes, anchors] as YOLOv8 does,"
                f" with 1 to {MOST_CLASSES} classes"
            )
        if self.names and shape[1] and len(self.names) != shape[1] - 4:
            raise FatalError(
                f"{self.path} returns {shape[1] - 4} classes, and has names of {len(self.names)}"
            )

    def _wanted(self, count: int) -> list[int]:
        """Which classes show the subject; the only one does whatever it is called."""
        for word in WORDS[self.subject]:
            fitting = [n for n, name in enumerate(self.names) if _shows(name) == word]
            if fitting:
                return fitting
        if count == 1 and not any(map(_shows, self.names)):
            return [0]
        shown = ", ".join(self.names[:8]) or f"{count} without names"
        raise FatalError(f"{self.path} does not find a {self.subject}: its classes are {shown}")


def _shows(name: str) -> str:
    """Which of the WORDS the name of a class says that it shows, if any."""
    said = re.findall(_ENDINGS, name.lower())
    return said[-1] if said else ""


_ENDINGS = rf"({'|'.join(chain.from_iterable(WORDS.values()))})s?(?![a-z])"


def _sizes(shape: Any) -> tuple[int, ...]:
    """The sizes of a shape, 0 where one is not fixed."""
    return tuple(size if isinstance(size, int) and size > 0 else 0 for size in shape)


def _shown(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(str(size or 'n') for size in shape)}]"


def _inside(corner: NDArray[np.float64], shape: tuple[int, ...]) -> Box | None:
    """A box (x, y, width, height) in whole pixels, cut at the picture's edges, if anything is left."""
    x, y, wide, high = corner.tolist()
    left, right = max(0, round(x)), min(shape[1], round(x + wide))
    top, low = max(0, round(y)), min(shape[0], round(y + high))
    if left >= right or top >= low:
        return None
    return left, top, right - left, low - top


def _names_of(texts: Mapping[str, str]) -> list[str]:
    """The names of the classes, from what Ultralytics writes: {0: 'face', 1: 'hand'}."""
    found = _literal(texts.get("names", ""))
    if isinstance(found, dict):
        found = [found.get(n) for n in range(len(found))]
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        return []
    return ["".join(c if c.isprintable() else "?" for c in name[:40]) for name in found]


def _side_of(texts: Mapping[str, str]) -> int:
    """The longest side of a picture, for a network that takes any size."""
    found = _literal(texts.get("imgsz", ""))
    sides = found if isinstance(found, list) else [found]
    if sides and all(isinstance(side, int) and SIDES[0] <= side <= SIDES[1] for side in sides):
        return int(-(-max(sides) // MULTIPLE) * MULTIPLE)
    return USUAL_SIDE


def _literal(text: str) -> Any:
    """A Python literal, or None."""
    if len(text) > MOST_TEXT:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
