"""booruselect: choose images of a booru by its metadata."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, TypeGuard

from animetools.booru.filters import Filters
from animetools.cli import Item, Opt, Output, Rejected, Result, Stream, command
from animetools.cli.item import reason_of
from animetools.cli.stream import Run
from animetools.errors import FatalError, ItemError, PassedOver

if TYPE_CHECKING:
    from animetools.booru.blocks import Block
    from animetools.booru.post import Post


@dataclass(frozen=True)
class SelectOptions(Filters):
    """The options of booruselect."""

    limit: Annotated[int | None, Opt("Stop after so many posts.", min=1)] = None
    sample: Annotated[
        int | None, Opt("Choose so many of the posts at random, when all are read.", min=1)
    ] = None
    seed: Annotated[int, Opt("Seed of --sample; the same seed chooses the same posts.", min=0)] = 0
    count_tags: Annotated[
        Literal["all", "general", "artist", "copyright", "character", "meta"] | None,
        Opt("Print the tags of a category and their number of posts, most frequent first."),
    ] = None
    top_characters: Annotated[
        int | None,
        Opt("Choose the posts of the N characters with the most posts, for --link.", min=1),
    ] = None
    link: Annotated[
        str,
        Opt(
            "Make a folder for each of --top-characters in this folder, with hard links to the"
            " images, and print those; a post with two of them is in both.",
            unit="DIR",
        ),
    ] = ""
    root: Annotated[
        str,
        Opt(
            "Folder of the images, which are in original/; by default the folder of the metadata or"
            " the one above if that has them, else the current one.",
            unit="DIR",
        ),
    ] = ""
    samples_512: Annotated[bool, Opt("Print the paths of the 512px/ versions.")] = False
    existing: Annotated[bool, Opt("Pass over images that are not in the folder.")] = False
    ids: Annotated[bool, Opt("Print ids instead of paths.")] = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        super().__post_init__()
        if bool(self.link) != (self.top_characters is not None):
            raise ValueError("--top-characters and --link need each other")
        if self.link and self.ids:
            raise ValueError("--link prints paths, not --ids")
        ends = {"--sample": self.sample, "--count-tags": self.count_tags, "--link": self.link}
        if len(given := [flag for flag, value in ends.items() if value]) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other")

    @property
    def counted(self) -> str | None:
        """The category of the tags that are counted, empty for all; None if none are."""
        if self.link:
            return "character"
        return "" if self.count_tags == "all" else self.count_tags


@command(
    reads=False,
    arguments=(
        "FILE ...",
        "Metadata: lines of JSON, also compressed (gzip, xz, zstd) or in a tar, SQLite and Parquet"
        " files, or folders of them; none or -: metadata, no list, on standard input.",
    ),
    examples=[
        "booruselect --tag 1boy,solo --no-tag trap raw/metadata.jsonl > paths.txt",
        "booruselect --rating sfw --character hatsune_miku raw/metadata.jsonl | animecrop --json",
        "booruselect --count-tags character raw/metadata.jsonl | head -1000",
        "booruselect --top-characters 1000 --link characters raw/metadata.jsonl",
    ],
)
def booruselect(options: SelectOptions, stream: Stream) -> int:
    """Choose images of a booru by its metadata.

    Reads the metadata of Danbooru's dumps of any year and prints the path of each wanted image, as the
    dumps name them: original/0167/263167.jpg. With --json, its record also has the id, md5, rating,
    date and tags of the post.

    Options are conditions, and all must hold. Tags are Danbooru's, with _ for spaces; an option takes
    several, separated by commas, and may be repeated. Deleted, banned and pending posts are left out.

    Ratings have changed: from 2022 on there are g, s, q and e (general, sensitive, questionable,
    explicit); before, s was safe, about the g and s of today. So --rating sfw, which is g,s, means the
    same in all dumps; --rating g finds nothing in the old ones.

    A line that cannot be read is reported with its number. What is there of a cut file is used.
    """
    if ("-" in stream.files or not stream.files) and os.isatty(0):
        raise FatalError("no input: name metadata files, or pipe metadata to standard input")
    work = partial(choose, options, stream.options.json)
    return stream.collect(work, partial(gathered, options, stream), blocks(options, stream))


def blocks(options: SelectOptions, stream: Stream) -> Iterator[Item]:
    """The items: blocks of lines or rows."""
    from animetools.booru.blocks import NOT_METADATA, STDIN, blocks_of
    from animetools.booru.images import root_of

    wanted = options.columns | ({f"tag_string_{options.counted}"} if options.counted else set())
    for file in stream.files or ("-",):
        files = [Item("-")] if file == "-" else replace(stream, files=(file,)).items()
        for item in files:
            if item.trouble:
                yield item
                continue
            root = options.root or root_of(item.path, options.samples_512)
            try:
                for block in blocks_of(item.path, root, wanted):
                    yield Item(block.name, load=block)
            except (ItemError, OSError) as why:
                is_other = item.path != file and str(why) == NOT_METADATA  # in a folder
                name = STDIN if item.path == "-" else item.path
                yield Item(name, trouble="" if is_other else reason_of(why))


def choose(options: SelectOptions, as_json: bool, item: Item, output: Output) -> Iterator[Result]:
    """The wanted posts of a block."""
    from animetools.booru.conditions import Conditions
    from animetools.booru.post import PostError, post_of

    block: Block | None = item.load
    if block is None:
        raise PassedOver("not metadata")
    conditions, others = Conditions(options), Counter[str]()
    for number, entry in enumerate(block.entries, block.first):
        if entry in (b"\n", b"\r\n"):
            continue
        try:
            post = post_of(entry)
            objection = conditions.objection(post, entry)
            if objection:
                others[objection] += 1
            else:
                yield chosen(options, as_json, block, post)
        except PostError as why:
            yield Item(block.name, trouble=f"{block.place(number)}: {why}")
    for objection, count in others.items():
        yield Rejected(block.name, objection, f"{count} of {block.range}", count)


def chosen(options: SelectOptions, as_json: bool, block: "Block", post: "Post") -> Result:
    """A post as an item, with its id and those of its tags that are counted, if it has a file."""
    from animetools.booru.images import image_of

    path = image_of(post, block.root, options.samples_512)
    if not path and not (options.ids or options.count_tags):
        return Rejected(block.name, "no file_ext", f"post {post.id}")
    if (options.existing or options.link) and not os.path.isfile(path):
        return Rejected(block.name, "not downloaded", path)
    names = [] if options.counted is None else post.names_of(options.counted)
    return Item(path, post.facts() if as_json else {}, load=(post.id, names))


def gathered(
    options: SelectOptions, stream: Stream, items: Iterable[Item], run: Run
) -> Iterator[Result]:
    """What is printed of the posts, and what was not chosen."""
    results = counted(options.limit, stream, run(items, counted=False))
    if options.count_tags:
        results = tags_counted(results)
    elif options.sample:
        results = sampled(options.sample, options.seed, results)
    elif options.link:
        results = linked(options, stream, results)
    for result in results:
        yield str(result.load[0]) if options.ids and is_chosen(result) else result


def counted(limit: int | None, stream: Stream, results: Iterable[Result]) -> Iterator[Result]:
    """The same, up to so many chosen posts; the summary counts posts, not blocks."""
    count = 0
    for result in results:
        stream.count(result.count if isinstance(result, Rejected) else 1)
        yield result
        count += is_chosen(result)
        if count == limit:
            return


def is_chosen(result: Result) -> TypeGuard[Item]:
    """Whether it is a post, not a reject or a failure."""
    return isinstance(result, Item) and not result.trouble


def tags_counted(results: Iterable[Result]) -> Iterator[Result]:
    """A line for each tag, instead of posts."""
    from animetools.booru.characters import ranked

    counts: Counter[str] = Counter()
    for result in results:
        if is_chosen(result):
            counts.update(result.load[1])
        else:
            yield result
    yield from (f"{name}\t{count}" for name, count in ranked(counts))


def sampled(count: int, seed: int, results: Iterable[Result]) -> Iterator[Result]:
    """A random sample of the posts; the others as rejects."""
    from animetools.booru.sample import Sample

    sample: Sample[Item] = Sample(count, seed)
    for result in results:
        if not is_chosen(result):
            yield result
        elif other := sample.offer(result.load[0], result):
            yield other.rejected("not in the sample")
    yield from sample.things()


def linked(options: SelectOptions, stream: Stream, results: Iterable[Result]) -> Iterator[Result]:
    """A link for each of the most frequent characters of each post."""
    from animetools.booru.characters import Cast, link, link_path

    with Cast() as cast:
        for result in results:
            if is_chosen(result):
                cast.add(result.path, result.facts, result.load[1])
            else:
                yield result
        for image, facts, names in cast.top(options.top_characters or 0):
            if not names:
                yield Rejected(image, "no top character")
            for name in names:
                path = link_path(options.link, name, image)
                try:
                    if not stream.options.dry_run:
                        link(image, path)
                    yield Item(path, {"source": image} | facts | {"class": name})
                except ItemError as why:
                    yield Item(image, trouble=str(why))
