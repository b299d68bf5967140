"""The kinds of figures, and the options of those who make them."""

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Annotated, Self

from animetools.errors import FatalError
from animetools.options import Opt, given
from animetools.sampling.layers import Ranges
from animetools.sampling.options import SamplingOptions
from animetools.sampling.seeds import MOST_ON_A_SHEET, Psis, Seeds


@dataclass(frozen=True)
class Kind:
    """A kind of figure: what is usual for it, and which options it takes that not all do.

    `psis` and `count` are of those that show several psi, or a number of something. `most` is how
    many seeds it takes.
    """

    seeds: str
    psis: str = ""
    count: int | None = None
    rows: str = ""
    takes: tuple[str, ...] = ("noise",)
    most: int = MOST_ON_A_SHEET


# The seeds and psi of the first are those of the StyleGAN paper's figures, and of gwern.net's copies.
KINDS = {
    "uncurated": Kind("5", most=1),
    "mixing": Kind(
        "639,701,687,615,2268",
        rows="888,829,1898,1733,1614,845",
        takes=("noise", "rows", "ranges"),
    ),
    "noise": Kind("1157,1012", count=100, takes=("count",)),
    "noise-layers": Kind("1967,1555", takes=()),
    "truncation": Kind("91,388-396", "1,0.7,0.5,0.25,0,-0.25,-0.5,-1"),
    "psi-strip": Kind("1", "0.3:2:0.1"),
    "training": Kind("0-3", count=10, takes=("noise", "count")),
    "pyramid": Kind("0-1"),
    "classes": Kind("0", count=64, takes=("noise", "count")),
    "clusters": Kind("0", count=256, takes=("noise", "count"), most=1),
    "interpolation": Kind("0,1", count=9, takes=("noise", "count")),
}


@dataclass(frozen=True)
class FigureOptions(SamplingOptions):
    """What is drawn in a figure, and how."""

    rows: Annotated[
        Seeds | None,
        Opt(
            "mixing: seeds of the rows; those of --seeds are above the columns.",
            unit="SEEDS",
            parse=Seeds.parse,
        ),
    ] = None
    ranges: Annotated[
        Ranges | None,
        Opt(
            "mixing: which rows of w each row of pictures takes from its column, such as"
            " 0-3,0-3,4-7, or of a StyleGAN 3 also input-L3,L4-L7,L8; one range is for all. The"
            " default is coarse, middle and fine ones.",
            unit="RANGES",
            parse=Ranges.parse_layers,
        ),
    ] = None
    count: Annotated[
        int | None,
        Opt(
            "How many snapshots, classes, clusters, steps of an interpolation or samples of noise"
            " the figure shows.",
            min=2,
            max=MOST_ON_A_SHEET,
        ),
    ] = None
    size: Annotated[
        int | None,
        Opt(
            "Longer side of each picture in the figure; the default is that of the network's"
            " pictures, or a multiple that is legible.",
            unit="PIXELS",
            min=8,
            max=8192,
        ),
    ] = None

    def of_kind(self, name: str, *, has_files: bool) -> Self:
        """The same with what is usual for a kind of figure; without seeds if it `has_files` of latents.

        Raises FatalError for an unknown kind, and for options that it does not take.
        """
        kind = kind_named(name)
        for flag in given(self, {"noise", "rows", "ranges", "count"} - {*kind.takes}):
            raise FatalError(f"{flag} is not for {name}")
        if not kind.psis and len(self.psi or "1") > 1:
            raise FatalError(f"--psi takes one value for {name}; truncation shows several")
        for seeds in filter(None, (self.seeds, self.rows)):
            if seeds.count > kind.most:
                most = f"{kind.most:,} seed" + "s" * (kind.most > 1)
                raise FatalError(f"{name} takes at most {most}, not {seeds.count:,}")
        return replace(
            self,
            seeds=self.seeds or (None if has_files else Seeds.parse(kind.seeds)),
            psi=self.psi or (Psis.parse(kind.psis) if kind.psis else None),
            count=self.count or kind.count,
            rows=self.rows or (Seeds.parse(kind.rows) if kind.rows else None),
        )


def kind_named(name: str) -> Kind:
    """The kind of figure of this name.

    Raises FatalError, which names similar ones, if there is none.
    """
    if name in KINDS:
        return KINDS[name]
    close = get_close_matches(name, KINDS, 3) or list(KINDS)
    raise FatalError(f"'{name}' is not a kind of figure: give {', '.join(close)}")
