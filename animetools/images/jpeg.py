"""How strongly a JPEG was compressed."""

from contextlib import suppress
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from animetools.images.errors import ImageError
from animetools.images.opening import opened

# ITU-T T.81, annex K.1: the steps of brightness, then of color, that the eye is said to miss.
_STANDARD = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61),
        *(12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56),
        *(14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77),
        *(24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101),
        *(72, 92, 95, 98, 112, 100, 103, 99),
        *(17, 18, 24, 47, 99, 99, 99, 99),
        *(18, 21, 26, 66, 99, 99, 99, 99),
        *(24, 26, 56, 99, 99, 99, 99, 99),
        *(47, 66, 99, 99, 99, 99, 99, 99),
        *(99,) * 32,
    ]
)


def quality(data: bytes) -> int | None:
    """The quality, 1 to 100, with which the Independent JPEG Group's library makes a file's tables.

    Exact for files of that library and its heirs (Pillow, OpenCV, ImageMagick); of other programs'
    tables it is the one that comes nearest. None for what is no JPEG or has no tables.
    """
    tables: list[list[int]] = []
    with suppress(ImageError), opened(data) as image:
        if isinstance(image, JpegImageFile):
            brightness, *others = (layer[3] for layer in image.layer)
            # Where all are alike (grey, CMYK, RGB) there is no table for color.
            used = [brightness, *({*others} - {brightness})][:2]
            tables = [image.quantization[number] for number in used]
    if not tables:
        return None
    # Ratios of steps count, not differences, and each as much as the eye is said to see of it.
    found = np.log(np.clip(np.concatenate(tables), 1, 255))
    away = np.abs(_steps()[:, : len(found)] - found) @ (1 / _STANDARD[: len(found)])
    return int(away.argmin()) + 1


@cache
def _steps() -> NDArray[np.float64]:
    """The logarithms of both tables [128] at each quality [100].

    Source: libjpeg's jcparam.c, jpeg_quality_scaling and jpeg_add_quant_table.
    """
    percent = [5000 // quality if quality < 50 else 200 - 2 * quality for quality in range(1, 101)]
    steps = (np.outer(percent, _STANDARD) + 50) // 100
    return np.asarray(np.log(np.clip(steps, 1, 255)), np.float64)
