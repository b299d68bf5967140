"""sggen: draw pictures with a StyleGAN."""

import json
import os
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

from animetools.cli import Batches, Item, Opt, Output, Stream, command
from animetools.cli.cores import cores
from animetools.cli.inputs import lines_of_input, look, read_item
from animetools.cli.item import Facts, Result, Work, reason_of
from animetools.cli.shared import Device, Dtype, Sha256
from animetools.cli.stream import Run
from animetools.errors import FatalError, ItemError
from animetools.sampling.naming import parse_name, shown
from animetools.sampling.plan import Plan
from animetools.sampling.seeds import (
    LEAST_BOUND,
    Seeds,
    parse_grid,
    parse_psis,
    share_of,
)

if TYPE_CHECKING:
    from animetools.sampling.latents import Drawn
    from animetools.sampling.pictures import Made, Making

SCORES = "/.scores/"  # before the names of pictures that are judged
FOLDER = "a folder: name the files of latents in it"
SAMPLE = 8  # files, after the first, that tell what all will cost


@dataclass(frozen=True)
class GenOptions:
    """What sggen can be told."""

    network: Annotated[
        str,
        Opt(
            "Which network draws; latest is the newest snapshot under results/, default the one that"
            " ships with animetools.",
            unit="FILE|URL",
            affects=False,
        ),
    ] = "default"
    sha256: Sha256 = ""
    seeds: Annotated[
        str,
        Opt(
            "Which seeds to draw, such as 0-50000,60000; both ends count.",
            "s",
            unit="SEEDS",
            affects=False,
        ),
    ] = ""
    psi: Annotated[
        str,
        Opt(
            "How far w may be from the average: 0.8; several as 0.5,0.8 or from:to:step; the"
            " network's own where nothing is said.",
            unit="PSI",
            affects=False,  # or what it is keyed by
        ),
    ] = ""
    latents: Annotated[
        Literal["z", "w", "w+"] | None,
        Opt("What files of latents hold where their shape does not say; w+ is all rows of w."),
    ] = None
    cutoff: Annotated[
        int | None,
        Opt("Apply psi to the first so many rows of w only.", min=0),
    ] = None
    truncate: Annotated[
        Literal["w", "z"],
        Opt("What psi does: w draws w to its average, z draws z again until it is within +-psi."),
    ] = "w"
    noise: Annotated[
        Literal["const", "random", "none", "seed"],
        Opt(
            "const: the file's own; random: each picture's own; seed: as run_generator.py drew it."
        ),
    ] = "const"
    class_: Annotated[
        str, Opt("The class, by number or name; without it each seed draws one.", unit="CLASS")
    ] = ""
    tags: Annotated[
        str, Opt("Several classes at once, by numbers or names: long_hair,smile.", unit="TAGS")
    ] = ""
    accept: Annotated[
        str,
        Opt(
            "Keep the best by the network's discriminator: a share, as 10%, or a number of images.",
            unit="SHARE",
            affects=False,
        ),
    ] = ""
    grid: Annotated[
        str, Opt("Sheets of so many columns and rows instead of single files.", unit="10x10")
    ] = ""
    format: Annotated[
        Literal["png", "jpg", "webp"] | None, Opt("The files that are written [png].")
    ] = None
    quality: Annotated[int, Opt("Of JPEG and WebP files.", min=1, max=100)] = 95
    name: Annotated[
        str,
        Opt(
            "What files are called: example-{seed}-{psi}.jpg; {index} counts from 0.",
            unit="NAME",
            affects=False,
        ),
    ] = ""
    save_w: Annotated[bool, Opt("Write w beside each picture, as NAME.npy.")] = False
    device: Device = "auto"
    dtype: Dtype = "fp32"
    batch: Annotated[
        int,
        Opt("Pictures that a device makes at once; 0 suits it.", min=0, max=1024, affects=False),
    ] = 0

    def __post_init__(self) -> None:
        """Refuse what makes no sense, before anything heavy is loaded."""
        if self.seeds:
            Seeds.parse(self.seeds)
        if self.grid:
            parse_grid(self.grid)
        if self.class_ and self.tags:
            raise ValueError("--class and --tags exclude each other")
        if self.accept:
            share_of("--accept", self.accept, 1)
        psis = parse_psis(self.psi) if self.psi else ()
        if self.truncate == "z" and not psis:
            raise ValueError("--truncate z needs --psi, within which z must lie")
        if self.truncate == "z" and min(psis) < LEAST_BOUND:
            raise ValueError(f"--psi is at least {LEAST_BOUND} with --truncate z")
        if self.accept and len(psis) > 1:
            raise ValueError("--accept compares pictures of one --psi, not of several")
        if self.name:
            parse_name(self.name, self.format)


