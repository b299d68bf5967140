"""How pictures are projected into the latent space of a network: the options."""

from dataclasses import dataclass
from typing import Annotated, Literal

from animetools.options import Opt
from animetools.shared_options import Tags


@dataclass(frozen=True)
class ProjectionOptions:
    """What is searched for, from where, for how long, and what is compared."""

    space: Annotated[
        Literal["w+", "w", "z"],
        Opt(
            "Latents to find. w+ has a row per layer and comes closest to any picture; w and z are"
            " what the network's own pictures are drawn from, and are easier to edit."
        ),
    ] = "w+"
    start: Annotated[
        Literal["mean", "nearest"],
        Opt("Begin at the average w, or at the most similar of 10,000 samples."),
    ] = "mean"
    steps: Annotated[
        int, Opt("How often each picture is drawn and compared.", min=1, max=100_000)
    ] = 150
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
    tags: Tags = ()
    seed: Annotated[int, Opt("Seed of the samples.", min=0)] = 0

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.class_ and self.tags:
            raise ValueError("--class and --tags exclude each other")
