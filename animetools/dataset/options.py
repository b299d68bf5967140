"""How the images of a dataset are fitted: the options."""

from dataclasses import dataclass
from typing import Annotated, Literal

from animetools.colors import WHITE
from animetools.images.containers import MAX_PIXELS
from animetools.options import Opt
from animetools.shared_options import Background, MaxPixels


@dataclass(frozen=True)
class FitOptions:
    """How each image becomes one of the dataset, which are all squares of one size."""

    size: Annotated[
        int,
        Opt("Width and height of every image, which is a square.", unit="PIXELS", min=4, max=4096),
    ] = 512
    fit: Annotated[
        Literal["pad", "cover", "top", "stretch"],
        Opt("Make it a square: pad with bars, crop both ends, crop the bottom, or stretch."),
    ] = "pad"
    enlarge: Annotated[
        bool, Opt("Pad images that are too small with bars, instead of enlarging them.")
    ] = True
    quality: Annotated[
        int | None, Opt("Write JPEG of this quality instead of PNG.", min=1, max=100)
    ] = None
    background: Background = WHITE
    max_pixels: MaxPixels = MAX_PIXELS