@command(
    out="images",
    reads=False,
    arguments=(
        "FILE ...",
        "Latents (z or w) in .npy, .npz or .pt files; -: seeds, names of such files or records of"
        " --json, one per line of standard input.",
    ),
    examples=[
        "sggen --seeds 0-9 --psi 0.8",
        "sggen --network network.pkl --seeds 0-8 --psi 0.5,1 --name 'psi{psi}/{seed}.jpg'",
        "sggen --network network.pkl --seeds 0-199 --grid 10x10 --accept 50%",
        "seq 5 7 | sggen --network latest -",
    ],
)
def sggen(options: GenOptions, stream: Stream) -> int:
    """Draw pictures with a StyleGAN.

    Reads the files of StyleGAN 1, 2, 2-ADA and 2-ext and never runs what is in them. Seeds mean
    what they always meant: an old seed on an old network gives the old picture, and the same file
    whatever else is drawn beside it.

    Prints the path of each picture: images/seed0000.png; with several psi seed0000-psi0.5.png; for
    a row of latents images/FILE.ROW.png; for a sheet of them FIRST-LAST.png. Every file says in
    its Description (PNG) or ImageDescription (EXIF) where it comes from, and --json prints it.

    w from a file is taken as it is, unless --psi is given. What --save-w writes gives the same
    picture again.
    """
    if not options.seeds and not stream.files:
        raise FatalError("nothing to draw: give --seeds, such as 0-99, or files of latents")
    plan = _plan(options, stream)
    making = _opened(options)
    if options.network == "default":
        stream.note("drawing with the network of animetools; --network names another")

    from animetools.sampling.judging import scorings
    from animetools.sampling.pictures import make_each, make_sheets
    from animetools.sampling.render import renderers_on

    generator = making.generator
    plan.check_image(generator.width, generator.height, generator.config.image_channels)
    stream = stream.keyed(**_facts(options, plan, making))
    if plan.count is not None:
        stream.expect(plan.count)
    with renderers_on(
        options.device,
        options.dtype,
        generator,
        batch=options.batch,
        cores=cores(),
        expected=plan.pictures,
    ) as renderers:
        batch, draw = renderers[0].batch, partial(drawn, making)
        if options.dtype == "fp16" and renderers[0].device.type == "cpu":
            stream.note("--dtype fp16 is for cards: this CPU computes in fp32")
        encode = partial(save, options, plan, making)
        work: Work | Batches
        if stream.options.dry_run:
            work = partial(encode, None)
        elif plan.sheet:
            make = partial(partial, make_sheets, making, plan.columns)
            work = Batches(1, attrgetter("load"), make, renderers, encode)
        else:
            work = Batches(batch, draw, partial(partial, make_each), renderers, encode)
        judging = None
        if options.accept:
            scoring = dict(zip(renderers, scorings(making, renderers), strict=True))
            judging = Batches(batch, draw, scoring.__getitem__, renderers, note_score)
        items = pictures(plan, making, latents(options, stream, making))
        return stream.collect(work, partial(gather, options, stream, plan, judging, making), items)


def latents(options: GenOptions, stream: Stream, making: "Making") -> Iterator[Item]:
    """What the options name, then what the arguments name, one item for each latent."""
    if options.seeds:
        yield from _seeded(options.seeds, making)
    for file in stream.files:
        if set(file) <= set("0123456789-,") and file != "-" and not os.path.lexists(file):
            raise FatalError(f"{file} is no file of latents; to draw seeds say --seeds {file}")
        if file == "-":
            for line in lines_of_input(b"\0" if stream.options.null else b"\n"):
                yield from _listed(line, making)
        else:
            yield from _rows(look(file, {}) or Item(file, trouble=FOLDER), making)


