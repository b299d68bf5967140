"""AnimeFace-2009: nagadomi's libnvxs from the wheel `animeface`, called on numpy arrays.

The wheel's own binding passes Pillow's C structures to the library and, under Pillow 12 and later,
silently finds nothing. The shared library needs only the C library, so it is loaded with ctypes and
given float32 arrays; `animeface` is never imported. Calls may run in parallel threads (the library is
re-entrant and ctypes releases the GIL); one needs about 330 KB of C stack.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from importlib import metadata

import cv2
import numpy as np
import numpy.typing as npt

from animetools.errors import FatalError

Pixels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
Point = tuple[int, int]

SMALLEST_SIDE = 57  # of an image; windows are at least 42.592 px and at most 75 % of it

# The wheel's settings. The library merges only the first ROOM candidates, so that number is large; a
# larger smallest window would also make the largest one smaller.
ROOM = 4096
EDGE_LEVEL = 4.0
STEP = 4.0
SCALE_FACTOR = 1.095
SMALLEST_WINDOW = 42.592


@dataclass(frozen=True)
class Hit:
    """One face as the library returns it, in pixels of the image that was searched.

    The window of `face` spans brows to mouth, less than the head. The left eye is the character's
    own left one, on the viewer's right.
    """

    likelihood: float
    face: Box
    left_eye: Box
    right_eye: Box
    nose: Point
    mouth: Box
    chin: Point

    @property
    def middles(self) -> dict[str, tuple[float, float]]:
        """The center of every part of the face, by name."""
        areas = {"left_eye": self.left_eye, "right_eye": self.right_eye, "mouth": self.mouth}
        middles = {name: (x + w / 2, y + h / 2) for name, (x, y, w, h) in areas.items()}
        return middles | {"nose": self.nose, "chin": self.chin}


class _Matrix(ctypes.Structure):
    """nv_matrix_t: channel k of pixel (r, c) is v[(r * cols + c) * step + k]."""

    _fields_ = [
        ("list", ctypes.c_int),
        ("list_step", ctypes.c_uint),
        ("n", ctypes.c_int),
        ("m", ctypes.c_int),
        ("rows", ctypes.c_int),
        ("cols", ctypes.c_int),
        ("step", ctypes.c_int),
        ("alias", ctypes.c_int),
        ("v", ctypes.c_void_p),
    ]


class _Rect(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "width", "height")]


_MATRIX = ctypes.POINTER(_Matrix)


def is_installed() -> bool:
    """Whether the library is installed in this Python environment."""
    return _path() is not None


def detect(grey: Pixels) -> list[Hit]:
    """The faces in one picture, in the library's own order.

    grey uint8 [H, W]. Windows run from 42.6 px to 75 % of the short side, so an image whose short
    side is below 57 px has no face. The boxes are the same as the wheel's binding gives.

    Raises FatalError if the library is missing or does not work.
    """
    return _detect(load(), grey)


def _path() -> str | None:
    try:
        files = metadata.files("animeface") or []
    except metadata.PackageNotFoundError:
        return None
    return next((str(file.locate()) for file in files if "libnvxs" in file.name), None)


@cache
def load() -> ctypes.CDLL:
    """The library, with its argument types declared and tested on a drawn face.

    Raises FatalError as detect does.
    """
    path = _path()
    if path is None:
        raise FatalError(
            "the nvxs detector is not installed: pip install animeface==2.0.3, "
            "or choose --detector lbp if there is no wheel for this machine"
        )
    try:
        library = ctypes.CDLL(path)
        library.nv_gaussian5x5.argtypes = [_MATRIX, ctypes.c_int, _MATRIX, ctypes.c_int]
        library.nv_laplacian1.argtypes = [_MATRIX, _MATRIX, ctypes.c_float]
        library.nv_integral.argtypes = [_MATRIX, _MATRIX, ctypes.c_int]
        library.nv_face_detect.argtypes = [
            ctypes.c_void_p,  # the faces found
            ctypes.c_int,
            _MATRIX,
            _MATRIX,
            ctypes.POINTER(_Rect),
            ctypes.c_void_p,  # networks: direction, first, the array of second ones, parts
            ctypes.c_void_p,
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_float,
            ctypes.c_float,
            ctypes.c_float,
        ]
        hits = _detect(library, drawn_face())
    except (OSError, AttributeError, ValueError) as why:
        raise FatalError(f"the nvxs detector cannot be used: {why}") from why
    if not any(_is_drawn_face(hit) for hit in hits):
        raise FatalError(
            f"the nvxs detector does not work here: {path} does not find a drawn face; "
            "reinstall animeface==2.0.3, or choose --detector lbp"
        )
    return library


def _detect(library: ctypes.CDLL, grey: Pixels) -> list[Hit]:
    height, width = grey.shape
    if min(height, width) < SMALLEST_SIDE:
        return []
    plane = np.ascontiguousarray(grey, dtype=np.float32)
    smooth = np.empty_like(plane)
    edges = np.empty_like(plane)
    grey_sums = np.empty((height + 1, width + 1), np.float32)
    edge_sums = np.empty((height + 1, width + 1), np.float32)
    found = np.zeros((ROOM, 25), np.int32)

    library.nv_gaussian5x5(_matrix(smooth), 0, _matrix(plane), 0)
    library.nv_laplacian1(_matrix(edges), _matrix(smooth), EDGE_LEVEL)
    library.nv_integral(_matrix(grey_sums), _matrix(plane), 0)
    library.nv_integral(_matrix(edge_sums), _matrix(edges), 0)
    second = (ctypes.c_void_p * 2)(
        _network(library, "nv_face_mlp_face_01"), _network(library, "nv_face_mlp_face_02")
    )
    count = library.nv_face_detect(
        found.ctypes.data,
        ROOM,
        _matrix(grey_sums),
        _matrix(edge_sums),
        _Rect(0, 0, width, height),
        _network(library, "nv_face_mlp_dir"),
        _network(library, "nv_face_mlp_face_00"),
        second,
        len(second),
        _network(library, "nv_face_mlp_parts"),
        STEP,
        SCALE_FACTOR,
        SMALLEST_WINDOW,
    )
    return [_hit(row) for row in found[:count]]


def drawn_face() -> Pixels:
    """A face made of ovals that the library finds with a likelihood of 0.999, for its self-test.

    Returns uint8 [96, 96].
    """
    canvas = np.full((768, 768), 255, np.uint8)

    def oval(x: int, y: int, wide: int, high: int, grey: int) -> None:
        cv2.ellipse(canvas, (x, y), (wide, high), 0, 0, 360, grey, cv2.FILLED)

    def arc(x: int, y: int, wide: int, high: int, start: int, stop: int, thickness: int) -> None:
        cv2.ellipse(canvas, (x, y), (wide, high), 0, start, stop, 20, thickness)

    oval(384, 340, 348, 310, grey=121)  # hair
    oval(384, 430, 229, 259, grey=231)  # face
    oval(384, 242, 249, 120, grey=121)  # fringe
    for x in (248, 520):
        oval(x, 416, 53, 88, grey=255)
        oval(x, 416, 42, 84, grey=84)
        oval(x, 424, 21, 48, grey=10)
        oval(x - 15, 394, 17, 20, grey=255)
        arc(x, 416, 61, 97, start=190, stop=350, thickness=23)  # lashes
    oval(384, 502, 6, 6, grey=140)
    arc(384, 562, 46, 20, start=10, stop=170, thickness=10)
    return cv2.resize(canvas, (96, 96), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _is_drawn_face(hit: Hit) -> bool:
    """Whether a hit is the drawn face; other processors may round differently."""
    x, y, width, height = hit.face
    center_is_near = abs(x + width / 2 - 50) < 12 and abs(y + height / 2 - 52) < 12
    eyes_stand_apart = hit.left_eye[0] - hit.right_eye[0] > 12
    return 45 <= width <= 75 and center_is_near and eyes_stand_apart


def _matrix(plane: npt.NDArray[np.float32]) -> _Matrix:
    """The library's view of a C-contiguous [H, W] array, which must outlive the call."""
    rows, columns = plane.shape
    return _Matrix(1, plane.size, 1, plane.size, rows, columns, 1, 0, plane.ctypes.data)


def _network(library: ctypes.CDLL, name: str) -> int:
    """The address of one of the library's networks, which are structs, not pointers."""
    return ctypes.addressof(ctypes.c_char.in_dll(library, name))


def _hit(words: npt.NDArray[np.int32]) -> Hit:
    """One nv_face_t: the likelihood, then the rectangles of six parts, 4 bytes a word."""
    likelihood = float(words[:1].view(np.float32)[0])
    face, left_eye, right_eye, nose, mouth, chin = (
        (x, y, w, h) for x, y, w, h in words[1:].reshape(6, 4).tolist()
    )
    return Hit(likelihood, face, left_eye, right_eye, nose[:2], mouth, chin[:2])
