"""dranker: rank images by the scores of a discriminator."""

import math
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from animetools import atomic
from animetools.cli import (
    Batch,
    Batches,
    Device,
    Dtype,
    Item,
    Opt,
    Output,
    Sha256,
    Stream,
    Tags,
    command,
)
from animetools.cli.item import Result
from animetools.errors import FatalError, ItemError
from animetools.images.containers import format_by_name
from animetools.ranking.choice import Choice, Share, ranks_of

if TYPE_CHECKING:
    from animetools.images.fit import How
    from animetools.ranking.network import ScoringNetwork
    from animetools.ranking.scores import Prepared, Scored, Scorer


@dataclass(frozen=True)
class RankOptions:
    """What dranker can be given."""

    best: Annotated[
        Share | None,
        Opt("Print the best paths: a share (10%) or a number.", unit="SHARE", parse=Share.parse),
    ] = None
    worst: Annotated[
        Share | None,
        Opt("Print the worst paths: a share (10%) or a number.", unit="SHARE", parse=Share.parse),
    ] = None
    sort: Annotated[bool, Opt("Print the paths, best first (with --worst, worst first).")] = False
    threshold: Annotated[
        float | None, Opt("Print the paths of images with at least this score.", unit="SCORE")
    ] = None
    shuffles: Annotated[
        int, Opt("Score images within random minibatches, averaged over N shuffles.", min=0)
    ] = 0
    minibatch: Annotated[int, Opt("Images in a minibatch of --shuffles.", min=1)] = 4
    seed: Annotated[int, Opt("Seed of --shuffles.", min=0)] = 0
    class_: Annotated[
        str, Opt("Class of all images, by number or name, if the network has any.", unit="CLASS")
    ] = ""
    tags: Tags = ()
    fit: Annotated[
        Literal["pad", "cover", "top", "stretch"],
        Opt("How an image of another shape is made to fit, as in animepack."),
    ] = "pad"
    sheet: Annotated[
        str, Opt("Write a contact sheet of the best and the worst images.", unit="FILE")
    ] = ""
    batch: Batch = 32
    device: Device = "auto"
    dtype: Dtype = "fp32"
    sha256: Sha256 = ""

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        if [self.best, self.worst, self.threshold].count(None) < 2:
            raise ValueError("--best, --worst and --threshold exclude each other")
        if self.class_ and self.tags:
            raise ValueError("--class and --tags exclude each other")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ValueError("--threshold must be a finite number")

    @property
    def prints_paths(self) -> bool:
        """Whether paths are printed without scores."""
        return bool(self.best or self.worst or self.sort or self.threshold is not None)


@command(
    arguments=(
        "[MODEL] FILE ...",
        "A network file, its address, or latest; without it the one that ships with animetools. "
        "Then images, or folders of them (none or -: a list on standard input).",
    ),
    examples=[
        "dranker model.pkl faces/* | sort -g | head",
        "find faces | dranker model.pkl --best 10% --sheet tails.png > best.txt",
        "find faces -print0 | dranker model.pkl --worst 5% -0 | xargs -0 rm",
    ],
)
def dranker(options: RankOptions, stream: Stream) -> int:
    """Rank images by the score of a discriminator.

    Reads image paths and prints the score, a tab and the path of each, in input order: the higher
    the score, the more the image looks to the network like those that it was trained on. Every
    image is scored alone. With --json each record has the rank, 1 for the best, beside the score,
    since raw scores mean little.

    The first argument is the network, unless it is a folder or has the name of an image. A
    conditional network scores each image as the class of --class or --tags, else as that of its
    record, which for one of tags may have none, as in: sggen --json | dranker model.pkl -

    --shuffles ranks as "Making Anime Faces With StyleGAN" does: the score of an image depends on
    the others in its minibatch, and is averaged over shuffles.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, by their content; HEIC and JPEG XL where
    animetools[formats] is installed.
    """
    if options.sheet:
        from animetools.images.sheet import check_name

        check_name(options.sheet)
    model, files = split(stream.files)
    stream = replace(stream, files=files)
    network = open_network(options, model)
    if network.needs_class and files and "-" not in files:
        raise FatalError(f"{model} scores images as a class: give it with --class or --tags")
    if model == "default":
        stream.note("scoring with the network of animetools; name another before the images")

    import torch

    from animetools.networks.cpu import GROUP
    from animetools.networks.devices import devices
    from animetools.ranking.network import load_scores

    found = devices(options.device)
    is_on_cpu = found[0].type == "cpu"
    work = Batches(
        GROUP if is_on_cpu else options.batch,
        partial(decode, network, options.fit),
        partial(load_scores, network, bool(options.shuffles)),
        found * torch.get_num_threads() if is_on_cpu else found,  # a thread per core
        note,
    )
    needs_all = options.best or options.worst or options.sort or options.shuffles or options.sheet
    if needs_all or stream.options.json:
        scorer = network.scorer(found[0])
        return stream.fold(work, partial(ranked, options, stream, scorer))
    return stream.fold(work, partial(scored, options, stream))


