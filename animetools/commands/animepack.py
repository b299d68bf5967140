"""animepack: make one dataset of many images."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from animetools.cli import Item, Output, Result, Stream, command
from animetools.cli.item import Work, reason_of
from animetools.cli.stream import Run
from animetools.dataset.options import PackOptions
from animetools.errors import FatalError, ItemError, PassedOver

if TYPE_CHECKING:
    from animetools.dataset.captions import Needs
    from animetools.dataset.encode import Encode, Packable
    from animetools.dataset.journal import Listed
    from animetools.dataset.labelling import Labelling
    from animetools.dataset.packing import Packing

SAMPLE = 8  # images encoded before the others, to estimate the size of the dataset


@command(
    out="dataset.zip",
    arguments=(
        "FILE ...",
        "Images, folders of images, or datasets; without any, or with -, a list of paths of images on"
        " standard input.",
    ),
    cluster=True,
    examples=[
        "find faces/ | animepack --size 256 -o faces.zip",
        "find faces/ | animepack --fit cover --quality 90 -o dataset/",
        "animedraw --count 4 --json | animepack --labels tags --min-count 2 -o tagged.zip",
        "find faces/ | animepack --class-by folder --size 256 -o classes.zip",
        "animedraw --count 2 --portraits 512 --json | animepack --captions -o lora/",
        "animepack dataset.zip --format tfrecords -o records/",
        "animepack shards/*.tar -o converted.zip",
        "find faces/ | animepack --append",
    ],
)
def animepack(options: PackOptions, stream: Stream) -> int:
    """Make one dataset of many images, all of one size.

    Reads image paths and writes the path of the dataset when it is finished: a StyleGAN2-ADA zip,
    or a folder of the same files where the name does not end in .zip. The next run continues one
    that was killed, and leaves a finished dataset of the same images as it is. With --append it adds
    what is new: classes and tags keep their numbers, and no image is written again.

    Arguments that are datasets are converted: zips, tars and .tfrecords files, and folders of these or
    with a dataset.json. Labels with their names, tags and captions are kept, and JPEG files that need
    not change are copied. For --append, an image of a dataset is known by its name in it.

    TFRecords have a file for each resolution, NAME-r02.tfrecords to NAME-r10.tfrecords, and labels in
    NAME-rxx.labels. A WebDataset is NAME-000000.tar and so on, with 000000000.png, .json (the record),
    .cls (the class) and .txt (the caption) of each image.

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
    from animetools.dataset.sources import datasets_among, kept_labels, usual_size

    if options.append and stream.options.force:
        raise FatalError("--append keeps the images that are there, and --force replaces them")
    datasets = datasets_among(stream.files)
    size = options.size or usual_size(datasets, stream.out if options.append else "")
    options = replace(options, size=size)
    if size & (size - 1):
        stream.note(f"--size {size} is not a power of two, which StyleGAN needs")
    stream = stream.keyed(size=size, background=list(options.background))  # as in dataset.json
    kind = format_to_write(stream.out, options.format, captions=options.captions)
    work = partial(pack, options, kind.encode)
    ordered = replace(stream.options, unordered=False)  # the order names the images
    listed = replace(stream, out="", options=ordered)  # the dataset has its own journal
    labelling = options.labelling or kept_labels(datasets)
    items = inputs(stream, datasets, labelled=bool(labelling and labelling.kept))
    return listed.collect(work, partial(gather, options, labelling, work, stream), items)


def inputs(stream: Stream, datasets: dict[str, str], *, labelled: bool) -> Iterator[Item]:
    """The items of the arguments; those of a dataset are its images."""
    from animetools.dataset.members import PACKED_IN
    from animetools.dataset.sources import images_in, is_archive_name

    for file in stream.files or ("-",):
        if trouble := datasets.get(file):
            yield Item(file, trouble=trouble)
        elif file in datasets:
            for path, size, facts in images_in(file, labelled=labelled):
                yield Item(path, facts, stamp=f"{size}:0")
        else:
            for item in replace(stream, files=(file,)).items():
                if item.path != file and is_archive_name(item.path):
                    stream.report.once("datasets in a list are not opened: name them as arguments")
                yield replace(item, facts={k: v for k, v in item.facts.items() if k != PACKED_IN})


def pack(options: PackOptions, encode: "Encode", item: Item, output: Output) -> Iterator[Item]:
    """One image, fitted and encoded."""
    from animetools.dataset import encode as files
    from animetools.dataset.captions import sidecars_beside
    from animetools.dataset.sources import read_image
    from animetools.images.fit import fit

    assert options.size
    rgb, data = read_image(
        item.path, item.facts, max_pixels=options.max_pixels, background=options.background
    )
    height, width = rgb.shape[:2]
    square, how = fit(
        rgb, options.size, options.fit, enlarge=options.enlarge, background=options.background
    )
    image = files.suffix(options.quality)
    found = sidecars_beside(item.path, item.facts) if options.sidecars else ()
    sidecars = tuple((image * one.name_is_whole + one.ending, one.read()) for one in found)
    if options.captions:
        sidecars = ((".txt", f"{item.facts['text']}\n".encode()),)
    is_same = encode is files.encode and options.quality is None and square.shape == rgb.shape
    if is_same and files.is_plain_jpeg(data):  # encoding it again would lose some of it
        packable = files.Packable(data, width, height, how, sidecars, ".jpg")
    else:
        packable = files.Packable(encode(square, options.quality), width, height, how, sidecars)
    yield item.carrying((item.load, packable))


def gather(
    options: PackOptions,
    labelling: "Labelling | None",
    work: Work,
    stream: Stream,
    items: Iterable[Item],
    run: Run,
) -> Iterator[Item]:
    """List everything, estimate what it will cost, pack what is missing."""
    from animetools.dataset.captions import CaptionFile, Needs
    from animetools.dataset.packing import Packing

    force, dry = stream.options.force, stream.options.dry_run
    others = CaptionFile(options.metadata) if options.metadata else None
    needs = Needs(options.captions, labelling, others)
    packing = Packing(
        stream.out,
        stream.made_with,
        labelling,
        force=force,
        dry=dry,
        grows=options.append,
        shard_size=options.shard_size,
        shard_images=options.shard_images,
    )
    with packing:
        wanted = described(needs, stream, packing, items)
        packing.enlist((i.path, *i.size_and_time, i.facts, i.trouble) for i in wanted)
        stream.count(packing.already + packing.count - packing.first)
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
                        f"{enlarged} of {packing.count - packing.first} images were smaller and are"
                        " enlarged, which blurs them: run animeupscale before animepack"
                    )
                packing.finish()
    yield Item(stream.out)


def described(
    needs: "Needs", stream: Stream, packing: "Packing", items: Iterable[Item]
) -> Iterator[Item]:
    """The images to pack, with the facts that their labels and captions are made of."""
    from animetools.dataset.members import PACKED_IN
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
                if missing and not (PACKED_IN in item.facts or format_by_name(item.path)):
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
