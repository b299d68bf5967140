"""animenear: the nearest reference of each image."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

from animetools import atomic
from animetools.cli import Batches, Item, Output, Result, Stream, command
from animetools.cli.cores import cores
from animetools.cli.stream import Run
from animetools.cli.workers import threads
from animetools.errors import FatalError
from animetools.neighbors.options import NearOptions

if TYPE_CHECKING:
    from animetools.neighbors.comparison import Found, Rows
    from animetools.neighbors.reference import Reference
    from animetools.neighbors.steps import Prepared

AT_ONCE = 16  # images that are compared together
MANY = 10_000  # references: a minute, by the tagger's features


@command(
    cluster=True,
    arguments=(
        "REFERENCE [FILE ...]",
        "A folder of images or a dataset. Then the images, folders of them or datasets; without any,"
        " or with -, a list of paths of images on standard input.",
    ),
    examples=[
        "find images/ | animenear dataset.zip | sort -g | head",
        "animenear --sheet pairs.png dataset.zip images/ > near.tsv",
        "find images/ | animenear --by hash --duplicates-below 3% faces/ > copies.txt",
        "animenear --index faces.sqlite --json faces/ images/",
    ],
)
def animenear(options: NearOptions, stream: Stream) -> int:
    """Find the nearest of a reference's images to each image.

    Shows what a network has memorized (REFERENCE is its dataset), and finds copies and look-alikes.
    Prints for each image, in input order, the distance, a tab, its path, a tab and the path of the
    nearest reference. With --duplicates-below only the paths of the closest are printed, and with
    --json records with nearest and distance, also for names with tabs or newlines.

    A distance is 1 - cosine of the features, 0 for the same image; or the share of the bits of the
    hash that differ. Which distances mean a copy depends on the images: compare with those of
    images that certainly are none, such as held-out ones. The features of animetools' tagger
    recognize resized, recompressed, mirrored and slightly cropped copies; hashes only the first two.

    An image that is itself in the reference (the same file, also by a link, or the same image of
    the same dataset) is compared with the others. The search is exact. A million references
    take 0.9 GB of memory by the tagger's features, and 0.2 GB by hashes.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, recognized by their content; with
    animetools[formats] also HEIC and JPEG XL. Datasets are zips, tars, .tfrecords files and folders
    of these.
    """
    if options.sheet:
        from animetools.images.sheet import check_name

        check_name(options.sheet)
    from animetools.neighbors.steps import load_rows

    place, *files = stream.files or ("-",)
    if place == "-":
        raise FatalError("name the reference first: a folder of images, or a dataset")
    options, devices = located(options, stream)
    reference = enlisted(stream, place)
    work = Batches(AT_ONCE, partial(prepare, options), partial(load_rows, options), devices, carry)
    items = chain.from_iterable(images(stream, file) for file in files or ["-"])
    return stream.collect(work, partial(gather, options, stream, devices, reference), items)


def located(options: NearOptions, stream: Stream) -> tuple[NearOptions, list[str]]:
    """The options, with the file of the embedding, and the devices that compare."""
    devices = [options.device]
    if options.by == "embedding":
        from animetools.netfiles.fetch import locate
        from animetools.tagging.tagger import devices_of

        path = options.embedding
        if path:
            path = locate(path, cure="--embedding takes an .onnx file, or its address")
        devices = devices_of(path, options.device)
        options = replace(options, embedding=path, device=devices[0])
    from animetools.neighbors.steps import opened

    if opened(options, devices[0]).is_on_cpu:
        devices *= stream.options.jobs or cores()
    return options, devices


def images(stream: Stream, place: str) -> Iterator[Item]:
    """The images of a folder, a dataset or a list."""
    from animetools.dataset.members import PACKED_IN
    from animetools.dataset.sources import images_in, is_packed, stamp_of

    try:
        if place != "-" and is_packed(place):
            for path, length, facts in images_in(place, labelled=False):
                yield Item(path, facts, stamp_of(place, length, facts))
            return
    except FatalError as why:
        yield Item(place, trouble=str(why).removeprefix(f"{place}: "))
        return
    for item in replace(stream, files=(place,)).items():
        yield replace(item, facts={k: v for k, v in item.facts.items() if k != PACKED_IN})


def enlisted(stream: Stream, place: str) -> "Reference":
    """The images of the reference, before anything is computed.

    Raises FatalError if it cannot be read.
    """
    from animetools.dataset.sources import is_dataset, is_packed
    from animetools.neighbors.reference import Reference

    if not os.path.isdir(place) and not is_dataset(place):
        what = "is neither a folder nor a dataset" if os.path.exists(place) else "does not exist"
        raise FatalError(f"the reference {place} {what}")
    is_packed(place)  # refuses a malformed one
    reference = Reference(place)
    for item in images(stream, place):
        reference.add(item.path, item.facts, item.stamp)
    return reference


def gather(
    options: NearOptions,
    stream: Stream,
    devices: list[str],
    reference: "Reference",
    items: Iterable[Item],
    run: Run,
) -> Iterator[Result]:
    """Compute what is missing of the reference, then find the nearest one of each image."""
    from animetools.neighbors.steps import load_search

    first = list(islice(items, 1))  # without images, or a list of them, there is nothing to compute
    if not first:
        return
    complete(options, stream, reference, run)
    decode: Callable[[Item], Prepared] = partial(prepare, options)
    wanted: Iterable[Item] = chain(first, items)
    here = stream
    if stream.options.cluster:  # which computes rows; the reference is large and stays here
        decode, here = computed, replace(stream, workers=threads)
        wanted = (item for item in run(wanted, counted=False) if isinstance(item, Item))
    load = partial(load_search, options, reference, decode is computed)
    results = here.run(Batches(AT_ONCE, decode, load, devices, partial(note, reference)), wanted)
    if options.sheet and not stream.options.dry_run:
        results = shown(options, stream, reference, results)
    yield from (answer(options, stream, result) for result in results)


def complete(options: NearOptions, stream: Stream, reference: "Reference", run: Run) -> None:
    """Have a row of every reference that can be read, from the index or computed.

    Raises FatalError if there is none.
    """
    from animetools.neighbors.index import Index
    from animetools.neighbors.steps import opened

    comparison = opened(options, options.device)
    reference.begin(comparison.none)
    index = None
    if options.index and not (stream.options.dry_run and not os.path.exists(options.index)):
        index = Index(options.index, comparison.identity)
        reference.recall(index)
    missing = reference.missing()
    if len(missing) >= MANY and not options.index:
        stream.note(f"{reference.place}: {len(missing)} images; --index keeps their features")
    results = run((again(reference, position) for position in missing), counted=False)
    rows = (result.load for result in results if isinstance(result, Item))
    reference.fill(rows, None if stream.options.dry_run else index)
    if index:
        index.close()
    if not len(reference):
        raise FatalError(f"the reference {reference.place} has no image that can be read")


def again(reference: "Reference", position: int) -> Item:
    """An image of the reference as an item."""
    from animetools.cli.inputs import look

    path, facts = reference.picture(position)
    found = Item(path, facts) if facts else look(path, {})
    return (found or Item(path, trouble="a folder")).carrying(position)


def prepare(options: NearOptions, item: Item) -> "Prepared":
    """An image as it is compared, and what it is read by."""
    from animetools.neighbors.reference import read_rgb
    from animetools.neighbors.steps import opened

    rgb = read_rgb(item.path, item.facts, options.max_pixels)
    return opened(options, options.device).prepare(rgb), (item.path, item.facts)


def carry(row: "Rows", item: Item, output: Output) -> Iterator[Item]:
    """A reference with its position and its row."""
    yield item.carrying((item.load, row))


def computed(item: Item) -> "Prepared":
    """The row of an image that a worker of a cluster has computed, and what it is read by."""
    _, row = item.load
    return row, (item.path, item.facts)


def note(reference: "Reference", found: "Found", item: Item, output: Output) -> Iterator[Item]:
    """An image with its nearest reference."""
    path, _ = reference.picture(found.row)
    yield item.noted(nearest=path, distance=found.distance).carrying(found.row)


def shown(
    options: NearOptions, stream: Stream, reference: "Reference", results: Iterator[Result]
) -> Iterator[Result]:
    """The same results; the closest are drawn on a sheet in the end."""
    from animetools.neighbors.pairs import Closest

    closest = Closest()
    for item in results:
        assert isinstance(item, Item)
        closest.add(item.facts["distance"], (item.path, item.facts), reference.picture(item.load))
        yield item
    if closest.count:
        atomic.write(options.sheet, closest.sheet(options.sheet))
        stream.note(f"{options.sheet} shows the closest pairs")


def answer(options: NearOptions, stream: Stream, item: Result) -> Result:
    """An image as it is printed, or why it is not."""
    assert isinstance(item, Item)
    distance = item.facts["distance"]
    limit = options.duplicates_below
    if limit is not None and distance >= limit:
        return item.rejected("not that near", f"{distance:.5f}")
    if limit is not None or stream.options.json:
        return item
    return f"{distance:.5f}\t{item.path}\t{item.facts['nearest']}"
