"""A figure: pictures of a network in rows, with labels."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from animetools.errors import FatalError
from animetools.images.containers import LARGEST_SIDE, Format
from animetools.images.files import Pixels
from animetools.images.fit import resized
from animetools.images.sheet import margins, sheet
from animetools.sampling.latents import Picture, SynthesisInput
from animetools.sampling.sampler import Sampler

PAPER = 255
MOST_PIXELS = 100_000_000  # of a figure: with its file, less than a GB of memory


@dataclass(frozen=True)
class Draw:
    """Draws the pictures of a figure on a device; `tell` hears of each batch how many there were.

    Methods raise as `Renderer.each`.
    """

    sampler: Sampler
    device: torch.device
    tell: Callable[[int], None] = lambda _: None

    def __call__(self, inputs: Iterable[SynthesisInput]) -> Iterator[Pixels]:
        """The picture of each input, in order."""
        return self.sampler.renderer(self.device).each(inputs, self.tell)

    def by(self, sampler: Sampler, inputs: Iterable[SynthesisInput]) -> Iterator[Pixels]:
        """The same by another network, which is given up afterwards."""
        with sampler.new_renderer(self.device) as renderer:
            yield from renderer.each(inputs, self.tell)


@dataclass(frozen=True)
class Figure:
    """A figure that is to be drawn.

    `pictures` makes its `count` pictures, row by row, with what draws for it, so many `draws`. Each
    will have the `size` (width, height). `sources` are the pictures of latents that it shows, `facts`
    what else it depends on.
    """

    pictures: Callable[[Draw], Iterable[Pixels]]
    count: int
    columns: int
    size: tuple[int, int]
    draws: int
    sources: tuple[Picture, ...]
    across: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    captions: Callable[[], Sequence[str]] | None = None  # a line each, known when it is drawn
    facts: tuple[tuple[str, object], ...] = ()

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height of the figure in pixels."""
        width, height = self.size
        captions = [" "] if self.captions else []
        left, top, below = margins(width, captions, self.across, self.down)
        rows = -(-self.count // self.columns)
        return left + self.columns * width, top + rows * (height + below)


def check_extent(figure: Figure, image_format: Format) -> tuple[int, int]:
    """Width and height of the figure in pixels.

    Raises FatalError if it is too large for a file, or for memory.
    """
    width, height = figure.extent
    longest = LARGEST_SIDE[image_format]
    most = f"{MOST_PIXELS:,} in all" if width * height > MOST_PIXELS else f"{longest:,} a side"
    if width * height > MOST_PIXELS or max(width, height) > longest:
        raise FatalError(
            f"the figure would be {width:,} x {height:,} pixels, more than {most}: give fewer seeds, or"
            " smaller pictures with --size"
        )
    return width, height


def compose(figure: Figure, draw: Draw) -> Pixels:
    """The figure, drawn, uint8 [H, W] or [H, W, C].

    Raises ItemError and FatalError as `Draw`.
    """
    pictures = (sized(pixels, *figure.size) for pixels in figure.pictures(draw))
    captions = figure.captions() if figure.captions else ()
    words = {"across": figure.across, "down": figure.down, "captions": captions}
    return sheet(pictures, figure.count, figure.columns, PAPER, **words)


def sized(pixels: Pixels, width: int, height: int) -> Pixels:
    """A picture of that size; one that becomes a whole multiple keeps its pixels as squares."""
    high, wide = pixels.shape[:2]
    times = width // wide
    if (wide * times, high * times) == (width, height):
        return pixels.repeat(times, 0).repeat(times, 1)
    return resized(pixels, width, height)


def blank(size: tuple[int, int], channels: int) -> Pixels:
    """An empty place of this width and height."""
    shape = (size[1], size[0]) if channels == 1 else (size[1], size[0], channels)
    return np.full(shape, PAPER, np.uint8)
