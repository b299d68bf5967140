"""What is drawn, how, and to which files: the options of commands that draw."""

from dataclasses import dataclass
from typing import Annotated, Literal

from animetools.images.containers import Format
from animetools.options import Opt
from animetools.ranking.choice import Share
from animetools.sampling.naming import NameTemplate, Naming
from animetools.sampling.seeds import Grid, Psis, Seeds, Shift
from animetools.shared_options import FORMAT, NETWORK, Quality

LEAST_BOUND = 0.01  # of |z|: below, hundreds of redraws find nothing


@dataclass(frozen=True)
class NetworkOptions:
    """A network, and what it draws."""

    network: Annotated[
        str,
        Opt(NETWORK, unit="FILE|URL"),
    ] = "default"
    psi: Annotated[
        Psis | None,
        Opt(
            "Truncation: how far w may be from its average, such as 0.8; several as 0.5,0.8 or"
            " from:to:step. The default is the network's own.",
            unit="PSI",
            affects=False,
            parse=Psis.parse,
        ),
    ] = None
    cutoff: Annotated[int | None, Opt("Apply psi to the first N rows of w only.", min=0)] = None
    class_: Annotated[
        str,
        Opt(
            "Class, by number or name. The default is a random one for each picture, or where the"
            " network learned tags those of a random image it learned from.",
            unit="CLASS",
        ),
    ] = ""
    tags: Annotated[
        tuple[str, ...],
        Opt(
            "Tags (or classes) to draw, by names or numbers: long_hair,smile:0.5,-hat. The weight behind"
            " one is 0 to 1; -TAG excludes one; '' is none at all. A network that learned tags completes"
            " them for each seed by those of an image that has them. --tags given again goes halfway"
            " between both.",
            unit="TAGS",
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        if self.class_ and self.tags:
            raise ValueError("--class and --tags exclude each other")


@dataclass(frozen=True)
class SamplingOptions(NetworkOptions):
    """A network, seeds, and how pictures are drawn from them."""

    seeds: Annotated[
        Seeds | None,
        Opt(
            "Seeds to draw, such as 0-50000,60000; both ends count.",
            "s",
            "SEEDS",
            affects=False,
            parse=Seeds.parse,
        ),
    ] = None
    latents: Annotated[
        Literal["z", "w", "w+"] | None,
        Opt("Kind of the latents in files whose shape fits several; w+ is all rows of w."),
    ] = None
    truncate: Annotated[
        Literal["w", "z"],
        Opt("What psi truncates: w, or z, which is drawn again until it is within +-psi."),
    ] = "w"
    noise: Annotated[
        Literal["const", "random", "none", "seed"],
        Opt(
            "const: stored in the network, or in a file of sgproject; random: different in each picture; seed: as"
            " run_generator.py drew it."
        ),
    ] = "const"
    translate: Annotated[
        Shift | None,
        Opt(
            "StyleGAN 3: move what is drawn to the right and down, in widths of the picture, such as"
            " 0.25,-0.1; its plane has no border.",
            unit="X,Y",
            parse=Shift.parse,
        ),
    ] = None
    rotate: Annotated[
        float | None,
        Opt(
            "StyleGAN 3: turn what is drawn counter-clockwise, before --translate moves it.",
            unit="DEGREES",
            min=-3600,
            max=3600,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        super().__post_init__()
        if self.truncate == "z" and min(self.psi or [0]) < LEAST_BOUND:
            raise ValueError(
                f"--truncate z needs --psi of at least {LEAST_BOUND}, to hold z within"
            )


@dataclass(frozen=True)
class FileOptions(SamplingOptions):
    """Which pictures are kept, and the files that they are written to."""

    accept: Annotated[
        Share | None,
        Opt(
            "Keep the pictures that the discriminator scores best: a share, such as 10%, or a number.",
            unit="SHARE",
            affects=False,
            parse=Share.parse,
        ),
    ] = None
    grid: Annotated[
        Grid | None,
        Opt(
            "Write sheets of so many columns and rows, not single pictures.",
            unit="10x10",
            parse=Grid.parse,
        ),
    ] = None
    format: Annotated[Format | None, FORMAT] = None
    quality: Quality = 95
    name: Annotated[
        NameTemplate | None,
        Opt(
            "Name of each file, such as example-{seed}-{psi}.jpg; {index} counts from 0.",
            unit="NAME",
            affects=False,
            parse=NameTemplate.parse,
        ),
    ] = None
    save_w: Annotated[bool, Opt("Write w beside each picture, as NAME.npy.")] = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense, before anything heavy is loaded."""
        super().__post_init__()
        if self.accept and len(self.psi or "1") > 1:
            raise ValueError("--accept compares pictures of one --psi, not of several")
        if self.name and self.format and self.name.image_format not in (None, self.format):
            raise ValueError(f"--name ends in {self.name.extension}: --format must agree")

    @property
    def image_format(self) -> Format:
        """The format of the files."""
        return (self.name and self.name.image_format) or self.format or "png"

    @property
    def naming(self) -> Naming:
        """How the files are named."""
        return Naming(self.psi, self.name, self.grid)
