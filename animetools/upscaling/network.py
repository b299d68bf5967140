"""The interface of upscaling networks, whatever computes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]


@dataclass(frozen=True)
class GlobalPool:
    """A mean over the whole picture inside a network, which tiles must share.

    `mean` [C] is the blob that is the mean of the blob `of` [C, h, w], which has `ratio` samples per
    pixel of the network's input.
    """

    of: str
    mean: str
    ratio: Fraction


@dataclass(frozen=True)
class Geometry:
    """How a network's output lies on its input; all lengths in pixels of the input.

    The output is `scale` times the input without `border` on each side (0 where a network pads its
    edges itself). A tile begins at a multiple of `align`, and its sides are multiples of it, or of
    `ends`, unless that is 0, where it ends with the picture. No side is shorter than `least`, and
    all are `fixed`, unless that is 0.
    """

    scale: int
    border: int = 0
    overlap: int = 0  # what a tile needs of its neighbors besides the border
    align: int = 1
    ends: int = 0
    least: int = 0
    fixed: int = 0
    tile: int = 128  # side of a tile, without border, that is fast and needs little memory
    whole: int = (
        0  # side up to which a picture is not tiled, because the network looks at all of it
    )
    residual: bool = False  # its output is added to the input enlarged by repeating pixels
    pools: tuple[GlobalPool, ...] = ()  # in the order in which they depend on each other


class UpscalingNetwork(Protocol):
    """A network that enlarges RGB pictures, ready to run; several threads may run it at once."""

    @property
    def geometry(self) -> Geometry:
        """How tiles must be cut for it."""
        ...

    def run(
        self, rgb: Planes, known: Mapping[str, Planes] | None = None, wanted: str | None = None
    ) -> Planes:
        """The enlarged picture of `rgb` [3, h, w] in 0..1, as [3, H, W] around 0..1.

        If `wanted` names a blob of `geometry.pools`, returns that instead. The blobs in `known` are
        given, and what only they depend on is not computed.

        Raises ItemError if it cannot be computed.
        """
        ...
