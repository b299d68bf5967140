"""Pictures of any size through a network: tiles, the means that they share, flips and turns."""

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from threading import Semaphore
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError
from animetools.upscaling.network import Geometry, GlobalPool, Planes, UpscalingNetwork

Pixels = NDArray[np.uint8 | np.uint16]
Progress = Callable[[float, float], None]  # called with how much is done, and of how much

# Up to so many pixels of tiles, what was computed for one mean is kept for the next; cunet keeps
# 1 kB a pixel. Beyond, it is computed again for each mean, to save memory: 2.9 times the work.
KEPT_PIXELS = 1_000_000
WHOLE = 256  # pixels a side up to which sharing means is not worth the time
MARGIN = 1 / 8  # how far below 0 and above 1 the eight parts of a mean are not clipped
FULL = 65535  # the largest sum of eight parts


@dataclass(frozen=True)
class Span:
    """A tile along one side of a picture, in its pixels.

    The network's input is [first, last), with the edge's pixels repeated beyond the edge; of its
    output, [start, stop) is used.
    """

    start: int
    stop: int
    first: int
    last: int
    ends: bool  # at the far edge

    def taken(self, geometry: Geometry) -> slice:
        """The part of the network's output that is used."""
        at = (self.start - self.first - geometry.border) * geometry.scale
        return slice(at, at + (self.stop - self.start) * geometry.scale)

    def owned(self, geometry: Geometry, pool: GlobalPool) -> slice:
        """The samples of a pooled blob that belong to this tile alone."""
        at = (self.start - self.first - geometry.border) * pool.ratio
        end = at + (self.stop - self.start) * pool.ratio
        return slice(int(at), None if self.ends else int(end))


