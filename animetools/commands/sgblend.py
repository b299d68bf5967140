"""sgblend: make one network of several."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from animetools.cli import Item, Opt, Output, Stream, command
from animetools.cli.item import reason_of
from animetools.errors import FatalError, ItemError

if TYPE_CHECKING:
    from animetools.netfiles.networkfile import NetworkFile

SUFFIXES = (".pkl", ".safetensors", ".pt")


def numbers(text: str) -> str:
    """A list of numbers such as 0.3,0.7, as it was typed.

    Raises ValueError, in one sentence, for anything else.
    """
    words = text.split(",")
    if not all(re.fullmatch(r"-?(\d{1,9}\.?\d{0,9}|\.\d{1,9})", word, re.ASCII) for word in words):
        raise ValueError(f"'{text}' is not a list of numbers, such as 0.3,0.7")
    if abs(sum(map(float, words))) < 1e-6:
        raise ValueError(f"'{text}' adds up to 0")
    return text


def whose(text: str) -> str:
    """The number of a network, blend, or none, as it was typed.

    Raises ValueError, in one sentence, for anything else.
    """
    if text in ("blend", "none") or re.fullmatch(r"[1-9]\d{0,5}", text, re.ASCII):
        return text
    raise ValueError(f"'{text}' is neither the number of a network nor blend or none")


@dataclass(frozen=True)
class BlendOptions:
    """The options of sgblend."""

    out: Annotated[str, Opt("File to write, .pkl, .safetensors or .pt.", "o", "FILE")] = (
        "blended.pkl"
    )
    weights: Annotated[
        str,
        Opt(
            "Share of each network, in their order. They are divided by their sum; a negative one"
            " leads away from its network. Default: equal shares.",
            unit="NUMBER,...",
            parse=numbers,
        ),
    ] = ""
    swap: Annotated[
        int | None,
        Opt(
            "Take the layers of fewer pixels than this from the first network, the others from the"
            " second, instead of averages.",
            unit="PIXELS",
            min=2,
        ),
    ] = None
    soft: Annotated[
        int,
        Opt(
            "With --swap, how many resolutions on each side of that edge mix both networks.", max=9
        ),
    ] = 0
    mapping: Annotated[
        str,
        Opt(
            "Whose mapping network and average w to take: a network by its number, or blend."
            " Default: the first's with --swap, otherwise blend.",
            unit="N|blend",
            parse=whose,
        ),
    ] = ""
    discriminator: Annotated[
        str,
        Opt(
            "Whose discriminator to take, or none. Default: the second's with --swap, otherwise blend.",
            unit="N|blend|none",
            parse=whose,
        ),
    ] = ""
    force: Annotated[bool, Opt("Overwrite the file if it exists.", "f")] = False

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.swap and self.weights:
            raise ValueError("--weights are for averages, not for --swap")
        if self.soft and not self.swap:
            raise ValueError("--soft is for --swap")
        if self.mapping == "none":
            raise ValueError("--mapping: a generator needs one: give a number, or blend")


@command(
    reads=False,
    arguments=("NETWORK ...", "Two or more network files of one shape, their URLs, or default."),
    examples=[
        "sgblend parent.pkl child.pkl",
        "sgblend parent.pkl child.pkl --weights 0.3,0.7 -o nearer.safetensors",
        "sgblend photos.pkl drawings.pkl --swap 16 --soft 1 -o toon.safetensors",
    ],
)
def sgblend(options: BlendOptions, stream: Stream) -> int:
    """Make one network of several: their average, or layers of each.

    An average of snapshots of one run is often better than each of them. Between a network and one
    that was trained from it (--transfer), every mixture draws pictures. With --swap the coarse layers,
    which are poses and shapes, come from the first network, and the fine ones, which are colors and
    textures, from the second: so a network of photographs and its child of drawings make drawn
    faces of photographed people.

    The result samples, ranks and is trained from by --transfer. It names its parents, but for a .pt,
    which has no place for them.
    """
    if len(stream.files) < 2:
        raise FatalError("name two networks or more: sgblend A.pkl B.pkl -o C.pkl")
    if os.path.splitext(options.out)[1] not in SUFFIXES:
        raise FatalError(
            f"--out {options.out} does not end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    if options.swap and len(stream.files) != 2:
        raise FatalError(f"--swap is for two networks, not {len(stream.files)}")
    if os.path.isdir(options.out):
        raise FatalError(f"--out {options.out} is a folder: name a file")
    if os.path.lexists(options.out) and not options.force:
        raise FatalError(f"--out {options.out} exists: -f overwrites it")
    work = partial(blend, options, stream.files, stream.options.dry_run)
    return stream.map(work, [Item(options.out)])


def blend(
    options: BlendOptions, names: tuple[str, ...], dry: bool, item: Item, output: Output
) -> Iterator[Item]:
    """Write the network file that is made of those with these names."""
    from animetools.download import sha256_of
    from animetools.netfiles.fetch import locate

    paths = [locate(name) for name in names]  # before torch takes its seconds to load
    from animetools.netfiles import checkpoints
    from animetools.netfiles.blend import Swap, blended

    average = weights_of(options, len(names))
    swap = Swap(options.swap, options.soft) if options.swap else None
    mapping = shares("mapping", options.mapping or ("1" if swap else "blend"), average)
    judge = options.discriminator or ("2" if swap else "blend")
    discriminator = None if judge == "none" else shares("discriminator", judge, average)
    files = [read(name, path) for name, path in zip(names, paths, strict=True)]
    if options.discriminator and discriminator:
        for name, parent, share in zip(names, files, discriminator, strict=True):
            if share and "D" not in parent.networks:
                raise FatalError(f"--discriminator {judge}: {name} has no discriminator")
    file = blended(names, files, swap or average, mapping, discriminator)
    parents = [{"network": os.path.basename(path), "sha256": sha256_of(path)} for path in paths]
    how = {"swap": swap.size, "soft": swap.soft} if swap else {"weights": average}
    made = {"parents": parents, **how}
    file.facts.update(made)
    if not dry:
        checkpoints.write(options.out, file)
    yield item.made(options.out, **made)


def read(name: str, path: str) -> "NetworkFile":
    """The network file at a path, which has a generator; messages call it by the name that was typed."""
    from animetools.netfiles import checkpoints

    try:
        file = checkpoints.read(path)
        _ = file.generator  # which raises if there is none
    except (ItemError, OSError) as why:
        raise ItemError(f"{name}: {reason_of(why)}") from None
    return file


def weights_of(options: BlendOptions, count: int) -> list[float]:
    """The share of each of so many networks in an average."""
    weights = [float(word) for word in (options.weights or ",".join("1" * count)).split(",")]
    if len(weights) != count:
        raise FatalError(f"{len(weights)} --weights for {count} networks")
    return [weight / sum(weights) for weight in weights]


def shares(part: str, chosen: str, average: list[float]) -> list[float]:
    """The share of each network in a part: those of the average, or all of a chosen one."""
    if chosen == "blend":
        return average
    if int(chosen) > len(average):
        raise FatalError(f"--{part} {chosen}: there are {len(average)} networks")
    return [float(number == int(chosen)) for number in range(1, len(average) + 1)]
