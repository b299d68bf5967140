"""Receptive field and alignment of a network that can only be run."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError
from animetools.upscaling.network import Geometry, Planes

UNITS = (64, 48, 56)  # one of them is a multiple of any window or block that networks are made of
FARTHEST = 96  # pixels; a network that looks farther is treated as looking at the whole picture
WHOLE = 512  # pixels a side up to which such a network gets the whole picture
OVERLAP = 32  # of its tiles beyond that
LENGTH, HEIGHT = 128, 32  # of the strips that are tried, at least, without borders
SPARE = 8  # pixels beyond those at which the strips showed a difference
LEVEL = 1 / 255
TOLERANCE, ROUGH_TOLERANCE = LEVEL / 16, LEVEL  # in float32 on a CPU, and with fewer bits


def measured(geometry: Geometry, run: Callable[[Planes], Planes], tolerance: float) -> Geometry:
    """The geometry of the network `run`, whose scale, border and smallest alignment are known.

    The rest is measured on strips cut out of one picture at several places. Their outputs agree, up
    to the `tolerance`, where the network does not look beyond the cut and the place is a multiple of
    the unit it works in: blocks, windows, strides, or sizes to which it pads pictures.

    Raises ItemError where `run` does.
    """
    for unit in UNITS:
        strips = _Strips(geometry, run, tolerance, unit)
        if unit % geometry.align == 0 and (reach := strips.looks(unit)) <= FARTHEST:
            break
    else:
        return replace(
            geometry, align=UNITS[0], ends=geometry.align, overlap=OVERLAP, tile=WHOLE, whole=WHOLE
        )
    if reach:
        reach += SPARE
    for align in range(geometry.align, unit + 1, geometry.align):
        if unit % align == 0 and strips.looks(align) <= reach:
            break
    ends = 1 if geometry.align == 1 and strips.are_free(align, reach) else align
    return replace(geometry, align=align, ends=ends, overlap=reach)


@dataclass(frozen=True)
class _Strips:
    """Long pictures, cut to several lengths, and as high as `unit` allows."""

    geometry: Geometry
    run: Callable[[Planes], Planes]
    tolerance: float
    unit: int

    def looks(self, align: int, rest: int = 0) -> int:
        """How many columns change if the first columns of a strip are cut off.

        These are a multiple of `align` and of no larger part of the unit, and about half of it: a
        shift that shows in any larger blocks. The whole strip ends `rest` columns after a unit, so
        that nothing is filled up there without the shift.
        """
        start = next(n for n in count(self.unit // 2) if math.gcd(n, self.unit) == align)
        end = _up(start + LENGTH + 2 * self.geometry.border, self.unit) + rest
        wrong = np.flatnonzero(self._differ((start, end), (0, end)))
        return int(wrong[-1]) + 1 if wrong.size else 0

    def are_free(self, align: int, reach: int) -> bool:
        """Whether a picture that ends beside a multiple of `align` is different only there."""
        end = _up(LENGTH + 2 * self.geometry.border, align)
        try:
            longer = self._differ((0, end), (0, end + 1))
            return self.looks(align, align - 1) <= reach and not longer[: longer.size - reach].any()
        except ItemError:  # it does not take all sizes
            return False

    def _differ(self, part: tuple[int, int], other: tuple[int, int]) -> NDArray[np.bool_]:
        """The columns that differ between two parts of a strip, from the beginning of the first."""
        height = _up(HEIGHT + 2 * self.geometry.border, self.unit)
        strip = _picture(height, max(part[1], other[1]))
        one, two = (
            self.run(np.ascontiguousarray(strip[:, :, slice(*ends)])) for ends in (part, other)
        )
        two = two[:, :, (part[0] - other[0]) * self.geometry.scale :]
        width = min(one.shape[2], two.shape[2])
        columns = abs(one[:, :, :width] - two[:, :, :width]).max((0, 1))
        return np.asarray(columns.reshape(-1, self.geometry.scale).max(1) > self.tolerance)


def _up(length: int, unit: int) -> int:
    return -(-length // unit) * unit


def _picture(height: int, width: int) -> Planes:
    """Noise at all scales from 1 to 64 pixels, in 0..1, since a network may react to any of them.

    Its beginning is brighter, so that the mean of the picture changes without it.
    """
    rng = np.random.default_rng(0)
    total = np.zeros((3, height, width), np.float32)
    for size in (1, 2, 4, 8, 16, 32, 64):
        noise = rng.random((3, height // size + 1, width // size + 1), np.float32)
        total += size**0.5 * noise.repeat(size, 1).repeat(size, 2)[:, :height, :width]
    total *= 0.6 / total.max()
    total[:, :, : UNITS[0]] += 0.4
    return total
