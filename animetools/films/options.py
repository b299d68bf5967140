"""The options of a film, and what they make of each other."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Literal

from animetools.editing.grammar import Edits
from animetools.editing.options import DirectionFiles
from animetools.errors import FatalError
from animetools.names import fitted
from animetools.options import Opt, given
from animetools.sampling.options import NetworkOptions
from animetools.sampling.seeds import LARGEST_SEED, Grid, Psis, Seeds, shown

FPS, SECONDS = 20.0, 10.0
MOST_FRAMES = 1 << 20
LARGEST_CRF = {"mp4": 51, "webm": 63}  # of libx264 and libvpx
LONGEST_END = f"-{MOST_FRAMES}.png"  # of the names of a film and its frames
GIF_FPS = 50  # browsers slow down a shorter delay than 2/100 s to 10/100 s


@dataclass(frozen=True)
class Kind:
    """A kind of film: which options it takes that not all do, and its arguments, if it has any."""

    takes: tuple[str, ...]
    arguments: str = ""


KINDS = {
    "walk": Kind(("grid", "smooth")),
    "coarse": Kind(("seeds", "smooth")),
    "fine": Kind(("grid", "seeds", "smooth")),
    "circular": Kind(("grid",)),
    "between": Kind(("space", "directions"), "SEED|TAGS SEED|TAGS ..."),
    "edit": Kind(("grid", "seeds", "directions"), "EDITS ..."),
    "montage": Kind(("grid", "seeds"), "RUN, or FILE ..."),
    "truncate": Kind(("grid", "seeds")),
    "turn": Kind(("grid", "seeds")),
    "drift": Kind(("grid", "seeds")),
    "music": Kind(("grid", "smooth"), "FILE"),
    "cross": Kind(("grid", "seeds"), "NETWORK NETWORK ..."),
}
NO_DIRECTIONS = (
    "edits need --directions: a file that sgedit --learn makes, or default for a network trained from"
    " the one that ships"
)
NETWORKS = ("cross", "montage")  # kinds whose arguments name what draws


def _taking(option: str) -> str:
    return ", ".join(name for name, kind in KINDS.items() if option in kind.takes)


@dataclass(frozen=True)
class FilmOptions(NetworkOptions):
    """A network, what its films show, and their files."""

    noise: Annotated[
        Literal["const", "random", "none"],
        Opt("const: stored in the network; random: drawn for each face. No frame changes it."),
    ] = "const"
    seed: Annotated[
        int,
        Opt("Seed of the walk, the circle or the face.", min=0, max=LARGEST_SEED, affects=False),
    ] = 0
    seeds: Annotated[
        Seeds | None,
        Opt(
            f"{_taking('seeds')}: seeds of the faces; the default is 700 for coarse and fine, else"
            " --seed and those that follow it, as many as --grid holds.",
            unit="SEEDS",
            parse=Seeds.parse,
        ),
    ] = None
    grid: Annotated[
        Grid | None,
        Opt("Show so many columns and rows of faces.", unit="2x2", parse=Grid.parse),
    ] = None
    fps: Annotated[
        float | None, Opt(f"Frames a second [{FPS:g}].", min=0.1, max=240, unit="NUMBER")
    ] = None
    seconds: Annotated[
        float | None,
        Opt(
            f"Length of the film; by default {SECONDS:g}, that of the sound for music, and for montage"
            " one frame per picture.",
            min=0.001,
            max=86400,
            unit="NUMBER",
        ),
    ] = None
    smooth: Annotated[
        float | None,
        Opt(
            "Seconds over which a walk is smoothed: more makes it slower [1, or a tenth of a shorter"
            " film].",
            unit="SECONDS",
            min=0.01,
            max=3600,
        ),
    ] = None
    space: Annotated[
        Literal["z", "w"],
        Opt(f"{_taking('space')}: go along a great circle in z, or a straight line in w."),
    ] = "w"
    directions: DirectionFiles = ()
    format: Annotated[
        Literal["mp4", "webm", "gif", "apng"],
        Opt("mp4 is H.264 and webm VP9, which all browsers play; gif has 256 colors."),
    ] = "mp4"
    crf: Annotated[
        int | None,
        Opt("Quality: lower is better and larger [18 for mp4, 30 for webm].", min=1, max=63),
    ] = None
    bitrate: Annotated[
        int | None,
        Opt(
            "Bits a second, such as 5M, instead of a quality.",
            unit="BITS",
            min=1000,
            max=1_000_000_000,
        ),
    ] = None
    upscale: Annotated[bool, Opt("Enlarge every picture twice with waifu2x, as animeupscale.")] = (
        False
    )
    frames: Annotated[
        str,
        Opt("Write the frames as PNG files to this folder, and no film.", unit="DIR"),
    ] = ""
    preset: Annotated[
        Literal["article"] | None,
        Opt(
            "Instead of KIND: the three films of the article (20 frames a second, 60 seconds, 5 Mbit/s,"
            " psi 0.7). Other options have precedence."
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse contradictions, before anything heavy is loaded."""
        super().__post_init__()
        if self.crf and self.bitrate:
            raise ValueError("--crf and --bitrate exclude each other")
        if self.format not in LARGEST_CRF and (wrong := given(self, {"crf", "bitrate"})):
            raise ValueError(f"{wrong[0]} is for mp4 and webm: {self.format} has no setting for it")
        most = LARGEST_CRF.get(self.format, 0)
        if self.crf and self.crf > most:
            raise ValueError(f"--crf is at most {most} for {self.format}, not {self.crf}")
        if self.format == "gif" and not self.frames and self.rate > GIF_FPS:
            raise ValueError(f"--format gif has at most {GIF_FPS} frames a second, not {self.rate}")
        if self.frames and (wrong := given(self, {"format", "crf", "bitrate"})):
            raise ValueError(f"--frames writes PNG files: leave out {wrong[0]}")

    @property
    def rate(self) -> Fraction:
        """Frames a second."""
        return Fraction(FPS if self.fps is None else self.fps).limit_denominator(1001)

    def sigma(self, frames: int) -> float:
        """Over how many frames a walk of so many is smoothed."""
        if self.smooth is None:
            return min(float(self.rate), frames / 10)
        return self.smooth * float(self.rate)

    def count(self, usual: float = SECONDS) -> int:
        """How many frames a film has that lasts `usual` seconds if none are given.

        Raises FatalError if they are none, or more than MOST_FRAMES.
        """
        seconds = usual if self.seconds is None else self.seconds
        frames = round(seconds * self.rate)
        if not frames:
            raise FatalError(
                f"{seconds:g} seconds at {float(self.rate):g} frames a second are no frame"
            )
        return limited(frames)


