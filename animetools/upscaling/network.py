"""What every upscaling network looks like to the tiles, whatever computes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]


@dataclass(frozen=True)
class GlobalPool:
    """A mean over the whole picture inside a network: tiles must share it.

    `mean` [C] is the blob that is the mean of the blob `of` [C, h, w], which has `ratio` samples per
    pixel of the network's input.
    """

    of: str
    mean: str
    ratio: Fraction


@dataclass(frozen=True)
class Geometry:
    """How a network's output lies on its input; all lengths in pixels of the input.

    The output is `scale` times the input less `border` on each side (0 where a network fills up its
    edges itself). A tile begins at a multiple of `align`, and its sides are multiples of it, or of
    `ends` where it ends with the picture and that is not 0. No side is less than `least`, and all
    are `fixed` where that is not 0.
    """

    scale: int
    border: int = 0
    overlap: int = 0  # what a tile wants of its neighbours besides the border
    align: int = 1
    ends: int = 0
    least: int = 0
    fixed: int = 0
    tile: int = 128  # side of a tile, without border, at which it is fast and its memory is small
    whole: int = 0  # side up to which a picture is given at once, because all of it is looked at
    residual: bool = False  # what it gives is to be added to the nearest pixels of the input
    pools: tuple[GlobalPool, ...] = ()  # in the order in which they depend on each other


class UpscalingNetwork(Protocol):
    """A network that enlarges RGB pictures, ready to run; several threads may run it at once."""

    @property
    def geometry(self) -> Geometry:
        """What the tiles must know of it."""
        ...

    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        """The enlarged picture of `rgb` [3, h, w] in 0..1, as [3, H, W] around 0..1.

        Instead of it `wanted` names a blob of `geometry.pools`. Blobs in `known` are taken as they are
        given, and what only they depend on is not computed.

        Raises ItemError where it cannot be computed.
        """
        ...
