"""Whether two crops from copies of one picture show the same.

The face boxes found in two copies of a picture differ by about 3 % of a face's width. That moves the
edges in a crop, which costs half of the bits in which near-duplicates may differ. So the crops are
first aligned by their positions in the picture, and then compared cell by cell.

Measured on 306 crops of copies (JPEG 60, WebP 75, half the size, 5 % brighter, a small watermark) of
72 real pictures: 98 % pass; of the same crops with another mouth, one or two closed eyes painted in,
as sprites of visual novels have, 4 % pass.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from animetools.images.hashes import COLOR_SIDE, VIEW_SIDE, Fingerprint

_BRIGHTNESS_TOLERANCE = 24  # levels, averaged over neighboring cells
_COLOR_TOLERANCE = 16  # levels of Cr and Cb
_EXPOSURE = (0.9, 1.1)  # the whole copy may be darker or brighter by these factors

Cells = NDArray[np.float32]  # [side, side, channels]


def is_same_view(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two crops with known origins show the same where they overlap."""
    assert one.origin
    assert other.origin
    ours, theirs = (
        np.array([*origin.affine, 0, 0, 1]).reshape(3, 3) for origin in (one.origin, other.origin)
    )
    try:
        ours_to_theirs = np.linalg.solve(theirs, ours)
    except np.linalg.LinAlgError:
        return False
    light, moved, known = _overlaid(one.view, other.view, VIEW_SIDE, ours_to_theirs)
    if not known.any():
        return False
    square = float((moved[known] ** 2).sum())
    exposure = np.clip((light * moved)[known].sum() / max(square, 1), *_EXPOSURE)
    differing = np.where(known[..., None], light - exposure * moved, 0)
    if np.abs(cv2.GaussianBlur(differing, (0, 0), 1)).max() > _BRIGHTNESS_TOLERANCE:
        return False
    color, moved, known = _overlaid(one.colors, other.colors, COLOR_SIDE, ours_to_theirs)
    return bool(np.abs(color - moved)[known].max(initial=0) <= _COLOR_TOLERANCE)


def _overlaid(
    one: bytes, other: bytes, side: int, matrix: NDArray[np.float64]
) -> tuple[Cells, Cells, NDArray[np.bool_]]:
    """The cells of one, those of the other aligned with them, and a mask of where both have some.

    matrix [3, 3] maps the unit square of one to that of the other.
    """
    ours, theirs = (
        np.frombuffer(cells, np.uint8).reshape(side, side, -1).astype(np.float32)
        for cells in (one, other)
    )
    to_unit = np.array([(1, 0, 0.5), (0, 1, 0.5), (0, 0, side)]) / side  # of the center of a cell
    cells = (np.linalg.inv(to_unit) @ matrix @ to_unit)[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(theirs, cells, (side, side), flags=flags).reshape(ours.shape)
    known = cv2.warpAffine(np.ones((side, side), np.float32), cells, (side, side), flags=flags)
    return ours, np.asarray(moved, np.float32), known > 0.999
