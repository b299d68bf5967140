"""waifusite: make a static web site of faces and texts."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Literal

from animetools.cli import Item, Opt, Output, Stream, command
from animetools.cli.item import reason_of
from animetools.cli.stream import Run
from animetools.editing.options import DirectionFiles
from animetools.errors import FatalError, ItemError, PassedOver
from animetools.names import is_inside

if TYPE_CHECKING:
    from animetools.site.build import Site
    from animetools.site.pages import LiveFiles
    from animetools.site.pictures import Format


class Widths(tuple[int, ...]):
    """Widths of images in pixels, the smallest first."""

    __slots__ = ()

    def __str__(self) -> str:
        """As they are typed."""
        return ",".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> "Widths":
        """From a list such as 128,256,512.

        Raises ValueError.
        """
        parts = text.split(",")
        if not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
            raise ValueError(f"a list of widths is 128,256,512, not '{text}'")
        if not all(int(part) >= 16 for part in parts):
            raise ValueError("a width is at least 16 pixels")
        return cls(sorted(set(map(int, parts))))


ONE_WIDTH = Widths()  # that of the image


@dataclass(frozen=True)
class SiteOptions:
    """The options of waifusite."""

    snippets: Annotated[
        str,
        Opt(
            "Folder with the texts: snippet-N.txt for the face of seed N, or x.txt for x.png.",
            unit="FOLDER",
            affects=False,
        ),
    ] = ""
    title: Annotated[
        str,
        Opt(
            "Title of the pages; by default they are called as the sites that they follow.",
            affects=False,
        ),
    ] = ""
    url: Annotated[
        str,
        Opt(
            "Address at which the site will be, for the picture that others show of a link to it.",
            unit="URL",
            affects=False,
        ),
    ] = ""
    format: Annotated[
        Literal["jpg", "webp", "avif", "png"] | None,
        Opt("Encode the images; by default they are the given files."),
    ] = None
    quality: Annotated[
        int,
        Opt(
            "Quality of images that are encoded.",
            min=1,
            max=100,
            affects=lambda options: bool(options.format or options.widths),
        ),
    ] = 75
    widths: Annotated[
        Widths,
        Opt(
            "Encode each image in several widths, of which a browser takes what it needs.",
            unit="PIXELS,...",
            parse=Widths.parse,
        ),
    ] = ONE_WIDTH

    live: Annotated[
        str,
        Opt(
            "Network that draws in the page: a file, its address, latest or default. Visitors load it,"
            " and an engine (onnxruntime-web) of 14 MB, or 17 for a GPU, which is downloaded here once.",
            unit="NETWORK",
            affects=False,
        ),
    ] = ""
    directions: DirectionFiles = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be before anything is read."""
        if self.directions and not self.live:
            raise ValueError("--directions is for --live")
        if self.snippets and not os.path.isdir(self.snippets):
            raise ValueError(f"--snippets {self.snippets} is not a folder")
        for name in ("title", "url"):
            try:
                getattr(self, name).encode()
            except UnicodeEncodeError:
                raise ValueError(f"--{name} is not UTF-8") from None
        if self.url and not self.url.startswith(("https://", "http://")):
            raise ValueError(f"--url begins with https://, not as {self.url}")


