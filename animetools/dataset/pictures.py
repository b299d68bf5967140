"""How every format is read: as planes of pixels; image files are measured by their headers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.dataset.identity import Fingerprints
from animetools.dataset.members import Shape
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


class Reader(Protocol):
    """A dataset of some format: its pictures by their numbers; any number of threads may read."""

    path: str
    mtime: int  # when it was finished, in nanoseconds

    def __len__(self) -> int:
        """The number of pictures."""

    def name(self, index: int) -> str:
        """The name of a picture."""

    def shape(self, index: int) -> Shape:
        """The shape of a picture by its header; raises ItemError or OSError if unknown."""

    def pixels(self, index: int, shape: Shape) -> Pixels:
        """The planes of a picture of this shape, uint8 [C, H, W]; raises ItemError or OSError."""

    def checksum(self, index: int) -> int:
        """The checksum of a picture's bytes or, where that is not known, of its name."""

    def fingerprints(self) -> Fingerprints:
        """A fingerprint of each picture, wherever the dataset is stored, [N]; nothing is decoded."""

    def labels(self) -> Labels | None:
        """The labels of all pictures, or None; raises FatalError if they are malformed."""

    def labels_found(self) -> str:
        """What labels there are, in a phrase; empty if none. Raises FatalError as `labels`."""

    def files(self) -> Iterator[str]:
        """The names of all files in it, pictures or not."""

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a text file in it, cut at LONGEST_LINE bytes; none if it is not there.

        An empty file has one empty line. Raises FatalError if it cannot be read.
        """


class ImageFiles(ABC):
    """The part of a Reader that all formats share whose pictures are image files."""

    @abstractmethod
    def read(self, index: int) -> bytes:
        """The file of a picture; raises ItemError or OSError."""

    @abstractmethod
    def head(self, index: int, most: int) -> bytes:
        """The first bytes of that file; raises ItemError or OSError."""

    def shape(self, index: int) -> Shape:
        """The shape of a picture; see Reader."""
        head = self.head(index, HEAD_BYTES)
        try:
            return _measured(head)
        except ImageError:
            if len(head) < HEAD_BYTES:
                raise
        return _measured(self.read(index))

    def pixels(self, index: int, shape: Shape) -> Pixels:
        """The planes of a picture, as every command reads its colors; see Reader."""
        channels, height, width = shape
        try:
            rgb = decode_rgb(self.read(index), max_pixels=height * width)
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


def _measured(data: bytes) -> Shape:
    """Channels, height and width by the first bytes of an image file.

    Raises ImageError if they are not enough.
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
