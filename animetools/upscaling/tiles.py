"""Pictures of any size through an engine: tiles, the means that they share, flips and turns."""

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
from animetools.upscaling.engine import Engine, Form, Planes, Pool

Pixels = NDArray[np.uint8 | np.uint16]

# Up to so many pixels of windows what leads to a mean is kept for what follows it; cunet keeps 1 kB
# a pixel. Beyond, memory would be large, and it is computed again for each mean: 2.9 times the work.
KEPT_PIXELS = 1_000_000
WHOLE = 256  # pixels a side up to which sharing means costs more time than it saves memory
MARGIN = 1 / 8  # below 0 and above 1, within which a mean of eight may still need its parts
FULL = 65535  # the whole of a sum of eight


@dataclass(frozen=True)
class Span:
    """A tile along one side of a picture, in its pixels.

    The network is given [first, last), beyond the edges the edge's own pixels again; of what it
    gives, [start, stop) is taken.
    """

    start: int
    stop: int
    first: int
    last: int
    ends: bool  # at the far edge

    def taken(self, form: Form) -> slice:
        """Where in the network's output lies what is taken."""
        at = (self.start - self.first - form.border) * form.scale
        return slice(at, at + (self.stop - self.start) * form.scale)

    def owned(self, form: Form, pool: Pool) -> slice:
        """Which samples of a pooled blob are this tile's and no other's."""
        at = (self.start - self.first - form.border) * pool.ratio
        end = at + (self.stop - self.start) * pool.ratio
        return slice(int(at), None if self.ends else int(end))


