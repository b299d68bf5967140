"""The two layouts of other people's taggers: how they take a picture, and name their outputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from animetools.tagging.names import Names, read_csv, read_txt

Pixels = NDArray[np.uint8]

LARGEST_SIDE = 8192  # of a picture; a larger one is averaged down first
STRIP = 1 << 22  # pixels that are padded at once


@dataclass(frozen=True)
class Layout:
    """A family of taggers.

    `file` is the list of tags beside its model; its extension tells the layouts apart. `prepare`
    makes a picture uint8 [H, W, 3] in RGB to one of so many pixels in height and width, and `scale`
    the numbers that the network takes from that. `thresholds` are the usual ones by category,
    0.5 where there is none.
    """

    family: str
    file: str
    read: Callable[[str], Names]
    prepare: Callable[[Pixels, int, int], Pixels]
    scale: float
    thresholds: Mapping[str, float]


def prepare_wd(rgb: Pixels, height: int, width: int) -> Pixels:
    """The picture in the middle of a white square, scaled bicubically, in BGR.

    The filter is Pillow's, whose support grows as a picture shrinks, as in the author's program. Its
    two passes are made one after the other, and the first one in strips: the square may be large.
    """
    if max(rgb.shape) > LARGEST_SIDE:
        rgb = np.asarray(Image.fromarray(rgb).reduce(-(-max(rgb.shape) // LARGEST_SIDE)))
    tall, wide = rgb.shape[:2]
    side = max(tall, wide)
    rows = max(1, STRIP // side)
    strips = [
        _scaled(_centered(rgb[top : top + rows], side), width) for top in range(0, tall, rows)
    ]
    narrow = np.concatenate(strips).swapaxes(0, 1)
    small = _scaled(_centered(narrow, side), height).swapaxes(0, 1)
    return np.ascontiguousarray(small[..., ::-1])


def prepare_deepdanbooru(rgb: Pixels, height: int, width: int) -> Pixels:
    """The picture scaled to fit and centered; the rest repeats its edges. In RGB."""
    tall, wide = rgb.shape[:2]
    scale = min(width / wide, height / tall)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(rgb, size, interpolation=smooth)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    right, bottom = width - size[0] - left, height - size[1] - top
    edged = cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(edged, np.uint8)


LAYOUTS = (
    Layout(
        "a WD tagger",
        "selected_tags.csv",
        read_csv,
        prepare_wd,
        1.0,
        {"general": 0.35, "character": 0.85},
    ),
    Layout(
        "DeepDanbooru",
        "tags.txt",
        read_txt,
        prepare_deepdanbooru,
        1 / 255,
        {},
    ),
)


def _scaled(rows: Pixels, width: int) -> Pixels:
    """Rows of pixels, scaled to a width."""
    image = Image.fromarray(np.ascontiguousarray(rows))
    return np.asarray(image.resize((width, image.height), Image.Resampling.BICUBIC))


def _centered(rows: Pixels, width: int) -> Pixels:
    """Rows of pixels in the middle of white ones of that width."""
    left = (width - rows.shape[1]) // 2
    right = width - rows.shape[1] - left
    return np.pad(rows, ((0, 0), (left, right), (0, 0)), constant_values=255)
