"""animedraw: draw a synthetic booru."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from animetools import atomic
from animetools.cli import Item, Opt, Output, Result, Stream, command, processes

TOLD = ("metadata", "boxes")  # the facts of a picture that go into files of their own


@dataclass(frozen=True)
class DrawOptions:
    """What animedraw can be told."""

    count: Annotated[
        int,
        Opt("Pictures to draw.", "c", min=1, affects=False),  # they are the same in a larger booru
    ] = 100
    seed: Annotated[int, Opt("Which booru: one seed always gives the same files.", min=0)] = 0
    flaws: Annotated[
        float, Opt("Bad files to add, as a share of the pictures.", unit="SHARE", min=0, max=1)
    ] = 0.0
    portraits: Annotated[
        int | None,
        Opt(
            "Only squares of this side, with one large face each.",
            unit="PIXELS",
            min=64,
            max=4096,
        ),
    ] = None


@command(
    out="raw",
    reads=False,
    workers=processes,
    examples=[
        "animedraw --count 20 -o raw",
        "animedraw --count 20 --seed 7 --flaws 0.2 -o raw | animecrop -o faces",
        "animedraw --count 20 --portraits 256 -o portraits",
    ],
)
def animedraw(options: DrawOptions, stream: Stream) -> int:
    """Draw a synthetic booru of anime pictures.

    Writes original/BUCKET/ID.EXT as Danbooru's dumps have it, metadata.jsonl with tags that say
    what was drawn, and boxes.jsonl with the true boxes of the faces; prints the path of each
    picture. A larger count later adds to what is there.
    """
    return stream.fold(partial(draw, options), partial(tell, stream), numbers(options))


def numbers(options: DrawOptions) -> Iterator[Item]:
    """The items: a number each. As a path from the root it is the same from every folder."""
    from animetools.artist.posts import total

    for number in range(1, total(options.count, options.flaws) + 1):
        yield Item(f"/original/{number % 1000:04d}/{number}")


def draw(options: DrawOptions, item: Item, output: Output) -> Iterator[Item]:
    """One picture, with what is told of it."""
    from animetools.artist.posts import make_post

    number = int(item.path.rsplit("/", 1)[1])
    post = make_post(options.seed, number, options.flaws, options.portraits)
    suffix = post.path[post.path.rindex(".") :]
    path = output.write(suffix, lambda: post.data)
    yield item.made(path, metadata=post.metadata, boxes=post.boxes)


def tell(stream: Stream, results: Iterable[Result]) -> Iterator[Result]:
    """Pass the pictures on and write what is told of them, whole, when all are there.

    Where a picture failed, or a larger booru has been told of, what is there stays.
    """
    parts: dict[str, atomic.Part] = {}
    told = 0
    try:
        for result in results:
            if isinstance(result, Item):
                for name in () if stream.options.dry_run else TOLD:
                    if name not in parts:
                        parts[name] = atomic.Part(os.path.join(stream.out, f"{name}.jsonl"))
                    parts[name].file.write(json.dumps(result.facts[name]).encode() + b"\n")
                told += 1
                result = Item(result.path, {"faces": result.facts["boxes"]["faces"]})
            yield result
        for name in list(parts):
            if not stream.progress.failed and told >= _lines(parts[name].path):
                parts.pop(name).commit(durable=True)
    finally:
        for part in parts.values():
            part.drop()


def _lines(path: str) -> int:
    try:
        with open(path, "rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0