def _seeded(text: str, making: "Making", facts: Facts | None = None) -> Iterator[Item]:
    """An item for each seed, with the class of a record's facts."""
    for seed in Seeds.parse(text):
        yield Item(f"/seed{seed:04}", load=making.seeded(seed, facts or {}))


def _listed(line: bytes, making: "Making") -> Iterator[Item]:
    """What a line of a list means: seeds, a file of latents, or a record of our own."""
    text = os.fsdecode(line)
    facts: Facts = {}
    if not set(text) <= set("0123456789-,"):
        item = read_item(line) or Item(text, trouble=FOLDER)
        facts = item.facts
        seeds = facts.get("seed", facts.get("seeds"))  # of a picture, of a sheet
        if type(seeds) not in (int, str):
            yield from _rows(item, making)
            return
        text = str(seeds)
    try:
        yield from _seeded(text, making, facts)
    except (ValueError, ItemError) as why:
        yield Item(text, trouble=str(why))


def _rows(item: Item, making: "Making") -> Iterator[Item]:
    """An item for each latent of a file."""
    try:
        if item.trouble:
            raise ItemError(item.trouble)
        kept = making.kept(item.path)
    except (ItemError, OSError) as why:
        yield replace(item, trouble=reason_of(why))
        return
    for row, latent in enumerate(kept):
        facts = {"source": item.path} | item.facts | {"row": row}
        yield replace(item, path=f"{item.path}.{row}", facts=facts, load=latent)


def pictures(plan: Plan, making: "Making", items: Iterable[Item]) -> Iterator[Item]:
    """An item for each picture: every latent at every psi."""
    index = 0
    for item in items:
        if item.trouble:
            yield item
            continue
        for picture in making.pictures(item.load, plan.psis):
            facts = making.facts([picture]) | {"index": index, "file": os.path.basename(item.path)}
            index += 1
            stamp = item.stamp
            if plan.name or not item.is_file:  # a file's own path says whose it is
                stamp = f"{picture.identity}"
            path = plan.stem(item.path, facts)
            yield replace(item, path=path, stamp=stamp, load=picture)


def sheets(plan: Plan, making: "Making", items: Iterable[Item]) -> Iterator[Item]:
    """An item for each sheet of pictures, all of one psi."""
    from animetools.sampling.pictures import identity_of

    waiting: dict[float, list[Item]] = {}
    index = 0

    def sheet(several: list[Item]) -> Item:
        load = tuple(each.load for each in several)
        facts = making.facts(load[:1]) | {"index": index}
        path = plan.sheet_stem(several[0].path, several[-1].path, facts)
        return Item(path, stamp=f"{identity_of(load)}", load=load)

    for item in items:
        if item.trouble:
            yield item
            continue
        several = waiting.setdefault(item.load.psi, [])
        several.append(item)
        if len(several) == plan.sheet:
            yield sheet(several)
            index += 1
            several.clear()
    for several in filter(None, waiting.values()):
        yield sheet(several)
        index += 1


def drawn(making: "Making", item: Item) -> "Drawn":
    """What the synthesis takes for the picture that the item carries."""
    return making.draw(item.load)


def save(
    options: GenOptions,
    plan: Plan,
    making: "Making",
    made: "Made | None",
    item: Item,
    output: Output,
) -> Iterator[Item]:
    """A picture, or a sheet, as a file; nothing has been made in a dry run."""
    from animetools.images.described import encode_described

    load = item.load if plan.sheet else (item.load,)
    facts = making.facts(load)

    def encode() -> bytes:
        assert made
        return encode_described(made.pixels, plan.image_format, options.quality, json.dumps(facts))

    def encode_w() -> bytes:
        assert made
        return made.w_file()

    path = output.write(plan.suffix, encode)
    if options.save_w:
        facts["w"] = output.write(".npy", encode_w)
    yield item.made(path, **facts)


