"""animepack: make one dataset of many images."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from animetools.cli import Item, Opt, Output, Result, Stream, command
from animetools.cli.item import Work, reason_of
from animetools.cli.stream import Run
from animetools.dataset.options import LabelOptions
from animetools.errors import FatalError, ItemError, PassedOver

if TYPE_CHECKING:
    from animetools.dataset.captions import Needs
    from animetools.dataset.encode import Encode, Packable
    from animetools.dataset.journal import Listed
    from animetools.dataset.packing import Packing

SAMPLE = 8  # images encoded before the others, to estimate the size of the dataset


@dataclass(frozen=True)
class PackOptions(LabelOptions):
    """The options of animepack."""

    sidecars: Annotated[
        bool,
        Opt(
            "Pack the captions and other sidecars of each image beside it: x.txt and x.jpg.json of"
            " x.jpg become img00000000.txt and img00000000.png.json."
        ),
    ] = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        super().__post_init__()
        if self.captions and self.sidecars:
            raise ValueError("--captions and --sidecars exclude each other: both would write x.txt")


@command(
    out="dataset.zip",
    examples=[
        "find faces/ | animepack --size 256 -o faces.zip",
        "find faces/ | animepack --fit cover --quality 90 -o dataset/",
        "animedraw --count 4 --json | animepack --labels tags --min-count 2 -o tagged.zip",
        "find faces/ | animepack --class-by folder --size 256 -o classes.zip",
        "animedraw --count 2 --portraits 512 --json | animepack --captions -o lora/",
    ],
)
def animepack(options: PackOptions, stream: Stream) -> int:
    """Make one dataset of many images, all of one size.

    Reads image paths and writes the path of the dataset when it is finished: a StyleGAN2-ADA zip,
    or a folder of the same files where the name does not end in .zip. The next run continues one
    that was killed, and leaves a finished dataset of the same images as it is.

    Tags and captions come from records, else from x.txt, x.caption or x.png.txt beside x.png, else
    from --metadata; an image without is left out. Tags become a caption with spaces for underscores.
    Those of the categories meta and rating are neither in captions nor in the vectors of --labels.
    Labels go into dataset.json, with the names of their classes or tags.

    A folder of --captions is read by sd-scripts (kohya), OneTrainer and musubi-tuner, and by Hugging
    Face's load_dataset("imagefolder", data_dir=FOLDER). Its captions.json is a metadata_file of
    sd-scripts, its captions.jsonl an image_jsonl_file of musubi-tuner. Where each image comes from is
    in sources.jsonl; in other datasets in metadata.jsonl.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, by their content; HEIC and JPEG XL where
    animetools[formats] is installed. One that cannot be read is left out.
    """
    from animetools.dataset.formats import format_to_write

    if options.size & (options.size - 1):
        stream.note(f"--size {options.size} is not a power of two, which StyleGAN needs")
    stream = stream.keyed(background=list(options.background))  # as dataset.json keeps it
    work = partial(pack, options, format_to_write(stream.out, captions=options.captions).encode)
    ordered = replace(stream.options, unordered=False)  # the order names the images
    listed = replace(stream, out="", options=ordered)  # the dataset has its own journal
    return listed.collect(work, partial(gather, options, work, stream))


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
    if options.captions:
        sidecars = ((".txt", f"{item.facts['text']}\n".encode()),)
    packable = Packable(encode(square, options.quality), width, height, how, sidecars)
    yield item.carrying((item.load, packable))


def gather(
    options: PackOptions, work: Work, stream: Stream, items: Iterable[Item], run: Run
) -> Iterator[Item]:
    """List everything, estimate what it will cost, pack what is missing."""
    from animetools.dataset.captions import CaptionFile, Needs
    from animetools.dataset.packing import Packing

    force, dry = stream.options.force, stream.options.dry_run
    others = CaptionFile(options.metadata) if options.metadata else None
    needs = Needs(options.captions, options.labelling, others)
    with Packing(stream.out, stream.made_with, needs.labelling, force=force, dry=dry) as packing:
        wanted = described(needs, stream, packing, items)
        packing.enlist((i.path, *i.size_and_time, i.facts, i.trouble) for i in wanted)
        stream.count(packing.count)
        for name in packing.unused_names():
            stream.note(
                f"no image has the tag {name} of {'--labels' if options.labels else '--class-by'}"
            )
        readable = _loads(run(_items(packing.doubtful()), counted=False))
        packing.settle(position for position, _ in readable)
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


def described(
    needs: "Needs", stream: Stream, packing: "Packing", items: Iterable[Item]
) -> Iterator[Item]:
    """The images to pack, with the facts that their labels and captions are made of."""
    from animetools.images.containers import format_by_name
    from animetools.images.files import read_bytes

    kept, reason = False, ""
    for item in items:
        missing = ""
        if packing.is_own(item.path):  # `find .` lists an earlier run's dataset
            stream.pass_over(item.path, "the dataset itself")
            continue
        if not item.trouble:
            try:
                facts, missing = needs.facts(item.path, item.facts)
                if missing and not format_by_name(item.path):
                    read_bytes(item.path)  # raises PassedOver for what is not an image
                item = replace(item, facts=facts)
            except PassedOver as why:
                stream.pass_over(item.path, str(why))
                continue
            except (ItemError, OSError) as why:
                item, missing = replace(item, trouble=reason_of(why)), ""
        if missing:
            stream.reject(item.path, missing)
            reason = missing
        else:
            kept = True
            yield item
    if reason and not kept:
        raise FatalError(f"{stream.out} was not made, because no image can be packed: {reason}")


def _items(sources: "Iterable[Listed]") -> Iterator[Item]:
    for source in sources:
        yield Item(source.path, source.facts, trouble=source.trouble, load=source.position)


def _loads(results: Iterable[Result]) -> "Iterator[tuple[int, Packable]]":
    """The position of each image in the list, and the image."""
    for result in results:
        assert isinstance(result, Item)
        yield result.load


def _foretell(work: Work, stream: Stream, packing: "Packing") -> None:
    """Say how large the dataset becomes, from a few images; stop where the disk is too small."""
    from animetools.estimate import forecast

    sizes = []
    sample = [source for source in packing.sample(SAMPLE) if not source.trouble]
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
