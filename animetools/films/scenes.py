"""What the frames of a film show."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from animetools.errors import FatalError, ItemError
from animetools.images.files import Pixels
from animetools.images.sheet import sheet
from animetools.networks.generator import Noise
from animetools.sampling.latents import SynthesisInput
from animetools.sampling.render import Renderer

BLOCK_PIXELS, LARGEST_BLOCK = 1 << 23, 64  # frames that are drawn at once
LARGEST_SIDE, MOST_PIXELS = 8192, 1 << 25  # of a frame; H.264 ends at 36 million
WHITE = 255

Enlarge = Callable[[Pixels], Pixels]


class Scene(Protocol):
    """The `count` frames of a film, uint8 [height, width, 3]."""

    @property
    def count(self) -> int: ...
    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame."""
        ...

    def draw(self, first: int, end: int) -> Iterator[Pixels]:
        """The frames from the first up to the end."""
        ...


def blocks(count: int, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The first frame and the end of each lot that is drawn at once.

    They depend on the film alone, for the mapping rounds otherwise in a batch of another size.
    """
    step = max(1, min(BLOCK_PIXELS // (size[0] * size[1]), LARGEST_BLOCK))
    for first in range(0, count, step):
        yield first, min(first + step, count)


def checked(size: tuple[int, int]) -> tuple[int, int]:
    """The width and height of a frame.

    Raises FatalError for one that is too large.
    """
    width, height = size
    if max(width, height) > LARGEST_SIDE or width * height > MOST_PIXELS:
        raise FatalError(
            f"a frame would have {width:,} x {height:,} pixels, more than {LARGEST_SIDE:,} a side or"
            f" {MOST_PIXELS:,} in all: choose a smaller --grid, or leave out --upscale"
        )
    return size


@dataclass(frozen=True)
class Stage:
    """Where pictures stand in a frame, and how they are drawn.

    `places` are the cells of a frame, row by row: the number of a face that moves, a face that stays
    as it is, or None for white. `noises` are those of the faces that move.
    """

    renderer: Renderer
    places: tuple[int | SynthesisInput | None, ...]
    columns: int
    noises: tuple[Noise, ...]
    picture: tuple[int, int]  # width and height of a face
    enlarge: Enlarge | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame."""
        width, height = self.picture
        times = 2 if self.enlarge else 1
        return width * times * self.columns, height * times * (len(self.places) // self.columns)

    def draw(self, ws: Tensor, transforms: Tensor | None = None) -> Iterator[Pixels]:
        """A frame of each row of ws [n, faces, num_ws, w_dim], moved by its transform [n, 3, 3]."""
        faces = self._faces(
            [
                SynthesisInput(
                    ws[frame, face][None],
                    noise,
                    transform=None if transforms is None else transforms[frame, None],
                )
                for frame in range(len(ws))
                for face, noise in enumerate(self.noises)
            ]
        )
        for _ in range(len(ws)):
            moving = [next(faces) for _ in self.noises]
            cells = (
                moving[place] if isinstance(place, int) else still
                for place, still in zip(self.places, self._stills, strict=True)
            )
            yield sheet(cells, len(self.places), self.columns)

    @cached_property
    def _stills(self) -> list[Pixels]:
        """The cells that never change; white also for those that do."""
        width, height = self.picture
        times = 2 if self.enlarge else 1
        white = np.full((height * times, width * times, 3), WHITE, np.uint8)
        drawn = self._faces([place for place in self.places if isinstance(place, SynthesisInput)])
        return [
            next(drawn) if isinstance(place, SynthesisInput) else white for place in self.places
        ]

    def _faces(self, inputs: Sequence[SynthesisInput]) -> Iterator[Pixels]:
        for made in self.renderer(inputs):
            if isinstance(made, ItemError):
                raise made
            rgb = in_rgb(made)
            yield self.enlarge(rgb) if self.enlarge else rgb


@dataclass(frozen=True)
class Faces:
    """Faces that move through w: `ws` gives [n, faces, num_ws, w_dim] for frames first to end.

    `transforms` [count, 3, 3] move the plane that they are on.
    """

    stage: Stage
    count: int
    ws: Callable[[int, int], Tensor]
    transforms: Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame."""
        return self.stage.size

    def draw(self, first: int, end: int) -> Iterator[Pixels]:
        """The frames from the first up to the end."""
        with torch.inference_mode():
            ws = self.ws(first, end)
        moved = None if self.transforms is None else self.transforms[first:end]
        return self.stage.draw(ws, moved)


def in_rgb(pixels: Pixels) -> Pixels:
    """Grey [H, W], colors [H, W, 3] or colors with opacity [H, W, 4], over white, as [H, W, 3]."""
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    if pixels.shape[2] == 4:
        opacity = pixels[..., 3:].astype(np.uint16)
        mixed = pixels[..., :3] * opacity + WHITE * (255 - opacity) + 127
        return np.asarray(mixed // 255, np.uint8)
    return pixels
