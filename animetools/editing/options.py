"""How directions are learned, and what is changed along them: the options."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Annotated, Literal

from animetools.editing.grammar import Edits, Strip
from animetools.images.containers import Format
from animetools.options import Opt, given
from animetools.sampling.layers import Ranges, Rows
from animetools.sampling.options import SamplingOptions
from animetools.shared_options import FORMAT, AutoBatch, Device, Dtype, Quality, Sha256

DIRECTIONS = (
    "File of directions, that sgedit --learn made; several may be given. The network that ships has"
    " some; default names those for a network trained from it."
)
DirectionFiles = Annotated[tuple[str, ...], Opt(DIRECTIONS, unit="FILE", affects=False)]
WAYS = ("tags", "positive", "pca", "sefa", "mirror")
OF_EDITING = ("edit", "keep", "strip", "sheet", "format", "quality")
NOT_LEARNED_FROM = ("seeds", "cutoff", "truncate", "noise", "translate", "rotate")
MOST = 512  # components: w rarely has more numbers


def rows_of(text: str) -> Rows:
    """The rows of "0-7" or "3".

    Raises ValueError, in one sentence, for anything else.
    """
    if not re.fullmatch(r"\d{1,3}(-\d{1,3})?", text, re.ASCII):
        raise ValueError(f"'{text}' is not a range of rows of w, such as 0-7")
    return Ranges.parse(text)[0]


@dataclass(frozen=True)
class LearningOptions(SamplingOptions):
    """The file of directions to make, and what to learn them from."""

    learn: Annotated[
        str, Opt("Learn directions and write them to this .npz file.", unit="FILE", affects=False)
    ] = ""
    tags: Annotated[
        tuple[str, ...],
        Opt(
            "With --learn, a direction for each of these tags, separated by commas. Without it, tags to"
            " draw, as for sggen.",
            unit="TAGS",
        ),
    ] = ()
    teacher: Annotated[
        Literal["labels", "tagger"] | None,
        Opt(
            "With --tags and no records: labels learns from what tags do in the network, if it takes"
            " tags; tagger from gradients of the tagger of animetools. The default is labels for the"
            " tags that the network takes.",
            affects=False,
        ),
    ] = None
    positive: Annotated[
        str,
        Opt(
            "Learn from sorted pictures: the folder of those that have something. Its name is that"
            " of the direction. They are sggen's, or latents of sgproject.",
            unit="FOLDER",
            affects=False,
        ),
    ] = ""
    negative: Annotated[
        str, Opt("The folder of those that have not.", unit="FOLDER", affects=False)
    ] = ""
    pca: Annotated[
        int,
        Opt("Learn so many principal components, pca0 first (GANSpace).", max=MOST, affects=False),
    ] = 0
    of: Annotated[
        int | None,
        Opt(
            "With --pca, components of the features of so many pixels a side, such as 4, instead of w.",
            unit="PIXELS",
            min=1,
            affects=False,
        ),
    ] = None
    sefa: Annotated[
        int,
        Opt(
            "Learn so many directions that change the styles the most, sefa0 first (SeFa).",
            max=MOST,
            affects=False,
        ),
    ] = 0
    mirror: Annotated[
        int,
        Opt(
            "Learn so many directions in which mirrored pictures differ, mirror0 first: the turn of"
            " the head. It takes minutes, or seconds with the network that ships, which has an encoder.",
            max=MOST,
            affects=False,
        ),
    ] = 0
    names: Annotated[
        tuple[str, ...],
        Opt(
            "Names of the directions of --pca, --sefa or --mirror, separated by commas, such as turn"
            " instead of mirror0.",
            unit="NAMES",
            affects=False,
        ),
    ] = ()
    samples: Annotated[
        int | None,
        Opt(
            "How many samples --pca and --mirror take. The default is 100,000, or for --mirror 100, and"
            " 1000 with an encoder.",
            min=2,
            affects=False,
        ),
    ] = None
    steps: Annotated[
        int,
        Opt(
            "With --teacher tagger, how often samples are drawn and tagged.",
            min=1,
            max=100_000,
            affects=False,
        ),
    ] = 500
    layers: Annotated[
        Rows | None,
        Opt(
            "Rows of w that the directions are for, such as 0-3. The default is all.",
            unit="ROWS",
            affects=False,
            parse=rows_of,
        ),
    ] = None
    seed: Annotated[int, Opt("Seed of the samples.", min=0, affects=False)] = 0

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        super().__post_init__()
        ways = [name for name in WAYS if getattr(self, name)]
        of_learning = {each.name for each in fields(LearningOptions)} - {
            each.name for each in fields(SamplingOptions)
        }
        if not self.learn and (useless := given(self, of_learning)):
            raise ValueError(f"{useless[0]} is for --learn")
        if self.learn and (useless := given(self, NOT_LEARNED_FROM)):
            raise ValueError(f"{useless[0]} is not for --learn")
        if self.learn and len(ways) != 1:
            flags = ", ".join(f"--{name}" for name in WAYS)
            raise ValueError(f"--learn takes one of {flags}" + f", not {len(ways)}" * bool(ways))
        if bool(self.positive) != bool(self.negative):
            raise ValueError("--positive and --negative belong together")
        if self.positive and os.path.realpath(self.positive) == os.path.realpath(self.negative):
            raise ValueError("--positive and --negative are one folder")
        if self.learn and not self.tags and given(self, {"psi"}):
            raise ValueError("--psi is for --learn --tags, not for the other ways")
        if self.learn and self.tags and not self.wanted:
            raise ValueError("--tags names no tag")
        if self.of and not self.pca:
            raise ValueError("--of is for --pca")
        if self.samples and not (self.pca or self.mirror):
            raise ValueError("--samples is for --pca and --mirror")
        if given(self, {"steps"}) and (not self.tags or self.teacher == "labels"):
            raise ValueError("--steps is for --tags with --teacher tagger")
        if self.teacher and not self.tags:
            raise ValueError("--teacher is for --tags")
        numbered = self.pca or self.sefa or self.mirror
        if self.names and len(self.chosen_names) != numbered:
            raise ValueError(
                f"--names has {len(self.chosen_names)} different names for {numbered} directions of"
                " --pca, --sefa or --mirror"
            )

    @property
    def drawing(self) -> SamplingOptions:
        """How the pictures are drawn: with --learn, --tags are not their classes."""
        values = {each.name: getattr(self, each.name) for each in fields(SamplingOptions)}
        return SamplingOptions(**values | ({"tags": ()} if self.learn else {}))

    @property
    def wanted(self) -> list[str]:
        """The tags that directions are learned for."""
        return _words(self.tags)

    @property
    def chosen_names(self) -> list[str]:
        """The names of --names."""
        return _words(self.names)


def _words(texts: Iterable[str]) -> list[str]:
    """The words of lists that are separated by commas, each once."""
    words = (word.strip() for text in texts for word in text.split(","))
    return list(dict.fromkeys(filter(None, words)))


@dataclass(frozen=True)
class EditOptions(LearningOptions):
    """The options of sgedit."""

    directions: Annotated[
        tuple[str, ...],
        Opt(
            DIRECTIONS + " With --learn, the new file gets them too.",
            unit="FILE",
            affects=False,
        ),
    ] = ()
    edit: Annotated[
        Edits | None,
        Opt(
            "What changes, and by how much: smile=1.5,blue_hair=-2@0-7. Amounts are standard"
            " deviations of the network's own w; @0-7 are rows of w.",
            unit="EDITS",
            parse=Edits.parse,
        ),
    ] = None
    keep: Annotated[
        str,
        Opt(
            "Directions to which the edits are made orthogonal, such as hat,glasses.", unit="NAMES"
        ),
    ] = ""
    strip: Annotated[
        Strip | None,
        Opt(
            "Draw a row of pictures: the edits multiplied by each of these numbers, such as -3:3:0.5"
            " or 0,1,2.",
            unit="FROM:TO:STEP",
            parse=Strip.parse,
        ),
    ] = None
    sheet: Annotated[
        bool,
        Opt("Draw one sheet of all: a row for each, with the original or the --strip."),
    ] = False
    format: Annotated[Format | None, FORMAT] = None
    quality: Quality = 95
    sha256: Sha256 = ""
    device: Device = "auto"
    dtype: Dtype = "fp32"
    batch: AutoBatch = 0

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        super().__post_init__()
        if self.learn and (useless := given(self, OF_EDITING)):
            raise ValueError(f"{useless[0]} is not for --learn")
        if not self.learn and not self.edit:
            raise ValueError(
                "give --edit, such as smile=2, or --learn: sgedit --learn FILE --pca 10"
            )

    @property
    def image_format(self) -> Format:
        """The format of the pictures."""
        return self.format or "png"

    @property
    def kept(self) -> list[str]:
        """The names of the directions to keep."""
        return [name.strip() for name in self.keep.split(",")] if self.keep else []
