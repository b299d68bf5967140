"""From what is drawn to what is written: pictures, and sheets of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import numpy as np
import torch
from torch import Tensor

from animetools.errors import FatalError, ItemError
from animetools.images.containers import LARGEST_SIDE, MAX_PIXELS, Format
from animetools.images.described import encode_described
from animetools.images.files import Pixels
from animetools.images.sheet import sheet
from animetools.networks.generator import Generator
from animetools.sampling.latents import Floats, Picture, SynthesisInput
from animetools.sampling.render import Renderer
from animetools.sampling.sampler import Sampler
from animetools.sampling.seeds import Grid


@dataclass(frozen=True)
class Rendering:
    """A picture or a sheet, with the w [n, num_ws, w_dim] that it was made from."""

    pixels: Pixels
    ws: Floats

    def image_file(self, image_format: Format, quality: int, text: str) -> bytes:
        """The pixels as a file that holds the text, see `encode_described`."""
        return encode_described(self.pixels, image_format, quality, text)

    def w_file(self) -> bytes:
        """The w as an .npy."""
        file = BytesIO()
        np.save(file, self.ws)
        return file.getvalue()


def load_pictures(
    sampler: Sampler, device: torch.device
) -> Callable[[Sequence[SynthesisInput]], list[Rendering | ItemError]]:
    """What makes a picture of each input on a device, or an ItemError in its place.

    It raises FatalError as the renderer does.
    """
    return partial(_pictures, sampler.renderer(device))


def _pictures(renderer: Renderer, inputs: Sequence[SynthesisInput]) -> list[Rendering | ItemError]:
    return [
        pixels if isinstance(pixels, ItemError) else Rendering(pixels, each.ws.numpy())
        for each, pixels in zip(inputs, renderer(inputs), strict=True)
    ]


def load_sheets(
    sampler: Sampler, grid: Grid, device: torch.device
) -> Callable[[Sequence[Sequence[Picture]]], list[Rendering | ItemError]]:
    """What makes, on a device, a sheet of each list of pictures; what is left of it is black.

    It raises FatalError as the renderer does.
    """
    return partial(_sheets, sampler, grid, sampler.renderer(device))


def _sheets(
    sampler: Sampler, grid: Grid, renderer: Renderer, lists: Sequence[Sequence[Picture]]
) -> list[Rendering | ItemError]:
    made: list[Rendering | ItemError] = []
    for pictures in lists:
        try:
            made.append(_sheet(sampler, grid, renderer, pictures))
        except ItemError as why:
            made.append(why)
    return made


def _sheet(
    sampler: Sampler, grid: Grid, renderer: Renderer, pictures: Sequence[Picture]
) -> Rendering:
    ws: list[Tensor] = []

    def inputs() -> Iterator[SynthesisInput]:
        for first in range(0, len(pictures), renderer.batch):
            some = pictures[first : first + renderer.batch]
            for each in renderer.threads.map(sampler.input, some):
                ws.append(each.ws)
                yield each

    columns = min(grid.columns, len(pictures))
    pixels = sheet(renderer.each(inputs()), len(pictures), columns)
    return Rendering(pixels, torch.cat(ws).numpy())


def check_size(generator: Generator, grid: Grid | None, image_format: Format) -> None:
    """Raise a FatalError if a file of this format cannot hold such pictures, or a sheet of them."""
    channels, width, height = generator.config.image_channels, generator.width, generator.height
    if channels not in (1, 3, 4):
        raise FatalError(f"the network draws {channels} channels: no image file holds that")
    if channels == 4 and image_format == "jpg":
        raise FatalError("the network draws opacity, which JPEG cannot hold: choose png or webp")
    what = "a picture of the network"
    if grid:
        what, width, height = f"a sheet of {grid}", width * grid.columns, height * grid.rows
    side = min(MAX_PIXELS, LARGEST_SIDE[image_format])
    if width * height > MAX_PIXELS or max(width, height) > side:
        raise FatalError(
            f"{what} is {width}x{height} pixels; one {image_format} file holds at most {side:,} a"
            f" side and {MAX_PIXELS:,} in all"
        )
