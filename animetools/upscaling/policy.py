"""Which image files are enlarged, how many times, and how much JPEG noise is removed first."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from animetools.errors import FatalError, ItemError
from animetools.images.containers import LARGEST_SIDE, MAX_PIXELS, Format

if TYPE_CHECKING:
    from animetools.upscaling.tiles import Progress
    from animetools.upscaling.upscaler import Step, Upscaler

USUAL_SIDE = 512  # pixels: images with a side of so many are large enough
JPEG_IS_GOOD = 90  # the quality from which "auto" leaves a JPEG as it is
LARGE_PIXELS = 16_000_000  # larger results are made one at a time
MOST_PIXELS = 4 * MAX_PIXELS  # of a result

_large = Lock()


@dataclass(frozen=True)
class Policy:
    """What is done to an image, by its size and its quality.

    Images are enlarged whose sides are both less than `below` pixels (by default USUAL_SIDE or
    `to`): `scale` times (by default as one network does), or again and again until a side has
    `to` pixels. `noise` is "auto", "none" or the level that waifu2x removes, "0" to "3".
    """

    noise: str = "auto"
    scale: int | None = None
    to: int | None = None
    below: int | None = None
    max_pixels: int = MAX_PIXELS

    def plan(self, path: str, upscaler: Callable[[], "Upscaler"]) -> "Plan | None":
        """How a file is enlarged; None if it stays as it is.

        `upscaler` is called only for images that are too small.

        Raises ItemError and OSError for a file that cannot be read, ItemError for a result that
        would be too large, FatalError if the model cannot do it.
        """
        from animetools.images.files import read_bytes
        from animetools.images.picture import size_of

        status = os.stat(path)
        data = read_bytes(path)
        width, height = size_of(data, max_pixels=self.max_pixels)
        longest = max(width, height)
        if longest >= min(self.below or self.to or USUAL_SIDE, self.to or longest + 1):
            return None
        model = upscaler()
        noise = self.noise_of(data, model)
        steps = model.steps(self.scale_of(longest, model), noise)
        if not steps:
            return None
        for step in steps:
            width, height = width * step.scale, height * step.scale
        if width * height > MOST_PIXELS:
            raise ItemError(
                f"the result would have {width}x{height} pixels, more than {MOST_PIXELS / 1e6:g}M"
            )
        return Plan(data, status, self.max_pixels, model, tuple(steps), width, height, noise)

    def noise_of(self, data: bytes, upscaler: "Upscaler") -> int | None:
        """The level of JPEG noise to remove from a file; None for none."""
        from animetools.images.jpeg import quality

        if self.noise == "auto" and upscaler.is_waifu2x:
            saved = quality(data)
            return 1 if saved is not None and saved < JPEG_IS_GOOD else None
        return int(self.noise) if self.noise.isdigit() else None

    def scale_of(self, longest: int, upscaler: "Upscaler") -> int:
        """How many times an image with this longer side is enlarged."""
        if not self.to:
            return self.scale or upscaler.own_scale
        scale = upscaler.own_scale
        if scale == 1:
            raise FatalError(f"--to: {upscaler.model} does not enlarge images")
        while longest * scale < self.to:
            scale *= upscaler.own_scale
        return scale


@dataclass(frozen=True)
class Plan:
    """How one image file is enlarged."""

    data: bytes
    status: os.stat_result  # of the file, from before it was read
    max_pixels: int
    upscaler: "Upscaler"
    steps: "tuple[Step, ...]"
    width: int  # and height, of the result
    height: int
    noise: int | None

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of the result."""
        return {"width": self.width, "height": self.height, "noise": self.noise}

    @property
    def turn(self) -> AbstractContextManager[object]:
        """Keeps large results from being made at once."""
        return _large if self.width * self.height > LARGE_PIXELS else nullcontext()

    def check_fits(self, image_format: Format) -> None:
        """Raise ItemError where a side is longer than the format allows."""
        most = LARGEST_SIDE[image_format]
        if max(self.width, self.height) > most:
            raise ItemError(
                f"a side of the result would be longer than the {most} pixels of a {image_format}"
            )

    def encoded(
        self, image_format: Format, quality: int, progress: "Progress", software: str = ""
    ) -> bytes | memoryview:
        """The file of the enlarged image.

        Raises ItemError for what cannot be enlarged, or what the format cannot hold.
        """
        from animetools.images.picture import decode_picture
        from animetools.images.saving import encode_picture

        picture = decode_picture(self.data, max_pixels=self.max_pixels)
        enlarged = self.upscaler(picture, self.steps, progress)
        return encode_picture(enlarged, image_format, quality, software)
