"""sgfig: make figures of what a StyleGAN draws."""

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from animetools.cli import FORMAT, Dtype, Item, OneDevice, Output, Quality, Sha256, Stream, command
from animetools.cli.cores import cores
from animetools.cli.item import reason_of
from animetools.errors import FatalError, ItemError
from animetools.images.containers import Format
from animetools.options import given
from animetools.sampling.figure_options import KINDS, FigureOptions

if TYPE_CHECKING:
    import torch

    from animetools.sampling.figure import Figure
    from animetools.sampling.sampler import Sampler


@dataclass(frozen=True)
class FigOptions(FigureOptions):
    """What sgfig can be given."""

    sha256: Sha256 = ""
    device: OneDevice = "auto"
    dtype: Dtype = "fp32"
    format: Annotated[Format | None, FORMAT] = None
    quality: Quality = 95

    @property
    def image_format(self) -> Format:
        """The format of the file."""
        return self.format or "png"


@command(
    out="figures",
    reads=False,
    arguments=(
        "KIND [FILE ...]",
        f"{', '.join(KINDS)}. For training, a run's folder or snapshots; else latents (z or w) in files, which"
        " are drawn in place of seeds.",
    ),
    examples=[
        "sgfig truncation",
        "sgfig mixing --network network.pkl --seeds 3,14,15 --rows 92,65,35 --psi 0.7",
        "sgfig training results/00000-faces --seeds 0-3",
        "sgfig clusters --count 64 --size 96 --format jpg",
    ],
)
def sgfig(options: FigOptions, stream: Stream) -> int:
    """Make the figures of the StyleGAN papers, and others, of any network.

    Prints the path of the figure, figures/KIND.png. Without --seeds its seeds are those of the
    paper, and without --psi psi is the network's own.

    uncurated shows pictures as they come, in ever smaller ones. truncation and psi-strip show each
    seed at several --psi, of all rows of w where no --cutoff is given.

    mixing shows the pictures above the columns, those left of the rows (--rows), and each of these
    with coarse, middle or fine styles of the one above.

    noise shows a detail with four different noises, and the standard deviation over --count;
    noise-layers shows noise in all layers, in none, in the fine or in the coarse ones.

    interpolation goes from each seed to the next, in z on a great circle and in w on a line.

    pyramid shows the colors that each resolution adds, and their sum so far.

    classes shows one latent as each class, or with each --tags and no other tags; clusters shows the
    means of --count clusters of w, the most common first.

    training shows what the snapshots of a run draw of the same seeds.
    """
    if not stream.files:
        raise FatalError(f"no kind of figure is given: {', '.join(KINDS)}")
    name, *files = stream.files
    options = options.of_kind(name, has_files=name != "training" and bool(files))
    snapshots = snapshots_of(files, options) if name == "training" else []
    sampler = open_sampler(options, name, snapshots)

    from animetools.networks.devices import devices
    from animetools.sampling.figure import check_extent
    from animetools.sampling.figures import facts_of, figure_of
    from animetools.sampling.pictures import check_size

    check_size(sampler.generator, None, options.image_format)
    try:
        figure = figure_of(name, sampler, options, [] if snapshots else files, snapshots)
    except ItemError as why:
        raise FatalError(f"{name}: {why}") from None
    width, height = check_extent(figure, options.image_format)
    if options.network == "default" and not snapshots:
        stream.note("drawing with the network of animetools; --network names another")
    stream.note(
        f"{name}: {width:,} x {height:,} pixels of {figure.draws or figure.count:,} pictures"
    )
    facts = facts_of(name, sampler, figure)
    stream = stream.keyed(
        network=sampler.network.sha256[:16],
        seeds=options.seeds and str(options.seeds),
        psi=str(options.psi or sampler.usual_psi),
        cutoff=sampler.options.cutoff,
        rows=options.rows and str(options.rows),
        count=options.count,
        format=options.image_format,
    )
    digests = [source.digest for source in figure.sources]
    stamp = f"{zlib.crc32(repr((digests, figure.facts)).encode())}"
    work = partial(drawn, options, sampler, devices(options.device)[0], facts)
    return stream.map(work, [Item(f"/{name}", stamp=stamp, load=figure)])


def snapshots_of(files: Sequence[str], options: FigOptions) -> list[str]:
    """The snapshots among the arguments, and those in folders of runs.

    Raises FatalError if there are none.
    """
    from animetools.runs.snapshots import listed

    if refused := given(options, {"network", "sha256"}):
        raise FatalError(f"{refused[0]} is not for training: name a run's folder, or snapshots")
    if not files:
        raise FatalError("no run is given: sgfig training results/00000-NAME")
    found: list[str] = []
    for file in files:
        if not os.path.lexists(file):
            raise FatalError(f"{file} does not exist: name a run's folder, or snapshots")
        some = listed(file) if os.path.isdir(file) else [file]
        if not some:
            raise FatalError(
                f"{file} has no snapshots of sgtrain in it: name the files of other programs"
            )
        found += some

    from animetools.sampling.training_figure import in_order

    return in_order(found)


def open_sampler(options: FigOptions, name: str, snapshots: Sequence[str]) -> "Sampler":
    """How to draw with the network, or with the last of the snapshots."""
    from animetools.netfiles.fetch import locate

    path = snapshots[-1] if snapshots else locate(options.network, options.sha256 or None)

    from animetools.sampling.figures import opened
    from animetools.sampling.sampler import Sampler

    if name == "classes":  # which chooses them itself
        options = replace(options, class_="", tags=())
    try:
        return opened(name, Sampler(path, options, options.dtype, cores=cores()))
    except (ItemError, OSError) as why:
        raise FatalError(f"{path}: {reason_of(why)}") from None


def drawn(
    options: FigOptions,
    sampler: "Sampler",
    device: "torch.device",
    facts: dict[str, Any],
    item: Item,
    output: Output,
) -> Iterator[Item]:
    """The figure that the item carries, as a file."""
    from animetools.images.described import LONGEST, encode_described
    from animetools.sampling.figure import Draw, compose

    figure: Figure = item.load
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        output.progress(done, figure.draws)

    def encode() -> bytes:
        try:
            pixels = compose(figure, Draw(sampler, device, tell))
        except ItemError as why:
            raise FatalError(f"{facts['figure']}: {why}") from None
        text = json.dumps(facts)
        if len(text) > LONGEST:  # with long lists of names
            text = json.dumps({k: v for k, v in facts.items() if not isinstance(v, list)})
        return encode_described(pixels, options.image_format, options.quality, text)

    yield item.made(output.write(f".{options.image_format}", encode), **facts)