def spans(length: int, side: int, geometry: Geometry) -> list[Span]:
    """Tiles of at most about `side` pixels along `length`."""
    align, border, overlap = geometry.align, geometry.border, _up(geometry.overlap, geometry.align)
    if geometry.fixed:
        overlap = min(overlap, geometry.fixed // 8)
        step = (geometry.fixed - 2 * (border + overlap)) // align * align
    else:
        step = _up(-(-length // -(-length // max(side, align))), align)
    cuts = []
    for start in range(0, length, step):
        stop = min(start + step, length)
        first, last = start - border - overlap, stop + border + overlap
        if geometry.fixed:
            last = first + geometry.fixed
        else:  # the padding that a network adds must not reach the inner tiles
            last = min(last, length + border)
            first = max(min(first, first - _up(geometry.least - (last - first), align)), -border)
            end = first + _up(max(length + border - first, geometry.least), geometry.ends or align)
            last = min(first + _up(max(last - first, geometry.least), align), end)
        cuts.append(Span(start, stop, first, last, stop == length))
    return cuts


def _up(length: int, align: int) -> int:
    return -(-length // align) * align


Turn = tuple[bool, bool, bool]  # transposed, then upside down, then mirrored

UPRIGHT: Turn = (False, False, False)
TURNS: list[Turn] = list(product((False, True), (False, True), (False, True)))


def turned(planes: Planes, turn: Turn) -> Planes:
    """A flip or turn of [C, h, w], as a view."""
    if turn[0]:
        planes = planes.transpose(0, 2, 1)
    return planes[:, :: -1 if turn[1] else 1, :: -1 if turn[2] else 1]


def turned_back(planes: Planes, turn: Turn) -> Planes:
    """The inverse of `turned`."""
    planes = planes[:, :: -1 if turn[1] else 1, :: -1 if turn[2] else 1]
    return planes.transpose(0, 2, 1) if turn[0] else planes


def enlarge(
    network: UpscalingNetwork,
    pixels: Pixels,
    workers: Executor,
    *,
    side: int = 0,
    tta: bool = False,
    progress: Progress | None = None,
) -> Pixels:
    """The picture, `geometry.scale` times as large; uint8 or uint16 [H, W, C] in and out, C 1 or 3.

    The `workers` compute its tiles, of `side` pixels or of the network's own size. The result is the
    same, but for the last bits, as without tiles, if a pixel depends on no more than the network's
    border or overlap; means over the whole picture are shared by the tiles. `tta` averages the
    eight flips and turns, for eight times the work.

    Raises ItemError where a tile cannot be computed.
    """
    work = _TiledImage(network, pixels, workers, side, tta, progress)
    with _keeping if network.geometry.pools and len(work.tiles) > 1 else nullcontext():
        return work.result()


T = TypeVar("T")

_keeping = Semaphore(2)  # pictures whose tiles share means: two are enough for all workers


class _TiledImage:
    """One picture while it is enlarged."""

    def __init__(
        self,
        network: UpscalingNetwork,
        pixels: Pixels,
        workers: Executor,
        side: int,
        tta: bool,
        progress: Progress | None,
    ) -> None:
        self.network, self.pixels, self.workers = network, pixels, workers
        # Flipped, a tile begins where it ended.
        self.geometry = network.geometry
        if tta and not self.geometry.whole:
            self.geometry = replace(self.geometry, ends=0)
        self.peak = np.float32(np.iinfo(pixels.dtype).max)
        self.turns = TURNS if tta else [UPRIGHT]
        height, width, channels = pixels.shape
        whole = self.geometry.whole or (WHOLE if self.geometry.pools and not side else 0)
        side = whole if max(height, width) <= whole else side or self.geometry.tile
        down, across = (spans(length, side, self.geometry) for length in (height, width))
        self.tiles = list(product(down, across))
        areas = (
            (down.last - down.first) * (across.last - across.first) for down, across in self.tiles
        )
        self.keeps = sum(areas) <= KEPT_PIXELS
        scale = self.geometry.scale
        kind = np.uint16 if tta else pixels.dtype
        self.out: Pixels = np.zeros((height * scale, width * scale, channels), kind)
        self.pools = self.geometry.pools if len(self.tiles) > 1 else ()
        self.progress, self.done = progress, 0
        self.total = len(self.turns) * (len(self.pools) + 1) * len(self.tiles)

    def result(self) -> Pixels:
        for turn in self.turns:
            kept: list[dict[str, Planes]] = [{} for _ in self.tiles]
            known: dict[str, Planes] = {}
            for pool in self.pools:
                parts = self._all(partial(self._part_of_mean, turn, known, kept, pool))
                total = sum(part.sum for part in parts)
                count = sum(part.count for part in parts)
                known |= {pool.mean: np.asarray(total / count, np.float32)}
            self._all(partial(self._paint, turn, known, kept))
        if len(self.turns) == 1:
            return self.out
        return _from_sums(self.out, self.pixels.dtype)

    def _all(self, work: Callable[[int], T]) -> list[T]:
        """Work on every tile, several at once."""
        results = []
        for result in self.workers.map(work, range(len(self.tiles))):
            results.append(result)
            self.done += 1
            if self.progress:
                self.progress(self.done, self.total)
        return results

    def _run(self, at: int, turn: Turn, known: dict[str, Planes], wanted: str | None) -> Planes:
        window = np.ascontiguousarray(turned(self._window(at), turn))
        return turned_back(self.network.run(window, known, wanted), turn)

    def _window(self, at: int) -> Planes:
        """The network's input for a tile: [3, h, w] in 0..1."""
        rows, columns = (
            np.arange(span.first, span.last).clip(0, length - 1)
            for span, length in zip(self.tiles[at], self.pixels.shape, strict=False)
        )
        planes = self.pixels[np.ix_(rows, columns)].transpose(2, 0, 1) / self.peak
        return np.broadcast_to(planes, (3, rows.size, columns.size))

    def _nearest(self, tile: tuple[Span, Span]) -> Planes:
        """A tile enlarged by repeating its pixels."""
        rows, columns = (slice(span.start, span.stop) for span in tile)
        planes = np.asarray(self.pixels[rows, columns].transpose(2, 0, 1) / self.peak, np.float32)
        return planes.repeat(self.geometry.scale, 1).repeat(self.geometry.scale, 2)

    def _part_of_mean(
        self,
        turn: Turn,
        known: dict[str, Planes],
        kept: list[dict[str, Planes]],
        pool: GlobalPool,
        at: int,
    ) -> "_PartialMean":
        blob = self._run(at, turn, known | kept[at], pool.of)
        if self.keeps:
            kept[at][pool.of] = np.ascontiguousarray(turned(blob, turn))
        down, across = (span.owned(self.geometry, pool) for span in self.tiles[at])
        owned = blob[:, down, across]
        return _PartialMean(owned.sum((1, 2), dtype=np.float64), owned[0].size)

    def _paint(
        self, turn: Turn, known: dict[str, Planes], kept: list[dict[str, Planes]], at: int
    ) -> None:
        tile = self.tiles[at]
        planes = self._run(at, turn, known | kept[at], None)
        kept[at].clear()
        down, across = (span.taken(self.geometry) for span in tile)
        planes = planes[:, down, across]
        if self.geometry.residual:
            planes = planes + self._nearest(tile)
        if not np.isfinite(planes).all():
            raise ItemError("the network returned NaN or infinite values")
        scale = self.geometry.scale
        rows, columns = (slice(span.start * scale, span.stop * scale) for span in tile)
        place = self.out[rows, columns]
        if place.shape[2] == 1:
            planes = planes.mean(0, keepdims=True)
        if len(self.turns) == 1:
            peak = np.iinfo(place.dtype).max
            place[:] = _rounded(planes, 0, 1, peak).transpose(1, 2, 0)
        else:
            parts = _rounded(planes, -MARGIN, 1 + MARGIN, FULL / len(self.turns))
            place += parts.transpose(1, 2, 0).astype(place.dtype)


@dataclass(frozen=True)
class _PartialMean:
    """One tile's share of a mean."""

    sum: NDArray[np.float64]
    count: int


def _rounded(planes: Planes, low: float, high: float, peak: float) -> Planes:
    """low..high scaled to 0..peak, clipped and rounded."""
    levels: Planes = planes.clip(low, high)
    levels -= low
    levels *= peak / (high - low)
    levels += 0.5
    return np.floor(levels, out=levels)


def _from_sums(sums: Pixels, kind: np.dtype[np.uint8 | np.uint16]) -> Pixels:
    """The levels of sums of eight, in the sums' own memory."""
    levels: Pixels = sums.reshape(-1).view(kind)[: sums.size].reshape(sums.shape)
    for row, into in zip(sums, levels, strict=True):  # the levels never catch up with the sums
        means = row.astype(np.float32) * np.float32((1 + 2 * MARGIN) / FULL) - np.float32(MARGIN)
        into[:] = _rounded(means, 0, 1, np.iinfo(kind).max)
    return levels