def gather(
    options: GenOptions,
    stream: Stream,
    plan: Plan,
    judging: Batches | None,
    making: "Making",
    items: Iterable[Item],
    run: Run,
) -> Iterator[Result]:
    """Choose among the pictures if asked, put them on sheets if asked, make them."""
    if judging and options.accept:
        items = yield from accepted(options.accept, stream, judging, items)
        stream.expect(-(-len(items) // max(1, plan.sheet)))
    if plan.sheet:
        items = sheets(plan, making, items)
    yield from foretold(stream, run(items))


def accepted(
    share: str, stream: Stream, judging: Batches, items: Iterable[Item]
) -> Generator[Result, None, list[Item]]:
    """The share of the pictures that score best, in their own order; the others are rejects.

    The journal keeps the scores, so that a run that was killed goes on judging where it was.
    """
    from animetools.sampling.judging import best_of

    scored: list[Item] = []
    named = (replace(item, path=SCORES + item.path) for item in items)
    for result in stream.run(judging, named, counted=False):
        assert isinstance(result, Item)
        scored.append(replace(result, path=result.path.removeprefix(SCORES), own={}))
    count = share_of("--accept", share, len(scored))
    best = best_of([item.facts["score"] for item in scored], count)
    stream.count(len(scored) - sum(best))  # the others come again when they are made
    for item, is_best in zip(scored, best, strict=True):
        if not is_best:
            yield item.rejected("scored lower", f"{item.facts['score']:.4f}")
    return list(compress(scored, best))


def note_score(score: float, item: Item, output: Output) -> Iterator[Item]:
    """What the journal keeps of a picture that was judged."""
    yield item.noted(score=score)


def foretold(stream: Stream, results: Iterable[Result]) -> Iterator[Result]:
    """Pass the results on; once the first files are there, say what all will cost."""
    from animetools.estimate import duration, forecast

    sizes, began, before = list[int](), 0.0, 0
    for result in results:
        yield result
        seen = stream.progress
        if len(sizes) > SAMPLE or not seen.written or not isinstance(result, Item):
            continue
        if not sizes:
            began, before = time.monotonic(), seen.read
        sizes.append(os.stat(result.path).st_size)
        left = seen.left
        if len(sizes) > SAMPLE and left > 10 * SAMPLE:
            cost = forecast(sizes, left, os.path.join(stream.out, "x"))
            seconds = (time.monotonic() - began) / (seen.read - before) * left
            stream.note(f"{stream.out}: still {cost}; {duration(seconds)} to go")
            if cost.least > cost.free:
                raise FatalError(f"{stream.out}: no room for it: choose another -o, or make room")


def _plan(options: GenOptions, stream: Stream) -> Plan:
    seeds = None if stream.files else Seeds.parse(options.seeds).count
    try:
        return Plan.of(options.psi, options.grid, options.name, options.format, seeds)
    except ValueError as why:
        raise FatalError(str(why)) from None


def _opened(options: GenOptions) -> "Making":
    from animetools.netfiles.fetch import locate

    path = locate(options.network, options.sha256 or None)  # before torch is loaded, for seconds

    from animetools.sampling.latents import Manner
    from animetools.sampling.pictures import Making

    manner = Manner(options.truncate, options.cutoff, options.noise, latents=options.latents)
    try:
        return Making.of(path, manner, options.class_, options.tags, options.dtype)
    except (ItemError, OSError) as why:
        raise FatalError(f"{path}: {reason_of(why)}") from None


def _facts(options: GenOptions, plan: Plan, making: "Making") -> dict[str, Any]:
    """What a file depends on, besides the options and what is in its name."""
    psis = plan.psis or (making.generator.config.truncation.psi,)
    return {
        "network": making.told["sha256"][:16],
        "psi": None if plan.names_have_psi else ",".join(map(shown, psis)),
        "cutoff": making.manner.cutoff,
        "format": plan.image_format,
        "quality": None if plan.image_format == "png" else options.quality,
    }
