"""sggen: draw pictures with a StyleGAN."""

import json
import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from animetools.cli import (
    AutoBatch,
    Batches,
    Device,
    Dtype,
    Item,
    Output,
    Sha256,
    Stream,
    command,
)
from animetools.cli.cores import cores
from animetools.cli.inputs import lines_of_input, look, read_item
from animetools.cli.item import Result, Work, reason_of
from animetools.cli.stream import Run
from animetools.errors import FatalError, ItemError
from animetools.ranking.choice import Share, ranks_of
from animetools.sampling.options import FileOptions, SamplingOptions
from animetools.sampling.seeds import is_seeds

if TYPE_CHECKING:
    from animetools.sampling.latents import SynthesisInput
    from animetools.sampling.requests import Request
    from animetools.sampling.sampler import Sampler

SCORES = "/.scores/"  # before the names of pictures that are scored
FOLDER = "a folder: name the files of latents in it"


@dataclass(frozen=True)
class GenOptions(FileOptions):
    """What sggen can be given."""

    sha256: Sha256 = ""
    device: Device = "auto"
    dtype: Dtype = "fp32"
    batch: AutoBatch = 0


@command(
    out="images",
    reads=False,
    arguments=(
        "FILE ...",
        "Latents (z or w) in .npy, .npz or .pt files. With -, seeds, names of such files or records of"
        " --json, one per line of standard input.",
    ),
    examples=[
        "sggen --seeds 0-9 --psi 0.8",
        "sggen --network network.pkl --seeds 0-8 --psi 0.5,1 --name 'psi{psi}/{seed}.jpg'",
        "sggen --network network.pkl --seeds 0-199 --grid 10x10 --accept 50%",
        "sggen --network stylegan3.pkl --seeds 0-9 --rotate 30 --translate 0.1,0",
        "seq 5 7 | sggen --network latest -",
    ],
)
def sggen(options: GenOptions, stream: Stream) -> int:
    """Draw pictures with a StyleGAN.

    Reads the files of StyleGAN 1, 2, 2-ADA, 2-ext and 3 and never runs what is in them. Seeds mean
    what they always meant: an old seed on an old network gives the old picture, and the same file
    whatever else is drawn beside it.

    Prints the path of each picture: images/seed0000.png; with several psi seed0000-psi0.5.png; for
    a row of latents images/FILE.ROW.png; for a sheet of them FIRST-LAST.png. Every file says in
    its Description (PNG) or ImageDescription (EXIF) where it comes from, and --json prints it.

    w from a file is not truncated, unless --psi is given. What --save-w writes gives the same
    picture again.
    """
    count = checked(options, stream.files)
    sampler = open_sampler(options, count)
    if options.network == "default":
        stream.note("drawing with the network of animetools; --network names another")

    from animetools.networks.devices import devices
    from animetools.sampling.pictures import check_size, load_pictures, load_sheets
    from animetools.sampling.requests import requests
    from animetools.sampling.scoring import load_scores

    check_size(sampler.generator, options.grid, options.image_format)
    found = devices(options.device)
    if options.dtype == "fp16" and found[0].type == "cpu":
        stream.note("--dtype fp16 is for GPUs: this CPU computes in fp32")
    draw, size = partial(drawn, sampler), sampler.renderer(found[0]).batch
    encode = partial(save, options, sampler)
    work: Work | Batches
    if stream.options.dry_run:
        work = partial(encode, None)
    elif options.grid:
        load = partial(load_sheets, sampler, options.grid)
        work = Batches(1, attrgetter("load.pictures"), load, found, encode)
    else:
        work = Batches(size, draw, partial(load_pictures, sampler), found, encode)
    scoring = Batches(size, draw, partial(load_scores, sampler), found, note_score)
    stream = stream.keyed(
        network=sampler.network.sha256[:16],
        psi=None if options.naming.has_psi else str(options.psi or sampler.usual_psi),
        cutoff=sampler.options.cutoff,
        format=options.image_format,
    )
    if count is not None:
        stream.expect(count)
    items = map(item_of, requests(sampler, options.naming, sources(options, stream)))
    return stream.collect(work, partial(gather, options, stream, sampler, scoring), items)


def checked(options: GenOptions, files: tuple[str, ...]) -> int | None:
    """How many files there will be, None if files of latents or lists are among the arguments.

    Raises FatalError if there is nothing to draw, or two files would have one name.
    """
    if not options.seeds and not files:
        raise FatalError("nothing to draw: give --seeds, such as 0-99, or files of latents")
    seeds = None if files or not options.seeds else options.seeds.count
    try:
        options.naming.check_distinct(seeds)
    except ValueError as why:
        raise FatalError(f"--name {why}") from None
    return None if seeds is None else options.naming.file_count(seeds)


