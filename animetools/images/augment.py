"""The augmentations of "Making Anime Faces With StyleGAN", as ImageMagick does them."""

import math
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.colors import WHITE, Color
from animetools.images.adaptive import adaptive_blur, adaptive_sharpen
from animetools.images.bands import bands
from animetools.images.files import Pixels
from animetools.images.resample import rotated, stretched
from animetools.images.skew import skew
from animetools.images.variants import Variant

STRETCH = 1.1
BLUE_SHIFT = 1.1
WASH = 0.05
LEVEL = 0.05

_LEVELS: NDArray[np.float64] = np.arange(256) / 255


def augmented(pixels: Pixels, variant: Variant, background: Color = WHITE) -> Pixels:
    """A variant of uint8 [H, W, 3]; stretched and deskewed ones have another size."""
    if variant.augmentation:
        pixels = operations(background)[variant.augmentation](pixels)
    return np.ascontiguousarray(pixels[:, ::-1]) if variant.mirrored else pixels


def operations(background: Color = WHITE) -> dict[str, Callable[[Pixels], Pixels]]:
    """The augmentations by name; `background` fills the corners of a deskewed picture."""
    return {
        "deskew": partial(_deskewed, background=background),
        "horizstretch": partial(_stretched, across=STRETCH),
        "vertstretch": partial(_stretched, down=STRETCH),
        "midnight": _midnight,
        "red": partial(_washed, color=Color(255, 0, 0)),
        "orange": partial(_washed, color=Color(255, 165, 0)),
        "yellow": partial(_washed, color=Color(255, 255, 0)),
        "green": partial(_washed, color=Color(0, 128, 0)),
        "blue": partial(_washed, color=Color(0, 0, 255)),
        "purple": partial(_washed, color=Color(128, 0, 128)),
        "blur": partial(adaptive_blur, radius=3, sigma=2),
        "sharpen": partial(adaptive_sharpen, radius=4, sigma=2),
        "brighter": partial(_brightened, brightness=10),
        "brightercontraster": partial(_brightened, brightness=10, contrast=10),
        "darker": partial(_brightened, brightness=-10),
        # So the article has it, although this is more contrast.
        "darkerlesscontrast": partial(_brightened, brightness=-10, contrast=10),
        # The article's own option, +level 5%, gives what lesscontrast gives.
        "contraster": _with_more_contrast,
        "lesscontrast": _with_less_contrast,
    }


def _deskewed(pixels: Pixels, background: Color) -> Pixels:
    return rotated(pixels, skew(pixels), background)


def _stretched(pixels: Pixels, across: float = 1, down: float = 1) -> Pixels:
    height, width = pixels.shape[:2]
    return stretched(pixels, (math.floor(width * across + 0.5), math.floor(height * down + 0.5)))


def _midnight(pixels: Pixels) -> Pixels:
    """As if by moonlight: halfway to the darkest channel, then halfway to the brightest."""
    result = np.empty_like(pixels)
    for rows, _, _ in bands(len(pixels), pixels.shape[1]):
        part = pixels[rows].astype(np.float32)
        red, green, blue = cv2.split(part)
        low, high = cv2.min(cv2.min(red, green), blue), cv2.max(cv2.max(red, green), blue)
        grey = cv2.addWeighted(low, BLUE_SHIFT / 4, high, BLUE_SHIFT / 2, 0)
        shared = cv2.merge([grey] * 3)
        result[rows] = cv2.addWeighted(part, 1 / 4, shared, 1, 0, dtype=cv2.CV_8U)
    return result


def _washed(pixels: Pixels, color: Color) -> Pixels:
    levels = [(1 - WASH) * _LEVELS + WASH * channel / 255 for channel in color]
    return _mapped(pixels, np.stack(levels, axis=-1))


def _brightened(pixels: Pixels, brightness: float, contrast: float = 0) -> Pixels:
    """Change brightness and contrast, -100 to 100, along a straight line."""
    slope = math.tan((contrast / 100 + 1) * math.pi / 4)
    return _mapped(
        pixels, slope * _LEVELS + brightness / 100 + (1 - slope) * (100 - brightness) / 200
    )


def _with_more_contrast(pixels: Pixels) -> Pixels:
    return _mapped(pixels, (_LEVELS - LEVEL) / (1 - 2 * LEVEL))


def _with_less_contrast(pixels: Pixels) -> Pixels:
    return _mapped(pixels, _LEVELS * (1 - 2 * LEVEL) + LEVEL)


def _mapped(pixels: Pixels, levels: NDArray[np.float64]) -> Pixels:
    """Give each level a new one, 0 to 1: [256], or [256, 3] by channel."""
    table = np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table.reshape(1, 256, -1)), np.uint8)
