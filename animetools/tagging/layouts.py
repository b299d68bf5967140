"""The two layouts of other people's taggers: how they take a picture, and name their outputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from animetools.tagging.names import Names, read_csv, read_txt

Pixels = NDArray[np.uint8]


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

    The filter is Pillow's, whose support grows as a picture shrinks, as in the author's program.
    The white beside the picture is added after the first of its two passes, so a long strip never
    becomes a large square.
    """
    tall, wide = rgb.shape[:2]
    side = max(tall, wide)
    image = Image.fromarray(rgb)
    if tall < wide:
        image = _squared(_scaled(image, width, tall), width, side)
    elif wide < tall:
        image = _squared(_scaled(image, wide, height), side, height)
    return np.ascontiguousarray(np.asarray(_scaled(image, width, height))[..., ::-1])


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


def _scaled(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _squared(image: Image.Image, width: int, height: int) -> Image.Image:
    """The image in the middle of a white one of that size."""
    canvas = Image.new("RGB", (width, height), "white")
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas
