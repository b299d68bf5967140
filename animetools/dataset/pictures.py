"""Image files as pictures for training: planes of one shape, measured by their headers first."""

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.dataset.folders import FolderFiles
from animetools.dataset.identity import Marks
from animetools.dataset.members import Shape
from animetools.dataset.reading import labels_of
from animetools.dataset.webdataset import TarFiles
from animetools.dataset.zips import ZipFiles
from animetools.errors import ItemError
from animetools.images.containers import MAX_PIXELS
from animetools.images.errors import ImageError, TooManyPixels
from animetools.images.files import decode_rgb
from animetools.images.opening import opened, orientation

HEAD_BYTES = 4096  # of a file: nearly always enough for its header
GREY = 4  # levels between the channels of a grey picture, which its profile may have moved

_PNG_HEADER = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_GREY_PNG = (0, 4)  # its color types without color
_GREY_MODES = ("1", "L", "LA", "I", "F")  # Pillow's, without what follows a semicolon
_QUARTER_TURNS = (5, 6, 7, 8)  # orientations of EXIF that swap width and height

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64] | NDArray[np.float32]  # class numbers [N], or vectors [N, D]


class Pictures(Protocol):
    """Pictures by their numbers; any number of threads may ask."""

    def __len__(self) -> int:
        """How many there are."""

    def name(self, index: int) -> str:
        """What a picture is called."""

    def shape(self, index: int) -> Shape:
        """What a picture says of itself; raises ItemError or OSError if nothing."""

    def read(self, index: int, shape: Shape) -> Pixels:
        """The planes of a picture, uint8 [C, H, W]; raises ItemError or OSError."""

    def marks(self) -> Marks:
        """What each is known by, wherever the dataset lies, [N]; nothing is decoded for it."""

    def labels(self) -> Labels | None:
        """The labels of all; raises FatalError if they are none."""


class Encoded:
    """The pictures in files that are images."""

    def __init__(self, files: FolderFiles | ZipFiles | TarFiles) -> None:
        self.files = files

    def __len__(self) -> int:
        """How many there are."""
        return len(self.files)

    def name(self, index: int) -> str:
        """What the file is called."""
        return self.files.name(index)

    def shape(self, index: int) -> Shape:
        """What the header says; see Pictures."""
        head = self.files.head(index, HEAD_BYTES)
        try:
            return _measured(head)
        except ImageError:
            if len(head) < HEAD_BYTES:
                raise
        return _measured(self.files.read(index))

    def read(self, index: int, shape: Shape) -> Pixels:
        """The planes of a picture, as every command reads its colors; see Pictures."""
        channels, height, width = shape
        try:
            rgb = decode_rgb(self.files.read(index), max_pixels=height * width)
        except TooManyPixels:
            raise ItemError(f"larger than {width}x{height} as the others") from None
        if rgb.shape != (height, width, 3):
            raise ItemError(f"not {width}x{height} as the others")
        if channels == 1:
            first, *others = cv2.split(rgb)
            if any(cv2.norm(first, other, cv2.NORM_INF) > GREY for other in others):
                raise ItemError("in color, and the others are grey")
            return np.asarray(first, np.uint8)[None]
        planes = np.empty(shape, np.uint8)
        cv2.split(rgb, list(planes))  # 0.1 ms at 512 px, where a transposed copy takes 0.4
        return planes

    def marks(self) -> Marks:
        """What each is known by; see Pictures."""
        return self.files.marks()

    def labels(self) -> Labels | None:
        """The labels of all; see Pictures."""
        return self.files.labels() if isinstance(self.files, TarFiles) else labels_of(self.files)


def _measured(data: bytes) -> Shape:
    """Channels, height and width by the first bytes of an image file.

    Raises ImageError if they do not tell.
    """
    if data.startswith(_PNG_HEADER) and len(data) > 25:  # Pillow takes twenty times as long
        width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
        grey = data[25] in _GREY_PNG
    else:
        with opened(data) as image:
            width, height = image.size
            if orientation(image) in _QUARTER_TURNS:
                width, height = height, width
            grey = image.mode.partition(";")[0] in _GREY_MODES
    if not 0 < width * height <= MAX_PIXELS:
        raise ImageError(f"image of {width}x{height} pixels")
    return 1 if grey else 3, height, width
