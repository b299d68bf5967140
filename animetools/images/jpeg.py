"""How strongly a JPEG was compressed."""

from contextlib import suppress
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from animetools.images.errors import ImageError
from animetools.images.opening import opened

# ITU-T T.81, annex K.1: example quantization tables of luminance, then of chrominance.
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
    """The quality, 1 to 100, at which libjpeg makes this file's quantization tables.

    Exact for files written with libjpeg (Pillow, OpenCV, ImageMagick); for other tables, the nearest
    one. None if the file is not a JPEG or has no tables.
    """
    tables: list[list[int]] = []
    with suppress(ImageError), opened(data) as image:
        if isinstance(image, JpegImageFile):
            brightness, *others = (layer[3] for layer in image.layer)
            # If all are the same (grey, CMYK, RGB) there is no chrominance table.
            used = [brightness, *({*others} - {brightness})][:2]
            tables = [image.quantization[number] for number in used]
    if not tables:
        return None
    # Compared by ratio, not difference; each step weighted by how visible it is.
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
