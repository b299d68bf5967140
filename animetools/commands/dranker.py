"""dranker: rank images by what a discriminator thinks of them."""

import math
import os
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from animetools import atomic
from animetools.cli import Batches, Item, Opt, Output, Stream, command
from animetools.cli.item import Result
from animetools.cli.shared import Device, Dtype, Sha256
from animetools.errors import FatalError, ItemError, PassedOver
from animetools.images.containers import format_by_name
from animetools.sampling.seeds import share_of

if TYPE_CHECKING:
    from torch import Tensor

    from animetools.images.fit import How
    from animetools.networks.discriminator import Discriminator
    from animetools.ranking.scores import Judge, Pixels

Prepared = tuple["Pixels", "Tensor | None"]  # with the labels of its record
Scored = tuple[float, "Tensor | None", "Tensor | None"]  # with features, and those labels

TAIL = 32  # pictures of each end on a sheet


@dataclass(frozen=True)
class RankOptions:
    """What dranker can be told."""

    best: Annotated[
        str,
        Opt("Print the paths of the best: a share, as 10%, or a number of images.", unit="SHARE"),
    ] = ""
    worst: Annotated[
        str,
        Opt("Print the paths of the worst: a share, or a number of images.", unit="SHARE"),
    ] = ""
    sort: Annotated[bool, Opt("Print the paths, best first (with --worst, worst first).")] = False
    threshold: Annotated[
        float | None, Opt("Print the paths that score at least this.", unit="SCORE")
    ] = None
    shuffles: Annotated[
        int,
        Opt("Compare images within random minibatches, so many times over, and average.", min=0),
    ] = 0
    minibatch: Annotated[int, Opt("Images in a minibatch of --shuffles.", min=1)] = 4
    seed: Annotated[int, Opt("What --shuffles shuffle by.", min=0)] = 0
    class_: Annotated[
        str,
        Opt(
            "What a conditional network judges the images as: a class, by number or name.",
            unit="CLASS",
        ),
    ] = ""
    tags: Annotated[
        str, Opt("The same with several classes at once: long_hair,smile.", unit="TAGS")
    ] = ""
    fit: Annotated[
        Literal["pad", "cover", "top", "stretch"],
        Opt("How an image of another shape is made to fit, as in animepack."),
    ] = "pad"
    sheet: Annotated[str, Opt("Write a contact sheet of the best and the worst.", unit="FILE")] = ""
    batch: Annotated[
        int, Opt("Images that a card is given at once; a CPU looks at each alone.", min=1, max=1024)
    ] = 32
    device: Device = "auto"
    dtype: Dtype = "fp32"
    sha256: Sha256 = ""

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        asked = [bool(self.best), bool(self.worst), self.threshold is not None]
        if sum(asked) > 1:
            raise ValueError("--best, --worst and --threshold exclude each other")
        for name, text in (("--best", self.best), ("--worst", self.worst)):
            if text:
                share_of(name, text, 1)
        if self.class_ and self.tags:
            raise ValueError("--class and --tags exclude each other")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ValueError("--threshold is a number")

    @property
    def chooses(self) -> bool:
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

    Reads image paths and prints the score, a tab and the path of each, in input order: the higher,
    the more the image looks to the network like those that it was trained on. Every image is
    scored alone. With --json each record has the rank beside the score, 1 for the best, since raw
    scores mean little.

    The first argument is the network, unless it is a folder or has the name of an image. A
    conditional network judges each image in the class of --class or --tags, otherwise in that of its
    record, as in: sggen --json | dranker model.pkl -

    --shuffles ranks as "Making Anime Faces With StyleGAN" does: scores depend on the company of
    an image in its minibatch, and are averaged over shuffles.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, by their content; HEIC and JPEG XL where
    animetools[formats] is installed.
    """
    if options.sheet and os.path.lexists(options.sheet):
        raise FatalError(f"--sheet {options.sheet} exists: name another")
    if options.sheet and not options.sheet.endswith((".png", ".jpg", ".jpeg")):
        raise FatalError(f"--sheet {options.sheet}: name a .png or .jpg file")
    folder = os.path.dirname(options.sheet) or "."
    if options.sheet and not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
        raise FatalError(f"--sheet {options.sheet}: nothing can be written to {folder}")
    model, files = split(stream.files)
    judges, classes = judges_of(options, model)
    by_record = bool(classes) and judges[0].labels is None
    if by_record and files and "-" not in files:
        raise FatalError(f"{model} judges images as of a class: say which with --class or --tags")
    if model == "default":
        stream.note("judging by the network of animetools; another is named before the images")
    told = replace(stream, files=files)
    work = Batches(
        1 if judges[0].is_on_cpu else options.batch,
        partial(prepare, judges[0].head, options.fit, classes if by_record else ()),
        partial(partial, score, options),
        judges,
        tell,
    )
    needs_all = options.best or options.worst or options.sort or options.shuffles or options.sheet
    if needs_all or stream.options.json:
        return told.fold(work, partial(gathered, options, told, judges[0]))
    return told.fold(work, partial(streamed, options, told))


def split(files: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The network, and the images: the first argument is one of them."""
    if not files or files[0] == "-" or os.path.isdir(files[0]) or format_by_name(files[0]):
        return "default", files
    return files[0], files[1:]


