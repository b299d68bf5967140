"""animetag: tag images that have no tags."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from animetools.cli import Batch, Batches, Device, Item, MaxPixels, Opt, Output, Stream, command
from animetools.cli.cores import cores
from animetools.cli.item import below
from animetools.images.containers import MAX_PIXELS
from animetools.options import given
from animetools.tags import names_in, tags_of

if TYPE_CHECKING:
    from animetools.tagging.captions import Style
    from animetools.tagging.selection import Selection
    from animetools.tagging.tagger import Answer, Probabilities, Tagger

OF_CAPTIONS = ("prepend", "replace_underscores", "order", "out", "force")


def one_line(text: str) -> str:
    """Text that stands in a line.

    Raises ValueError if it does not.
    """
    if not text.isprintable():
        raise ValueError(f"{text[:60]!r} has line breaks or other control characters")
    return text.strip(" ,")


@dataclass(frozen=True)
class TagOptions:
    """The options of animetag."""

    model: Annotated[
        str,
        Opt("Tagger in an .onnx file; by default the one of animetools.", "m", unit="FILE"),
    ] = ""
    tags: Annotated[
        str,
        Opt(
            "List of the model's tags: selected_tags.csv of a WD tagger, tags.txt of DeepDanbooru;"
            " by default the one beside the model.",
            unit="FILE",
        ),
    ] = ""
    threshold: Annotated[
        float | None,
        Opt("Lowest probability of a tag; by default what suits the tagger.", min=0, max=1),
    ] = None
    character_threshold: Annotated[
        float | None,
        Opt("The same for characters; by default what suits the tagger.", min=0, max=1),
    ] = None
    general: Annotated[bool, Opt("Leave out general tags.")] = True
    character: Annotated[bool, Opt("Leave out characters.")] = True
    rating: Annotated[bool, Opt("Leave out the rating.")] = True
    exclude: Annotated[str, Opt("Leave out these tags, separated by commas.", unit="TAGS")] = ""
    blacklist: Annotated[
        str,
        Opt(
            "Leave out the tags of a file, one a line; those that begin with # are comments.",
            unit="FILE",
        ),
    ] = ""
    prune: Annotated[
        bool,
        Opt("Leave out tags that others imply, such as hair_ornament beside hair_flower."),
    ] = False
    implications: Annotated[
        str,
        Opt(
            "Danbooru's tag implications for --prune, as CSV or JSON; by default the most common.",
            unit="FILE",
        ),
    ] = ""
    append: Annotated[
        bool,
        Opt("Keep the tags of the record and of a caption that exists, and add what they lack."),
    ] = False
    captions: Annotated[
        bool, Opt("Write the tags beside each image: x.txt for x.png, separated by commas.")
    ] = False
    prepend: Annotated[
        str, Opt("Begin captions with this, such as a trigger word.", unit="TEXT", parse=one_line)
    ] = ""
    replace_underscores: Annotated[bool, Opt("Write spaces for underscores in captions.")] = False
    order: Annotated[
        Literal["probability", "training"],
        Opt(
            "Order of the tags in captions; training begins with the number of people, characters"
            " and copyrights, and ends with the rating."
        ),
    ] = "probability"
    out: Annotated[
        str | None,
        Opt("Folder for the captions, instead of beside the images.", "o", unit="FOLDER"),
    ] = None
    force: Annotated[bool, Opt("Overwrite captions that exist.", "f")] = False
    batch: Batch = 32
    device: Device = "auto"
    dtype: Annotated[
        Literal["auto", "fp32"],
        Opt(
            "Precision of an .onnx tagger on a CPU; auto is bf16 where OpenVINO is installed and the"
            " CPU has bf16, else fp32."
        ),
    ] = "auto"
    max_pixels: MaxPixels = MAX_PIXELS

    def __post_init__(self) -> None:
        """Refuse options that would do nothing."""
        if not self.captions and (useless := given(self, OF_CAPTIONS)):
            raise ValueError(f"{useless[0]} belongs to --captions")
        if self.out == "":
            raise ValueError("--out is empty")
        if self.tags and not self.model:
            raise ValueError("--tags belongs to --model")
        if self.implications and not self.prune:
            raise ValueError("--implications belongs to --prune")
        if self.append and self.force:
            raise ValueError("--append and --force exclude each other")


@command(
    cluster=True,
    examples=[
        "find faces/ | animetag --json > tagged.jsonl",
        "find faces/ | animetag --captions --prepend mywaifu --replace-underscores --prune",
        "animetag --model wd/model.onnx --threshold 0.3 --captions --order training faces/",
    ],
)
def animetag(options: TagOptions, stream: Stream) -> int:
    """Name what is in images: hair and eyes, clothes, expression, characters.

    Reads image paths and prints them unchanged, in input order. With --json each record has tags,
    the most probable first: [name, category, probability]. They replace those of the record, unless
    --append is given. Of the ratings, only the most probable one is given.

    --captions also writes them to a text file for each image. A caption that exists and says
    something else is an error for that image, unless --force or --append is given. The same command
    run again changes nothing.

    The tagger that ships learned from the drawings of animedraw, and knows hair and eye color, hair
    style, hats, glasses, ears, expressions and the number of people. For real illustrations, --model
    takes a WD tagger or DeepDanbooru; pip install 'animetools[tag]' installs what runs them, and
    'animetools[openvino]' what runs them in half the time on a CPU that has bf16.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, recognized by their content; with
    animetools[formats] also HEIC and JPEG XL.
    """
    from animetools.tagging.captions import make_folder
    from animetools.tagging.tagger import devices_of

    found = devices_of(options.model, options.device)
    tagger = opened(options, found[0])
    selection_of(options, found[0])
    if tagger.is_on_cpu:
        found *= stream.options.jobs or cores()
    if options.out and not stream.options.dry_run:
        make_folder(options.out)
    begun = time.time_ns()
    work = Batches(
        tagger.batch,
        partial(decode, options, found[0]),
        partial(load, options),
        found,
        partial(tag, options, found[0], begun, stream.options.dry_run),
    )
    return stream.batches(work)


def opened(options: TagOptions, device: str) -> "Tagger":
    """The tagger on a device, loaded once in each process."""
    from animetools.tagging.tagger import open_tagger

    dtype: Literal["fp32", "bf16"] = "fp32" if options.dtype == "fp32" else "bf16"
    return open_tagger(options.model, options.tags, device, options.batch, dtype)


@cache
def selection_of(options: TagOptions, device: str) -> "Selection":
    """Which tags are selected; its files are read once in each process."""
    from animetools.tagging.names import read_blacklist
    from animetools.tagging.selection import Selection

    tagger = opened(options, device)
    thresholds = list(tagger.thresholds)
    for number, (_, category) in enumerate(tagger.names):
        own = options.character_threshold if category == "character" else options.threshold
        if own is not None:
            thresholds[number] = own
    categories = ("general", "character", "rating")
    unwanted = {category for category in categories if not getattr(options, category)}
    excluded = set(names_in(options.exclude))
    if options.blacklist:
        excluded |= read_blacklist(options.blacklist)
    return Selection(tagger.names, thresholds, unwanted, excluded, style_of(options).implications)


@cache
def style_of(options: TagOptions) -> "Style":
    """How captions are written; its file is read once in each process."""
    from animetools.tagging.captions import Style
    from animetools.tagging.implications import SHIPPED, read_implications

    implied = read_implications(options.implications or SHIPPED) if options.prune else {}
    return Style(options.prepend, options.replace_underscores, options.order, implied)


def decode(options: TagOptions, device: str, item: Item) -> Any:
    """One image as the tagger takes it."""
    from animetools.images.files import read_rgb

    rgb = read_rgb(item.path, max_pixels=options.max_pixels)
    return opened(options, device).prepare(rgb)


def load(options: TagOptions, device: str) -> "Callable[[Sequence[Any]], list[Answer]]":
    """What tags prepared images on a device."""
    from animetools.tagging.tagger import answers

    return partial(answers, opened(options, device))


def tag(
    options: TagOptions,
    device: str,
    begun: int,
    dry: bool,
    found: "Probabilities",
    item: Item,
    output: Output,
) -> Iterator[Item]:
    """One image with its tags, which may also be written to a caption."""
    known = tags_of(item.facts) if options.append else []
    tags = selection_of(options, device)(found, known)
    if options.captions:
        from animetools.tagging.captions import CaptionFile, caption_path

        path = caption_path(below(options.out, item.path) if options.out else item.path)
        file = CaptionFile(path, item.path, begun, options.force, options.append)
        file.write(style_of(options), tags, dry=dry)
    yield item.noted(tags=[list(tag) for tag in tags])
