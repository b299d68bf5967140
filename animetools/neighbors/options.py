"""What images are compared by, and what is told of it: the options of animenear."""

from dataclasses import dataclass
from typing import Annotated, Literal

from animetools.images.containers import MAX_PIXELS
from animetools.options import Opt, given
from animetools.shared_options import Device, MaxPixels


@dataclass(frozen=True)
class NearOptions:
    """The options of animenear."""

    by: Annotated[
        Literal["embedding", "hash"],
        Opt("Compare the features of a network, or perceptual hashes, which are 20 times as fast."),
    ] = "embedding"
    embedding: Annotated[
        str,
        Opt(
            "Network from images [n, 3, h, w] in -1..1 to features, an .onnx file or its address; by"
            " default the tagger of animetools.",
            unit="FILE",
        ),
    ] = ""
    duplicates_below: Annotated[
        float | None,
        Opt(
            "Print the paths of the images that are nearer than this to a reference.",
            unit="DISTANCE",
            min=0,
            max=2,
        ),
    ] = None
    index: Annotated[
        str,
        Opt(
            "Keep the features of the reference in this file, so that the next run computes only"
            " those of new images.",
            unit="FILE",
        ),
    ] = ""
    sheet: Annotated[
        str,
        Opt(
            "Write a contact sheet of the 32 closest images, each left of its nearest reference.",
            unit="FILE",
        ),
    ] = ""
    device: Device = "auto"
    max_pixels: MaxPixels = MAX_PIXELS

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        others = ("embedding",) if self.device == "cpu" else ("embedding", "device")
        if self.by == "hash" and (useless := given(self, others)):  # hashes are compared on the CPU
            raise ValueError(f"{useless[0]} belongs to --by embedding")
