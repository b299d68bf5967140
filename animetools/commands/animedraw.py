"""animedraw: draw a synthetic booru."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from animetools import atomic
from animetools.cli import Item, Opt, Output, Result, Stream, command, processes
from animetools.cli.item import Facts
from animetools.tags import CATEGORIES, GENERAL, Tag

FILES = ("metadata", "boxes")  # facts that go into files of these names, not into the output


@dataclass(frozen=True)
class DrawOptions:
    """The options of animedraw."""

    count: Annotated[
        int,
        Opt("Number of pictures.", "c", min=1, affects=False),  # a larger booru has the same ones
    ] = 100
    seed: Annotated[int, Opt("Random seed; the same seed gives the same files.", min=0)] = 0
    flaws: Annotated[
        float,
        Opt(
            "Number of broken files to add, as a share of the pictures.", unit="SHARE", min=0, max=1
        ),
    ] = 0.0
    portraits: Annotated[
        int | None,
        Opt(
            "Draw only squares with this side, each with one large face.",
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

    Writes original/BUCKET/ID.EXT, as in Danbooru's dumps, metadata.jsonl with tags of what was
    drawn, and boxes.jsonl with the true boxes of the faces; prints the path of each picture. To add
    pictures later, run it again with a larger --count.
    """
    return stream.fold(partial(draw, options), partial(described, stream), numbers(options))


def numbers(options: DrawOptions) -> Iterator[Item]:
    """The items: a number each, as an absolute path, which is the same in every folder."""
    from animetools.artist.posts import total

    for number in range(1, total(options.count, options.flaws) + 1):
        yield Item(f"/original/{number % 1000:04d}/{number}")


def draw(options: DrawOptions, item: Item, output: Output) -> Iterator[Item]:
    """One picture with its metadata and boxes; the journal keeps these for the next run."""
    from animetools.artist.posts import make_post

    number = int(item.path.rsplit("/", 1)[1])
    post = make_post(options.seed, number, options.flaws, options.portraits)
    suffix = post.path[post.path.rindex(".") :]
    path = output.write(suffix, lambda: post.data)
    yield item.made(path, metadata=post.metadata, boxes=post.boxes, face_tags=post.face_tags)


def described(stream: Stream, results: Iterable[Result]) -> Iterator[Result]:
    """Pass the pictures on, and write metadata.jsonl and boxes.jsonl when all are done.

    If a picture failed, or the files describe more pictures, they stay as they are.
    """
    parts: dict[str, atomic.Part] = {}
    count = 0
    try:
        for result in results:
            if isinstance(result, Item):
                for name in () if stream.options.dry_run else FILES:
                    if name not in parts:
                        parts[name] = atomic.Part(os.path.join(stream.out, f"{name}.jsonl"))
                    parts[name].file.write(json.dumps(result.facts[name]).encode() + b"\n")
                count += 1
                result = Item(result.path, record_of(result.facts))
            yield result
        for name in list(parts):
            if not stream.progress.failed and count >= _lines(parts[name].path):
                parts.pop(name).commit(durable=True)
    finally:
        for part in parts.values():
            part.drop()


def record_of(facts: Facts) -> Facts:
    """What a record says of a picture; earlier versions did not keep the tags of each face."""
    metadata, faces = facts["metadata"], facts["boxes"]["faces"]
    tags = [Tag(tag["name"], CATEGORIES[int(tag["category"])]) for tag in metadata["tags"]]
    if "face_tags" in facts:
        faces = [
            face | {"tags": [Tag(name, GENERAL) for name in names]}
            for face, names in zip(faces, facts["face_tags"], strict=True)
        ]
    return {"id": metadata["id"], "tags": tags, "faces": faces}


def _lines(path: str) -> int:
    try:
        with open(path, "rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0