def prepare(
    discriminator: "Discriminator", how: "How", classes: tuple[str, ...], item: Item
) -> Prepared:
    """One image as the network takes it, with its labels where its record names its `classes`."""
    from animetools.images.files import read_rgb
    from animetools.ranking.scores import prepared

    pixels = prepared(read_rgb(item.path), discriminator, how)
    return pixels, labels_by_record(classes, item) if classes else None


def labels_by_record(classes: tuple[str, ...], item: Item) -> "Tensor":
    """The labels [1, c_dim] of the class or tags that are known of an image.

    Raises ItemError if none of the network's classes is.
    """
    import torch

    from animetools.sampling.labels import labels_of, words_of

    words = words_of(item.facts, classes)
    if not words:
        raise ItemError("no class of the network is known of it: say --class or --tags")
    try:
        return torch.from_numpy(labels_of(classes, words, "its record"))[None]
    except FatalError as why:
        raise ItemError(str(why)) from None


def score(
    options: RankOptions, judge: "Judge", batch: list[Prepared]
) -> "list[Scored | ItemError]":
    """The score of each image alone, with its features where shuffles want them."""
    scored: list[Scored | ItemError] = []
    features = judge.features([pixels for pixels, _ in batch])
    labels = [its for _, its in batch]
    values = judge.alone(features, None if labels[0] is None else labels)
    for value, mine, its in zip(values, features, labels, strict=True):
        if math.isfinite(value):
            scored.append((value, *((mine, its) if options.shuffles else (None, None))))
        else:
            scored.append(ItemError("its score is no number: try --dtype fp32, or another network"))
    return scored


def tell(scored: "Scored", item: Item, output: Output) -> Iterator[Item]:
    """An image with its score, and the features that shuffles want."""
    value, *load = scored
    yield item.noted(score=value).carrying(load)


def streamed(options: RankOptions, stream: Stream, results: Iterator[Result]) -> Iterator[Result]:
    """Each image as soon as it is scored."""
    scores = array("d")
    for item in results:
        assert isinstance(item, Item)
        value = item.facts["score"]
        scores.append(value)
        if options.threshold is None:
            yield _scored(item)
        elif value >= options.threshold:
            yield item
        else:
            yield item.rejected("below the threshold", f"{value:.5f}")
    _draw(stream, scores)