def open_sampler(options: GenOptions, files: int | None) -> "Sampler":
    """How to draw with the network, for so many files."""
    from animetools.netfiles.fetch import locate

    path = locate(options.network, options.sha256 or None)  # before torch is loaded, for seconds

    from animetools.sampling.sampler import Sampler
    from animetools.sampling.scoring import discriminator_of

    expected = files and files * (options.grid.size if options.grid else 1)
    how = options.dtype, options.batch, cores(), expected
    try:
        sampler = Sampler(path, options, *how).opened()
        if options.accept:
            discriminator_of(sampler)
    except (ItemError, OSError) as why:
        raise FatalError(f"{path}: {reason_of(why)}") from None
    return sampler


def sources(options: SamplingOptions, stream: Stream) -> Iterator[Item]:
    """Where latents come from: --seeds, then files and the lines of lists."""
    if options.seeds:
        yield Item(str(options.seeds))
    for file in stream.files:
        if file != "-":
            if is_seeds(file) and not os.path.lexists(file):
                raise FatalError(f"{file} is not a file of latents: for seeds give --seeds {file}")
            yield look(file, {}) or Item(file, trouble=FOLDER)
            continue
        for line in lines_of_input(b"\0" if stream.options.null else b"\n"):
            text = os.fsdecode(line)
            yield Item(text) if is_seeds(text) else read_item(line) or Item(text, trouble=FOLDER)


def item_of(request: "Request") -> Item:
    """A file that is to be made."""
    return Item(request.path, request.facts, request.stamp, request.trouble, load=request)


def drawn(sampler: "Sampler", item: Item) -> "SynthesisInput":
    """What the synthesis takes for the picture that the item carries."""
    return sampler.input(item.load.pictures[0])


def save(
    options: GenOptions, sampler: "Sampler", made: Any, item: Item, output: Output
) -> Iterator[Item]:
    """A picture, or a sheet, as a file; `made` is a Rendering, None in a dry run."""
    facts, kind = sampler.facts(item.load.pictures), options.image_format
    suffix = (options.name and options.name.extension) or f".{kind}"
    text = json.dumps(facts)
    path = output.write(suffix, lambda: made.image_file(kind, options.quality, text))
    if options.save_w:
        facts["w"] = output.write(".npy", lambda: made.w_file())
    yield item.made(path, **facts)


def gather(
    options: GenOptions,
    stream: Stream,
    sampler: "Sampler",
    scoring: Batches,
    items: Iterable[Item],
    run: Run,
) -> Iterator[Result]:
    """Choose among the pictures if asked, put them on sheets if asked, draw them."""
    from animetools.sampling.forecast import FirstFiles
    from animetools.sampling.requests import sheets

    if options.accept:
        items = yield from accepted(options.accept, stream, scoring, items)
        stream.expect(-(-len(items) // (options.grid.size if options.grid else 1)))
    if options.grid:
        singles = (item.load for item in items)
        items = map(item_of, sheets(sampler, options.naming, singles))
    first = FirstFiles(stream.out)
    for result in run(items):
        yield result
        seen = stream.progress
        if seen.written and isinstance(result, Item):
            cost = first.add(result.path, seen.read, seen.left)
            if cost:
                stream.note(cost)


def accepted(
    share: Share, stream: Stream, scoring: Batches, items: Iterable[Item]
) -> Generator[Result, None, list[Item]]:
    """The share of the pictures that score best, in their own order; the others are rejects.

    The journal keeps the scores, so that a run that was killed goes on where it was.
    """
    named = (replace(item, path=SCORES + item.path) for item in items)
    scored = []
    for result in stream.run(scoring, named, counted=False):
        assert isinstance(result, Item)
        scored.append(replace(result, path=result.path.removeprefix(SCORES), own={}))
    scores = [item.facts["score"] for item in scored]
    ranks, count = ranks_of(scores), share.of(len(scored))
    stream.count(len(scored) - count)  # the others come again when they are drawn
    for item, score, rank in zip(scored, scores, ranks, strict=True):
        if rank > count:
            yield item.rejected("scored lower", f"{score:.4f}")
    return [item for item, rank in zip(scored, ranks, strict=True) if rank <= count]


def note_score(score: float, item: Item, output: Output) -> Iterator[Item]:
    """What the journal keeps of a picture that was scored."""
    yield item.noted(score=score)