def spans(length: int, side: int, form: Form) -> list[Span]:
    """Tiles of about `side` pixels, or less, along `length`."""
    align, border, overlap = form.align, form.border, _up(form.overlap, form.align)
    if form.fixed:
        overlap = min(overlap, form.fixed // 8)
        step = (form.fixed - 2 * (border + overlap)) // align * align
    else:
        step = _up(-(-length // -(-length // max(side, align))), align)
    cuts = []
    for start in range(0, length, step):
        stop = min(start + step, length)
        first, last = start - border - overlap, stop + border + overlap
        if form.fixed:
            last = first + form.fixed
        else:  # what a network fills up its own edges with is not seen from within
            last = min(last, length + border)
            first = max(min(first, first - _up(form.least - (last - first), align)), -border)
            end = first + _up(max(length + border - first, form.least), form.ends or align)
            last = min(first + _up(max(last - first, form.least), align), end)
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
    """What `turned` did, undone."""
    planes = planes[:, :: -1 if turn[1] else 1, :: -1 if turn[2] else 1]
    return planes.transpose(0, 2, 1) if turn[0] else planes


def enlarge(
    engine: Engine, pixels: Pixels, crew: Executor, *, side: int = 0, tta: bool = False
) -> Pixels:
    """The picture, `form.scale` times as large; uint8 or uint16 [H, W, C] in and out, C 1 or 3.

    The `crew` works on its tiles, of `side` pixels or of the engine's own size. Tiled and whole
    give the same but for the last bits, if the engine's border or overlap is all that its pixels
    depend on: what a network takes the mean of over the whole picture is shared. `tta` gives the
    mean of the eight flips and turns, for eight times the work.

    Raises ItemError where a tile cannot be computed.
    """
    work = _Enlargement(engine, pixels, crew, side, tta)
    with _keeping if engine.form.pools and len(work.tiles) > 1 else nullcontext():
        return work.result()


T = TypeVar("T")

_keeping = Semaphore(2)  # pictures whose tiles share means: two keep any crew busy


class _Enlargement:
    """One picture under way."""

    def __init__(
        self, engine: Engine, pixels: Pixels, crew: Executor, side: int, tta: bool
    ) -> None:
        self.engine, self.pixels, self.crew = engine, pixels, crew
        # Flipped, a tile begins where it ended.
        self.form = engine.form
        if tta and not self.form.whole:
            self.form = replace(self.form, ends=0)
        self.peak = np.float32(np.iinfo(pixels.dtype).max)
        self.turns = TURNS if tta else [UPRIGHT]
        height, width, channels = pixels.shape
        whole = self.form.whole or (WHOLE if self.form.pools and not side else 0)
        side = whole if max(height, width) <= whole else side or self.form.tile
        down, across = (spans(length, side, self.form) for length in (height, width))
        self.tiles = list(product(down, across))
        areas = (
            (down.last - down.first) * (across.last - across.first) for down, across in self.tiles
        )
        self.keeps = sum(areas) <= KEPT_PIXELS
        scale = self.form.scale
        kind = np.uint16 if tta else pixels.dtype
        self.out: Pixels = np.zeros((height * scale, width * scale, channels), kind)

    def result(self) -> Pixels:
        for turn in self.turns:
            kept: list[dict[str, Planes]] = [{} for _ in self.tiles]
            known: dict[str, Planes] = {}
            for pool in self.form.pools if len(self.tiles) > 1 else ():
                parts = self._all(partial(self._part_of_mean, turn, known, kept, pool))
                total = sum(part.sum for part in parts)
                count = sum(part.count for part in parts)
                known |= {pool.mean: np.asarray(total / count, np.float32)}
            self._all(partial(self._paint, turn, known, kept))
        if len(self.turns) == 1:
            return self.out
        return _from_sums(self.out, self.pixels.dtype)

    def _all(self, work: Callable[[int], T]) -> list[T]:
        """Every tile, several at once."""
        return list(self.crew.map(work, range(len(self.tiles))))

    def _run(self, at: int, turn: Turn, known: dict[str, Planes], wanted: str | None) -> Planes:
        window = np.ascontiguousarray(turned(self._window(at), turn))
        return turned_back(self.engine.run(window, known, wanted), turn)

    def _window(self, at: int) -> Planes:
        """What the network sees for a tile: [3, h, w] in 0..1."""
        rows, columns = (
            np.arange(span.first, span.last).clip(0, length - 1)
            for span, length in zip(self.tiles[at], self.pixels.shape, strict=False)
        )
        planes = self.pixels[np.ix_(rows, columns)].transpose(2, 0, 1) / self.peak
        return np.broadcast_to(planes, (3, rows.size, columns.size))

    def _nearest(self, tile: tuple[Span, Span]) -> Planes:
        """The pixels of a tile, each as many times as the network enlarges."""
        rows, columns = (slice(span.start, span.stop) for span in tile)
        planes = np.asarray(self.pixels[rows, columns].transpose(2, 0, 1) / self.peak, np.float32)
        return planes.repeat(self.form.scale, 1).repeat(self.form.scale, 2)

    def _part_of_mean(
        self,
        turn: Turn,
        known: dict[str, Planes],
        kept: list[dict[str, Planes]],
        pool: Pool,
        at: int,
    ) -> "_Part":
        blob = self._run(at, turn, known | kept[at], pool.of)
        if self.keeps:
            kept[at][pool.of] = np.ascontiguousarray(turned(blob, turn))
        down, across = (span.owned(self.form, pool) for span in self.tiles[at])
        owned = blob[:, down, across]
        return _Part(owned.sum((1, 2), dtype=np.float64), owned[0].size)

    def _paint(
        self, turn: Turn, known: dict[str, Planes], kept: list[dict[str, Planes]], at: int
    ) -> None:
        tile = self.tiles[at]
        planes = self._run(at, turn, known | kept[at], None)
        kept[at].clear()
        down, across = (span.taken(self.form) for span in tile)
        planes = planes[:, down, across]
        if self.form.residual:
            planes = planes + self._nearest(tile)
        if not np.isfinite(planes).all():
            raise ItemError("the network's picture of it has pixels that are no numbers")
        scale = self.form.scale
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
class _Part:
    """What a tile has of a mean."""

    sum: NDArray[np.float64]
    count: int


def _rounded(planes: Planes, low: float, high: float, peak: float) -> Planes:
    """low..high as 0..peak, in whole steps; what is beyond is cut off."""
    levels: Planes = planes.clip(low, high)
    levels -= low
    levels *= peak / (high - low)
    levels += 0.5
    return np.floor(levels, out=levels)


def _from_sums(sums: Pixels, kind: np.dtype[np.uint8 | np.uint16]) -> Pixels:
    """The levels that sums of eight stand for, in the sums' own memory."""
    levels: Pixels = sums.reshape(-1).view(kind)[: sums.size].reshape(sums.shape)
    for row, into in zip(sums, levels, strict=True):  # the levels never catch up with the sums
        means = row.astype(np.float32) * np.float32((1 + 2 * MARGIN) / FULL) - np.float32(MARGIN)
        into[:] = _rounded(means, 0, 1, np.iinfo(kind).max)
    return levels