def limited(frames: int) -> int:
    """The number of frames.

    Raises FatalError for more than MOST_FRAMES.
    """
    if frames > MOST_FRAMES:
        raise FatalError(
            f"{frames:,} frames are more than {MOST_FRAMES:,}: lower --seconds or --fps"
        )
    return frames


@dataclass(frozen=True)
class Request:
    """A film that is wanted: its file's name without extension, its kind and the arguments of that."""

    name: str
    kind: str
    arguments: tuple[str, ...]
    options: FilmOptions


# The films of the article. Of the second and the third only the seeds are the same: its script also
# smoothed across the components of z, which made all of them alike.
ARTICLE = FilmOptions(fps=20.0, seconds=60.0, bitrate=5_000_000, psi=Psis([0.7]))
PRESETS = {
    "article": (
        Request("random_grid_404", "walk", (), replace(ARTICLE, seed=404, grid=Grid(2, 2))),
        Request("interpolate", "coarse", (), replace(ARTICLE, seed=500, seeds=Seeds.parse("700"))),
        Request("fine_503", "fine", (), replace(ARTICLE, seed=503)),
    )
}


def requests(options: FilmOptions, words: tuple[str, ...]) -> list[Request]:
    """The films that a command line asks for.

    Raises FatalError, in one sentence, if it makes no sense.
    """
    if options.preset:
        if words:
            raise FatalError(f"--preset {options.preset} names its films: leave out {words[0]}")
        films = [_with(request, options) for request in PRESETS[options.preset]]
        for film in films:
            _check(film.kind, film.options)
        return films
    if not words:
        raise FatalError(f"name a kind of film: {', '.join(KINDS)}")
    kind, *rest = words
    if kind not in KINDS:
        raise FatalError(f"'{kind}' is not a kind of film; they are {', '.join(KINDS)}")
    arguments = KINDS[kind].arguments
    if bool(rest) != bool(arguments):
        if rest:
            raise FatalError(f"{kind} takes no arguments: leave out {rest[0]}")
        raise FatalError(f"{kind} needs arguments: sgvideo {kind} {arguments}")
    _check(kind, options)
    if kind == "edit":
        for word in rest:
            edits_of(word)
    return [Request(_name(kind, rest, options), kind, tuple(rest), options)]


def edits_of(word: str) -> Edits:
    """The edits of a keyframe.

    Raises FatalError, in one sentence, if they make no sense.
    """
    try:
        return Edits.parse(word)
    except ValueError as why:
        raise FatalError(str(why)) from None


def _check(kind: str, options: FilmOptions) -> None:
    """Raise FatalError for an option that a kind does not have."""
    for name in ("grid", "seeds", "space", "directions", "smooth"):
        if name not in KINDS[kind].takes and given(options, {name}):
            raise FatalError(f"--{name} is for {_taking(name)}, not for {kind}")
    if kind != "truncate" and len(options.psi or "1") > 1:
        raise FatalError(f"{kind} has one --psi; a film through several is sgvideo truncate")
    if kind == "music" and options.format in ("gif", "apng") and not options.frames:
        raise FatalError(f"a {options.format} has no sound: choose --format mp4 or webm")


def _with(request: Request, options: FilmOptions) -> Request:
    """A film of a preset, with those options that were given."""
    names = set(options.__dataclass_fields__) - {"preset"}
    chosen = {n: getattr(options, n) for n in names if given(options, {n})}
    if "crf" in chosen or options.format not in LARGEST_CRF:
        chosen.setdefault("bitrate", None)
    for name in {"grid", "seeds"} - {*KINDS[request.kind].takes}:
        chosen.pop(name, None)
    return replace(request, options=replace(request.options, **chosen))


def _name(kind: str, rest: list[str], options: FilmOptions) -> str:
    """What a film's file is called."""
    words = [word.rstrip("/").rpartition("/")[2] for word in rest]
    if kind in ("walk", "circular", "coarse", "fine", "music"):
        words.append(f"{options.seed}")
    if kind in ("edit", "truncate", "turn", "drift"):
        words += [str(options.seeds or options.seed)]
    if kind == "truncate":
        words += [f"psi{shown(psi)}" for psi in options.psi or ()]
    if kind in NETWORKS and len(words) > 4:  # of files there may be thousands
        words = [words[0], words[-1]]
    name = "-".join([kind, *words])
    return fitted(name, LONGEST_END).removesuffix(LONGEST_END)
