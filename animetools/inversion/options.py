"""How pictures are projected into the latent space of a network: the options."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

from animetools.options import Opt, given
from animetools.shared_options import NETWORK, TAGS, Batch, Device, Sha256

OPTIMIZE, BOTH = 150, 100  # steps
ENCODER = "encoder.safetensors"  # that a run of --train-encoder writes
# What training an encoder does not depend on.
OF_PROJECTING = [
    "space",
    "start",
    "steps",
    "noise",
    "realism",
    "align",
    "margin",
    "portrait",
    "sheet",
]


@dataclass(frozen=True)
class ProjectionOptions:
    """What is searched for, from where, for how long, and what is compared."""

    way: Annotated[
        Literal["optimize", "encode", "both"] | None,
        Opt(
            "optimize searches for the latents; encode has an encoder guess them, at once; both"
            " searches from its guess on. The default is both if there is an encoder, else optimize."
        ),
    ] = None
    encoder: Annotated[
        str,
        Opt(
            "Encoder of the network, made by --train-encoder. The network that ships has one.",
            unit="FILE",
            affects=False,
        ),
    ] = ""
    space: Annotated[
        Literal["w+", "w", "z"],
        Opt(
            "Latents to find. w+ has a row per layer and comes closest to any picture; w and z are"
            " what the network's own pictures are drawn from, and are easier to edit."
        ),
    ] = "w+"
    start: Annotated[
        Literal["mean", "nearest"],
        Opt("Begin to optimize at the average w, or at the most similar of 10,000 samples."),
    ] = "mean"
    steps: Annotated[
        int | None,
        Opt(
            f"How often each picture is drawn and compared, by default {OPTIMIZE}, or {BOTH} with"
            " --way both.",
            min=1,
            max=100_000,
        ),
    ] = None
    noise: Annotated[
        bool,
        Opt("Find noise maps too: finer detail, which does not follow when the latent is edited."),
    ] = False
    features: Annotated[
        str,
        Opt(
            "Network whose features are compared, beside pixels: discriminator (that of the network"
            " file), none, or a TorchScript file. It is a program: use only files that you trust.",
            unit="FILE",
        ),
    ] = "discriminator"
    feature_weight: Annotated[
        float, Opt("Weight of features; that of pixels is 1.", min=0, max=1000)
    ] = 0.1
    realism: Annotated[
        float,
        Opt(
            "Weight of the distance from the average w: more is less like the picture, and more like"
            " the network's own.",
            min=0,
            max=1000,
        ),
    ] = 0.003
    class_: Annotated[
        str, Opt("Class of all pictures, by number or name, if the network has any.", unit="CLASS")
    ] = ""
    tags: Annotated[
        tuple[str, ...],
        Opt(
            TAGS
            + " In w and w+ images that have them complete them, as for sggen; z has them alone.",
            unit="TAGS",
        ),
    ] = ()
    seed: Annotated[int, Opt("Seed of the samples.", min=0)] = 0

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.class_ and self.tags:
            raise ValueError("--class and --tags exclude each other")
        encodes = f"--way {self.way}" if self.way in ("encode", "both") else "--encoder"
        if self.way == "optimize" and self.encoder:
            raise ValueError("--way optimize and --encoder exclude each other")
        if self.encoder or self.way in ("encode", "both"):
            if self.space == "z":
                raise ValueError(f"{encodes} finds w, not z: leave out --space z")
            if self.start == "nearest":
                raise ValueError(f"{encodes} and --start nearest exclude each other")
        if self.way == "encode" and self.noise:
            raise ValueError("--way encode finds no noise maps: leave out --noise")
        if self.way == "encode" and self.steps:
            raise ValueError("--way encode takes no steps: leave out --steps, or give --way both")

    @property
    def encodes(self) -> bool:
        """Whether an encoder is to be used, if there is one."""
        return self.way != "optimize" and self.space != "z" and self.start == "mean"

    def resolved(self, encoder: str) -> Self:
        """The same with the way and the steps that are meant where none are given.

        `encoder` is the file of the encoder that is used, if any.
        """
        way = self.way or ("both" if encoder else "optimize")
        steps = {"optimize": OPTIMIZE, "both": BOTH, "encode": 0}[way]
        return replace(self, encoder=encoder, way=way, steps=self.steps or steps)


@dataclass(frozen=True)
class ProjectOptions(ProjectionOptions):
    """The options of sgproject."""

    network: Annotated[
        str,
        Opt(NETWORK, unit="FILE|URL", affects=False),
    ] = "default"
    sha256: Sha256 = ""
    train_encoder: Annotated[
        bool,
        Opt(
            "Train an encoder of the network with its own samples instead of projecting pictures:"
            f" {ENCODER} in the output folder. Run again, it continues.",
            affects=False,
        ),
    ] = False
    kimg: Annotated[
        float,
        Opt(
            "With --train-encoder, thousands of samples to learn from.",
            min=0.001,
            max=1e6,
            affects=False,
        ),
    ] = 64
    align: Annotated[
        bool,
        Opt("Project the largest face of each picture, cut as animecrop --align --largest does."),
    ] = False
    margin: Annotated[
        float,
        Opt(
            "With --align, margin on each side of the face, in face widths.",
            "m",
            "RATIO",
            min=0,
            max=10,
            affects=lambda options: options.align and not options.portrait,
        ),
    ] = 0.25
    portrait: Annotated[
        bool,
        Opt("With --align, include hair, ears, hats and neckline instead of a margin."),
    ] = False
    sheet: Annotated[
        bool,
        Opt("Also write a picture of each original (left) and of what its latents give (right)."),
    ] = False
    batch: Batch = 16
    device: Device = "auto"

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        super().__post_init__()
        if self.portrait and not self.align:
            raise ValueError("--portrait needs --align")
        if self.train_encoder and (self.encoder or self.way):
            raise ValueError("--train-encoder makes an encoder: leave out --encoder and --way")
        if self.train_encoder and (useless := given(self, OF_PROJECTING)):
            raise ValueError(f"{useless[0]} is not for --train-encoder")
        if not self.train_encoder and given(self, {"kimg"}):
            raise ValueError("--kimg is for --train-encoder")
