"""Transparency: the colors under it, and how it is enlarged."""

from collections.abc import Callable

import cv2
import numpy as np

from animetools.upscaling.tiles import Pixels


def filled(pixels: Pixels, alpha: Pixels) -> Pixels:
    """The picture, with transparent pixels in the color of the nearest visible one.

    pixels [H, W, C], alpha [H, W]. The hidden colors are often black or white, and a
    network would draw them into the edges.
    """
    hidden = (alpha == 0).astype(np.uint8)
    if not hidden.any() or hidden.all():
        return pixels
    _, nearest = cv2.distanceTransformWithLabels(
        hidden, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seen = hidden == 0
    colors = np.empty((int(nearest.max()) + 1, pixels.shape[2]), pixels.dtype)
    colors[nearest[seen]] = pixels[seen]
    return colors[nearest]


def enlarged(alpha: Pixels, enlarge: Callable[[Pixels], Pixels]) -> Pixels:
    """[H, W] enlarged as `enlarge` enlarges a picture [H, W, 1].

    Pixels that are fully opaque or transparent, with all their neighbors, stay exactly so.
    """
    large = enlarge(alpha[:, :, None])[:, :, 0]
    peak = np.iinfo(alpha.dtype).max
    around = np.ones((3, 3), np.uint8)
    size = large.shape[::-1]
    for level, same in (
        (0, cv2.dilate(alpha, around) == 0),
        (peak, cv2.erode(alpha, around) == peak),
    ):
        sure = cv2.resize(same.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        large[sure > 0] = level
    return large
