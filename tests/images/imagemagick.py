"""What ImageMagick makes of a picture.

    python -m tests.images.imagemagick

writes tests/golden/augment.npz with the convert on the PATH; the one there is by 6.9.11-60 Q16.
"""

import shutil
import subprocess
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.conftest import ROOT

GOLDEN = ROOT / "tests/golden/augment.npz"


def _imagemagick() -> str | None:
    """Its program, unless something else is called convert."""
    path = shutil.which("convert")
    if not path:
        return None
    done = subprocess.run([path, "-version"], capture_output=True, text=True)
    return path if "Version: ImageMagick" in done.stdout else None


CONVERT = _imagemagick()

# The article has "-deskew 50", of 65,535 levels: hardly any pixel is so dark, and nothing is turned. Its
# contraster, "+level 5%", gives the same as its lesscontrast.
OPTIONS = {
    "deskew": "-deskew 50%",
    "horizstretch": "-resize 110%x100%",
    "vertstretch": "-resize 100%x110%",
    "midnight": "-blue-shift 1.1",
    "red": "-fill red -colorize 5%",
    "orange": "-fill orange -colorize 5%",
    "yellow": "-fill yellow -colorize 5%",
    "green": "-fill green -colorize 5%",
    "blue": "-fill blue -colorize 5%",
    "purple": "-fill purple -colorize 5%",
    "blur": "-adaptive-blur 3x2",
    "sharpen": "-adaptive-sharpen 4x2",
    "brighter": "-brightness-contrast 10",
    "brightercontraster": "-brightness-contrast 10x10",
    "darker": "-brightness-contrast -10",
    "darkerlesscontrast": "-brightness-contrast -10x10",
    "contraster": "-level 5%",
    "lesscontrast": "+level 5%",
}


def convert(pixels: NDArray[np.uint8], options: str) -> NDArray[np.uint16]:
    """The picture, uint8 [H, W, 3], after `options`: 16 bits, as ImageMagick computes."""
    assert CONVERT
    height, width = pixels.shape[:2]
    line = [CONVERT, "-size", f"{width}x{height}", "-depth", "8", "rgb:-", *options.split()]
    line += ["-depth", "16", "-type", "TrueColor", "PNG48:-"]
    png = subprocess.run(line, input=pixels.tobytes(), capture_output=True, check=True).stdout
    levels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)
    return np.asarray(levels, np.uint16)


def drawn(width: int = 44, height: int = 32) -> NDArray[np.uint8]:
    """A shaded ellipse with outlines and a few lines that are not level."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([150 + 2 * x, 255 - 3 * y, 120 + x + y], axis=-1).astype(np.uint8)
    middle, axes = (width // 2, height // 2), (width // 4, height // 3)
    cv2.ellipse(pixels, middle, axes, 20, 0, 360, (250, 214, 190), -1, cv2.LINE_AA)
    cv2.ellipse(pixels, middle, axes, 20, 0, 360, (40, 20, 30), 1, cv2.LINE_AA)
    for row in (6, 11, height - 6):
        cv2.line(pixels, (2, row), (width - 3, row - 3), (0, 0, 60), 1, cv2.LINE_AA)
    return pixels


if __name__ == "__main__":
    pixels = drawn()
    made: dict[str, Any] = {name: convert(pixels, options) for name, options in OPTIONS.items()}
    np.savez_compressed(GOLDEN, picture=pixels, **made)