def split(files: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The network, and the images: the first argument is one of them."""
    if not files or files[0] == "-" or os.path.isdir(files[0]) or format_by_name(files[0]):
        return "default", files
    return files[0], files[1:]


def open_network(options: RankOptions, model: str) -> "ScoringNetwork":
    """How to score with the network; it has been read, and suits the options."""
    from animetools.netfiles.fetch import locate

    path = locate(model, options.sha256 or None)  # before torch is loaded, for seconds
    from animetools.netfiles.classes import lists_of
    from animetools.ranking.network import ScoringNetwork
    from animetools.ranking.shuffles import check_minibatch

    wanted = lists_of(options.class_, options.tags)
    network = ScoringNetwork(path, wanted, options.dtype, options.batch)
    try:
        _ = network.own_classes
        if options.shuffles:
            check_minibatch(network.discriminator, options.minibatch)
    except ItemError as why:
        raise FatalError(f"{model}: {why}") from why
    return network


def decode(network: "ScoringNetwork", how: "How", item: Item) -> "Prepared":
    """One image as the network takes it, with its labels where it needs its own."""
    from animetools.images.files import read_rgb

    return network.prepared(read_rgb(item.path), how, item.facts)


def note(found: "Scored", item: Item, output: Output) -> Iterator[Item]:
    """An image with its score, and the features that shuffles want."""
    yield item.noted(score=found.value).carrying(found)


def scored(options: RankOptions, stream: Stream, results: Iterator[Result]) -> Iterator[Result]:
    """Each image as soon as it is scored."""
    scores = array("d")
    for item in results:
        assert isinstance(item, Item)
        scores.append(item.facts["score"])
        yield chosen(options, stream, item, 0, 0)
    draw(stream, scores)


def ranked(
    options: RankOptions, stream: Stream, scorer: "Scorer", results: Iterator[Result]
) -> Iterator[Result]:
    """All images once the last is scored, with their ranks."""
    from animetools.ranking.shuffles import FeatureFile, shuffled_scores
    from animetools.ranking.tails import tails_file

    items: list[Item] = []
    with FeatureFile() as file:
        for item in results:
            assert isinstance(item, Item)
            if options.shuffles:
                file.add(item.load)
            items.append(item.carrying(None))
        scores = array("d", (item.facts["score"] for item in items))
        if options.shuffles:
            how = options.shuffles, options.minibatch, options.seed
            scores = array("d", shuffled_scores(scorer, file, *how))
    ranks = ranks_of(scores)
    both = list(zip(ranks, scores, items, strict=True))
    if options.sheet and items and not stream.options.dry_run:
        paths = [(rank, score, item.path) for rank, score, item in both]
        atomic.write(options.sheet, tails_file(paths, options.sheet))
        stream.note(f"{options.sheet} shows the best and the worst")
    draw(stream, scores)
    if options.sort:
        both.sort(reverse=bool(options.worst))
    for rank, score, item in both:
        yield chosen(options, stream, item.noted(score=score, rank=rank), rank, len(both))


def chosen(options: RankOptions, stream: Stream, item: Item, rank: int, total: int) -> Result:
    """An image as it is printed, or why it is not."""
    score = item.facts["score"]
    choice = Choice(options.best, options.worst, options.threshold)
    objection = choice.objection(score, rank, total)
    if objection:
        return item.rejected(*objection)
    if options.prints_paths or stream.options.json:
        return item
    return f"{score:.5f}\t{item.path}"


def draw(stream: Stream, scores: "array[float]") -> None:
    """A histogram for a person who looks."""
    if len(scores) > 1 and os.isatty(2) and not stream.options.quiet:
        from animetools.ranking.tails import histogram

        for line in histogram(scores):
            stream.note(line)
