"""Options that several commands share, each declared once."""

from typing import Annotated, Any, Literal

from animetools.colors import Color
from animetools.options import Opt

# Computing
Device = Annotated[
    str, Opt("auto, cpu, cuda, cuda:1, mps, or all: every card.", unit="DEVICE", affects=False)
]
OneDevice = Annotated[str, Opt("auto, cpu, cuda, cuda:1 or mps.", unit="DEVICE", affects=False)]
Dtype = Annotated[Literal["fp32", "bf16", "fp16"], Opt("Precision of the network.")]
Batch = Annotated[
    int, Opt("Images that a GPU computes at once; a CPU has a number of its own.", min=1, max=1024)
]
AutoBatch = Annotated[
    int,
    Opt("Pictures that a device draws at once; 0 is automatic.", min=0, max=1024, affects=False),
]
NETWORK = (
    "Network file, its address, latest (the newest snapshot below results/), or default (the one that"
    " ships with animetools)."
)
Sha256 = Annotated[str, Opt("SHA-256 that the network file must have.", unit="HEX", affects=False)]
TAGS = (
    "Several classes at once, by numbers or names: long_hair,smile:0.5,-hat. The weight behind a class"
    " is 0 to 1, that of -hat 0; '' is none of them. --tags given again goes halfway between both."
)
Tags = Annotated[tuple[str, ...], Opt(TAGS, unit="TAGS")]

# Images that are read
MaxPixels = Annotated[
    int, Opt("Refuse images with more pixels.", unit="PIXELS", min=1, affects=False)
]
Background = Annotated[
    Color,
    Opt("Color behind transparent images, and of padding.", unit="COLOR", parse=Color.parse),
]


def _is_lossy(options: Any) -> bool:
    """Whether a quality matters, by --format or by what the command derives from it."""
    return getattr(options, "image_format", options.format) in ("jpg", "webp")


# Images that are written
FORMAT = Opt("Format of the image files; by default png.")
Quality = Annotated[int, Opt("Quality of lossy image files.", min=1, max=100, affects=_is_lossy)]
