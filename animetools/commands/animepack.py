"""animepack: make one dataset of many images."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from animetools.cli import Item, Opt, Output, Result, Stream, command
from animetools.cli.stream import Run
from animetools.colors import WHITE, Color
from animetools.errors import FatalError, ItemError, PassedOver
from animetools.images.containers import MAX_PIXELS

if TYPE_CHECKING:
    from animetools.dataset.journal import Listed
    from animetools.dataset.packing import Entry, Packing

SAMPLE = 8  # images encoded before the others, to tell how large it all becomes


@dataclass(frozen=True)
class PackOptions:
    """What animepack can be told."""

    size: Annotated[
        int,
        Opt("Width and height of every image, which is a square.", unit="PIXELS", min=4, max=4096),
    ] = 512
    fit: Annotated[
        Literal["pad", "cover", "top", "stretch"],
        Opt("Bars around it; crop both ends; crop the bottom; change its shape."),
    ] = "pad"
    enlarge: Annotated[bool, Opt("Put bars around images that are too small.")] = True
    quality: Annotated[int | None, Opt("JPEG of this quality instead of PNG.", min=1, max=100)] = (
        None
    )
    background: Annotated[
        Color,
        Opt(
            "Laid under transparent images, and the color of bars.", unit="COLOR", parse=Color.parse
        ),
    ] = WHITE
    sidecars: Annotated[
        bool,
        Opt(
            "Pack the captions and other sidecars of each image beside it: x.txt and x.jpg.json of"
            " x.jpg become img00000000.txt and img00000000.png.json."
        ),
    ] = False
    max_pixels: Annotated[int, Opt("Refuse larger images.", unit="PIXELS", min=1)] = MAX_PIXELS


@command(
    out="dataset.zip",
    examples=[
        "find faces/ | animepack --size 256 -o faces.zip",
        "find faces/ | animepack --fit cover --quality 90 -o dataset/",
    ],
)
def animepack(options: PackOptions, stream: Stream) -> int:
    """Make one dataset of many images, all of one size.

    Reads image paths and writes the path of the dataset when it is whole: a StyleGAN2-ADA zip, or
    a folder of the same files where the name does not end in .zip. An image that cannot be read is
    left out. The next run continues one that was killed, and leaves a finished dataset of the same
    images as it is.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, by their content; HEIC and JPEG XL where
    animetools[formats] is installed.
    """
    told = replace(stream.options, unordered=False)  # the order is what names the images
    inputs = replace(stream, out="", options=told)
    return inputs.collect(partial(pack, options), partial(gather, options, stream))


def pack(options: PackOptions, item: Item, output: Output) -> Iterator[Item]:
    """One image, fitted and encoded."""
    from animetools.dataset.encode import Packable, encode
    from animetools.images.files import read_rgb
    from animetools.images.fit import fit
    from animetools.images.sidecars import sidecars_of

    rgb = read_rgb(item.path, max_pixels=options.max_pixels, background=options.background)
    height, width = rgb.shape[:2]
    square, how = fit(
        rgb, options.size, options.fit, enlarge=options.enlarge, background=options.background
    )
    suffix = ".png" if options.quality is None else ".jpg"
    found = sidecars_of(item.path) if options.sidecars else ()
    sidecars = tuple((suffix * one.name_is_whole + one.ending, one.read()) for one in found)
    packable = Packable(encode(square, options.quality), width, height, how, sidecars)
    yield item.carrying((item.load, packable))


def gather(options: PackOptions, stream: Stream, items: Iterable[Item], run: Run) -> Iterator[Item]:
    """List everything, tell what it will cost, pack what is missing."""
    from animetools.dataset.packing import Packing

    settings = {
        "size": options.size,
        "fit": options.fit,
        "enlarge": options.enlarge,
        "quality": options.quality,
        "background": list(options.background),
    }
    if options.sidecars:
        settings["sidecars"] = True
    told = stream.options
    if options.size & (options.size - 1):
        stream.note(f"--size {options.size} is no power of two, as StyleGANs want it")
    with Packing(stream.out, settings, force=told.force, dry=told.dry_run) as packing:
        packing.enlist(_entries(stream, items, packing))
        stream.count(packing.count)
        packing.settle(_positions(run(_items(packing.doubtful()), counted=False)))
        if not packing.made:
            _foretell(options, stream, packing)
            if told.dry_run:
                stream.count(packing.left())
            else:
                for result in run(_items(packing.todo())):
                    assert isinstance(result, Item)
                    packing.add(*result.load)
                enlarged = packing.enlarged()
                packing.finish()
                if enlarged:
                    stream.note(
                        f"{enlarged} of {packing.count} images were smaller and are enlarged, which"
                        " blurs them: run animeupscale before animepack"
                    )
    yield Item(stream.out)


def _entries(stream: Stream, items: Iterable[Item], packing: "Packing") -> "Iterator[Entry]":
    for item in items:
        if packing.is_own(item.path):  # `find .` lists an earlier run's dataset
            stream.pass_over(item.path, "the dataset itself")
        else:
            yield item.path, *item.size_and_time, item.facts, item.trouble


def _items(listed: "Iterable[Listed]") -> Iterator[Item]:
    for one in listed:
        yield Item(one.path, trouble=one.trouble, load=one.position)


def _positions(results: Iterable[Result]) -> Iterator[int]:
    """The positions of images that can be had now; they come again when they are packed."""
    for result in results:
        assert isinstance(result, Item)
        yield result.load[0]


def _foretell(options: PackOptions, stream: Stream, packing: "Packing") -> None:
    """Say how large it all becomes, from a few images; stop where there surely is no room."""
    from animetools.estimate import forecast

    sizes = []
    sample = packing.sample(SAMPLE)
    for listed, item in zip(sample, _items(sample), strict=True):
        with suppress(ItemError, PassedOver, OSError):  # told when its turn comes
            (result,) = pack(options, item, Output(dry=True))
            _, packable = result.load
            files = (packable.data, *(data for _, data in packable.sidecars))
            sizes.append(sum(map(len, files)) + len(listed.origin))
    if not sizes:
        return
    seen = forecast(sizes, packing.left(), stream.out)
    stream.note(f"{stream.out}: {seen}")
    if seen.least > seen.free:
        raise FatalError(f"{stream.out}: there is no room for it: choose another -o, or make room")