def gathered(
    options: RankOptions, stream: Stream, judge: "Judge", results: Iterator[Result]
) -> Iterator[Result]:
    """All images once the last is scored, with their ranks."""
    import torch

    from animetools.ranking.scores import Memory, ranks_of, shuffled_scores

    items: list[Item] = []
    scores = array("d")
    labels: list[Tensor] = []
    with Memory() as memory:
        for item in results:
            assert isinstance(item, Item)
            scores.append(item.facts["score"])
            if options.shuffles:
                features, its = item.load
                memory.add(features)
                labels += [] if its is None else [its]
            items.append(item.carrying(None))
        if options.shuffles:
            told = options.shuffles, options.minibatch, options.seed
            each = torch.cat(labels) if labels else None
            scores = array("d", shuffled_scores(judge, memory, *told, each))
    ranks = ranks_of(scores)
    ranked = [
        item.noted(score=value, rank=rank)
        for item, value, rank in zip(items, scores, ranks, strict=True)
    ]
    if options.sheet and items and not stream.options.dry_run:
        _write_sheet(options.sheet, stream, ranked)
    _draw(stream, scores)
    total = len(items)
    best = share_of("--best", options.best, total) if options.best else total
    worst = share_of("--worst", options.worst, total) if options.worst else total
    order = sorted(ranked, key=_rank, reverse=bool(options.worst)) if options.sort else ranked
    for item in order:
        rank, value = item.facts["rank"], item.facts["score"]
        if rank > best:
            yield item.rejected("not among the best", f"rank {rank} of {total}")
        elif rank <= total - worst:
            yield item.rejected("not among the worst", f"rank {rank} of {total}")
        elif options.threshold is not None and value < options.threshold:
            yield item.rejected("below the threshold", f"{value:.5f}")
        else:
            yield item if options.chooses or stream.options.json else _scored(item)


def judges_of(options: RankOptions, model: str) -> "tuple[list[Judge], tuple[str, ...]]":
    """The network on every device that was asked for, and the classes that it is told.

    On a CPU it is there once per core, with a thread each.
    """
    from animetools.netfiles import fetch

    path = fetch.locate(model, options.sha256 or None)
    import torch

    from animetools.netfiles import checkpoints
    from animetools.networks.devices import DTYPES, devices
    from animetools.networks.discriminator import Discriminator
    from animetools.ranking.scores import Judge, check_minibatch
    from animetools.sampling.labels import classes_of, labels_of

    try:
        snapshot = checkpoints.read(path)
        network = snapshot.discriminator.build()
        assert isinstance(network, Discriminator)
        if options.shuffles:
            check_minibatch(network, options.minibatch)
    except ItemError as why:
        raise FatalError(f"{model}: {why}") from why
    channels = network.config.image_channels
    if channels not in (1, 3, 4):
        raise FatalError(f"{model} judges images of {channels} channels: no image file has that")
    classes = classes_of(snapshot.facts, network.c_dim)
    labels = None
    if options.class_ or options.tags:
        words = [options.class_] if options.class_ else options.tags.split(",")
        option = "--class" if options.class_ else "--tags"
        labels = labels_of(classes, words, option)
    found = devices(options.device)
    judges = [
        Judge(network, device, DTYPES[options.dtype], labels, options.batch) for device in found
    ]
    return judges * torch.get_num_threads() if judges[0].is_on_cpu else judges, classes


def _rank(item: Item) -> int:
    rank: int = item.facts["rank"]
    return rank


def _scored(item: Item) -> str:
    """The line of an image where nothing is chosen."""
    return f"{item.facts['score']:.5f}\t{item.path}"


def _draw(stream: Stream, scores: "array[float]") -> None:
    """A histogram for a person who looks."""
    if len(scores) > 1 and os.isatty(2) and not stream.options.quiet:
        import numpy as np

        from animetools.ranking.tails import histogram

        for line in histogram(np.array(scores)):
            stream.note(line)


def _write_sheet(path: str, stream: Stream, ranked: list[Item]) -> None:
    """Both ends as pictures."""
    from animetools.images.files import encode_jpeg, encode_png, read_rgb
    from animetools.ranking.tails import contact_sheet

    order = sorted(ranked, key=_rank)
    tails = []
    for heading, items in (
        (f"the best of {len(order)}", order[:TAIL]),
        (f"the worst of {len(order)}, the very worst first", order[::-1][:TAIL]),
    ):
        shown = []
        for item in items:
            with suppress(ItemError, PassedOver, OSError):  # it was there a moment ago
                words = f"{item.facts['rank']}: {item.facts['score']:.2f}"
                shown.append((words, read_rgb(item.path)))
        tails.append((heading, shown))
    pixels = contact_sheet(tails)
    atomic.write(path, encode_png(pixels) if path.endswith(".png") else encode_jpeg(pixels, 90))
    stream.note(f"{path} shows both ends")
