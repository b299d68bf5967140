"""animepack: make one dataset of many images."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from animetools.cli import Background, Item, MaxPixels, Opt, Output, Result, Stream, command
from animetools.cli.item import Work
from animetools.cli.stream import Run
from animetools.colors import WHITE
from animetools.errors import FatalError, ItemError, PassedOver
from animetools.images.containers import MAX_PIXELS

if TYPE_CHECKING:
    from animetools.dataset.encode import Encode, Packable
    from animetools.dataset.journal import Listed
    from animetools.dataset.packing import Entry, Packing

SAMPLE = 8  # images encoded before the others, to estimate the size of the dataset


@dataclass(frozen=True)
class PackOptions:
    """The options of animepack."""

    size: Annotated[
        int,
        Opt("Width and height of every image, which is a square.", unit="PIXELS", min=4, max=4096),
    ] = 512
    fit: Annotated[
        Literal["pad", "cover", "top", "stretch"],
        Opt("Make it a square: pad with bars, crop both ends, crop the bottom, or stretch."),
    ] = "pad"
    enlarge: Annotated[
        bool, Opt("Pad images that are too small with bars, instead of enlarging them.")
    ] = True
    quality: Annotated[
        int | None, Opt("Write JPEG of this quality instead of PNG.", min=1, max=100)
    ] = None
    background: Background = WHITE
    sidecars: Annotated[
        bool,
        Opt(
            "Pack the captions and other sidecars of each image beside it: x.txt and x.jpg.json of"
            " x.jpg become img00000000.txt and img00000000.png.json."
        ),
    ] = False
    max_pixels: MaxPixels = MAX_PIXELS


@command(
    out="dataset.zip",
    examples=[
        "find faces/ | animepack --size 256 -o faces.zip",
        "find faces/ | animepack --fit cover --quality 90 -o dataset/",
    ],
)
def animepack(options: PackOptions, stream: Stream) -> int:
    """Make one dataset of many images, all of one size.

    Reads image paths and writes the path of the dataset when it is finished: a StyleGAN2-ADA zip,
    or a folder of the same files where the name does not end in .zip. An image that cannot be read
    is left out. The next run continues one that was killed, and leaves a finished dataset of the
    same images as it is.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, by their content; HEIC and JPEG XL where
    animetools[formats] is installed.
    """
    from animetools.dataset.formats import format_to_write

    if options.size & (options.size - 1):
        stream.note(f"--size {options.size} is not a power of two, which StyleGAN needs")
    stream = stream.keyed(background=list(options.background))  # as dataset.json keeps it
    work = partial(pack, options, format_to_write(stream.out).encode)
    ordered = replace(stream.options, unordered=False)  # the order names the images
    listed = replace(stream, out="", options=ordered)  # the dataset has its own journal
    return listed.collect(work, partial(gather, work, stream))


def pack(options: PackOptions, encode: "Encode", item: Item, output: Output) -> Iterator[Item]:
    """One image, fitted and encoded."""
    from animetools.dataset.encode import Packable, suffix
    from animetools.images.files import read_rgb
    from animetools.images.fit import fit
    from animetools.images.sidecars import sidecars_of

    rgb = read_rgb(item.path, max_pixels=options.max_pixels, background=options.background)
    height, width = rgb.shape[:2]
    square, how = fit(
        rgb, options.size, options.fit, enlarge=options.enlarge, background=options.background
    )
    image = suffix(options.quality)
    found = sidecars_of(item.path) if options.sidecars else ()
    sidecars = tuple((image * one.name_is_whole + one.ending, one.read()) for one in found)
    packable = Packable(encode(square, options.quality), width, height, how, sidecars)
    yield item.carrying((item.load, packable))


def gather(work: Work, stream: Stream, items: Iterable[Item], run: Run) -> Iterator[Item]:
    """List everything, estimate what it will cost, pack what is missing."""
    from animetools.dataset.packing import Packing

    force, dry = stream.options.force, stream.options.dry_run
    with Packing(stream.out, stream.made_with, force=force, dry=dry) as packing:
        packing.enlist(_entries(stream, items, packing))
        stream.count(packing.count)
        packing.settle(
            position for position, _ in _loads(run(_items(packing.doubtful()), counted=False))
        )
        if not packing.made:
            _foretell(work, stream, packing)
            if dry:
                stream.count(packing.left())
            else:
                for position, packable in _loads(run(_items(packing.todo()))):
                    packing.add(position, packable)
                if enlarged := packing.enlarged():
                    stream.note(
                        f"{enlarged} of {packing.count} images were smaller and are enlarged, which"
                        " blurs them: run animeupscale before animepack"
                    )
                packing.finish()
    yield Item(stream.out)


def _entries(stream: Stream, items: Iterable[Item], packing: "Packing") -> "Iterator[Entry]":
    for item in items:
        if packing.is_own(item.path):  # `find .` lists an earlier run's dataset
            stream.pass_over(item.path, "the dataset itself")
        else:
            yield item.path, *item.size_and_time, item.facts, item.trouble


def _items(sources: "Iterable[Listed]") -> Iterator[Item]:
    for source in sources:
        yield Item(source.path, trouble=source.trouble, load=source.position)


def _loads(results: Iterable[Result]) -> "Iterator[tuple[int, Packable]]":
    """The position of each image in the list, and the image."""
    for result in results:
        assert isinstance(result, Item)
        yield result.load


def _foretell(work: Work, stream: Stream, packing: "Packing") -> None:
    """Say how large the dataset becomes, from a few images; stop where the disk is too small."""
    from animetools.estimate import forecast

    sizes = []
    sample = packing.sample(SAMPLE)
    for source, item in zip(sample, _items(sample), strict=True):
        with suppress(ItemError, PassedOver, OSError):  # reported when it is packed
            for _, packable in _loads(work(item, Output(dry=True))):
                sizes.append(packable.size + len(source.origin))
    if not sizes:
        return
    seen = forecast(sizes, packing.left(), stream.out)
    stream.note(f"{stream.out}: {seen}")
    if seen.least > seen.free:
        raise FatalError(
            f"{stream.out}: not enough free disk space: choose another -o, or free some"
        )