@command(
    out="site",
    examples=[
        "sggen --seeds 0-9 | waifusite",
        "gptsnip --seeds 0-9 && sggen --seeds 0-9 --psi 0.5,1 | waifusite --snippets snippets/ --title 'My Waifus'",
        "sgedit --edit smile --strip -3:3:1 --seeds 0-3 | waifusite",
        "find faces/ | waifusite --format webp --quality 25 --widths 64,256 -o small/",
    ],
)
def waifusite(options: SiteOptions, stream: Stream) -> int:
    """Make a static web site of faces and texts.

    Reads image paths and prints the paths of the pages. index.html shows a face and its text, and
    another one every 15 seconds; grid.html is a wall of faces that keeps changing, and scroll.html one
    without end. Images of one seed at several psi, or with several edits, share a slider in psi.html;
    a row of images by sgedit --strip is cut up for it. These pages need no server: open
    site/index.html, or copy the folder to any web host.

    With --live, live.html has the network itself, which draws in the visitor's browser, with a slider
    for each direction in --directions, and for those of the network that ships. It does need a web
    host. Later runs keep it.

    Images are hard links to the given files, or copies on another disk. A site has one format:
    --format, or else that of the first image; others are encoded.

    In --snippets, the text of a face with a seed is snippet-SEED.txt. If that is missing it is
    x.png.txt or x.txt, for x.png. For a face without a seed it is these, or else snippet-N.txt, where N
    is its number in the site. A face may have no text. Seed, psi and network come from records and
    from the images of sggen, and can be shown.

    The next run adds what is new, and replaces what has changed; nothing is removed. Visitors see the
    old site until the new one is complete, also if the run is killed. Only what waifusite wrote is
    ever replaced; a folder with anything else in it is refused.

    Pages load nothing from elsewhere and set no cookies. Files have numbers for names, and robots.txt
    keeps them out of searches. To have others show a picture of a link, give --url.
    """
    from animetools.site.build import Site, Titles
    from animetools.site.ledger import Ledger
    from animetools.site.texts import Snippets

    drawing = network(options, stream) if options.live else None
    listed = replace(stream, out="", options=replace(stream.options, unordered=False))
    items = stream.items()
    seen, image_format = first_image(items)
    # A run without images makes no folder.
    ledger = Ledger(
        stream.out, stream.made_with, dry=stream.options.dry_run or image_format is None
    )
    try:
        chosen = options.format or ledger.format or image_format or "png"
        site = Site(
            ledger,
            chosen,
            options.widths,
            Snippets(options.snippets),
            Titles(options.title, options.url and f"{options.url.rstrip('/')}/"),
            drawing,
            force=stream.options.force,
        )
        work = partial(prepare, options, site)
        return listed.collect(work, partial(gather, options, stream, site), chain(seen, items))
    finally:
        ledger.close()


def network(options: SiteOptions, stream: Stream) -> "tuple[LiveFiles, dict[str, bytes]] | None":
    """The files of --live; None if the network is too large, or in a dry run."""
    from animetools.netfiles.fetch import locate
    from animetools.site.engine import engine

    path = locate(options.live)
    is_dry = stream.options.dry_run
    program = {} if is_dry else engine()  # before torch takes its seconds to load

    from animetools.site.live import checked, exported
    from animetools.site.pages import with_network

    try:
        if is_dry:
            checked(path, options.directions)
            return None
        made = exported(path, options.directions)
    except (ItemError, OSError) as why:
        raise FatalError(f"{path}: {reason_of(why)}") from None
    return with_network(made, program) if made else None


def first_image(items: Iterator[Item]) -> "tuple[list[Item], Format | None]":
    """The items up to the first image, and the format that it can be shown in."""
    from animetools.site.pictures import format_to_show

    seen: list[Item] = []
    for item in items:
        seen.append(item)
        if item.is_file and (found := format_to_show(item.path)):
            return seen, found
    return seen, None


def prepare(options: SiteOptions, site: "Site", item: Item, output: Output) -> Iterator[Item]:
    """An image that carries its pictures; one that the site has carries nothing."""
    from animetools.site.pictures import portraits

    if is_inside(item.path, site.folder):
        raise PassedOver("in the site already")
    if site.has(item.path, item.stamp):
        yield item
        return
    again = options.format is not None
    how = site.format, options.quality, options.widths
    yield item.carrying(portraits(item.path, item.facts, *how, again=again))


def gather(
    options: SiteOptions, stream: Stream, site: "Site", items: Iterable[Item], run: Run
) -> Iterator[Item]:
    """Add what is new, then write the pages."""
    for item in run(items):
        assert isinstance(item, Item)
        if item.load:
            try:
                site.add(item.path, item.stamp, item.load)
            except ItemError as why:
                yield Item(item.path, trouble=str(why))
    if site.count:
        yield from map(Item, site.publish())
        stream.remark(f"the site has {site.count} face{'s' * (site.count != 1)}")
    if options.snippets and site.without_text:
        stream.remark(f"{site.without_text} of the new ones have no text")
