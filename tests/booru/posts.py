"""Posts as boorus describe them, for tests."""

import json
from typing import Any


def old(number: int, *tags: str, **facts: Any) -> dict[str, Any]:
    """A post as Danbooru2017 to 2020 have it; a tag may be name:category."""
    numbers = {"score": 3, "image_width": 1024, "image_height": 768}
    known = {
        "id": number,
        "created_at": "2018-05-01 10:00:00 UTC",
        "md5": f"{number:032x}",
        "rating": "s",
        "file_ext": "jpg",
        "is_deleted": False,
        "is_banned": False,
        "is_pending": False,
        "tags": [{"id": "1", "name": name, "category": kind} for name, kind in map(_split, tags)],
    }
    post = numbers | known | facts
    return {name: f"{value}" if type(value) is int else value for name, value in post.items()}


def new(number: int, *tags: str, **facts: Any) -> dict[str, Any]:
    """A post as Danbooru2021 and the site's API have it."""
    named = [_split(tag) for tag in tags]
    kinds = {"0": "general", "1": "artist", "3": "copyright", "4": "character", "5": "meta"}
    strings = {
        f"tag_string_{kind}": " ".join(name for name, own in named if own == category)
        for category, kind in kinds.items()
    }
    known = {"id": number, "score": 3, "image_width": 1024, "image_height": 768}
    names = {"tag_string": " ".join(sorted(name for name, _ in named))}
    post = old(number) | known | names | strings | facts
    del post["tags"]
    return post


def _split(tag: str) -> tuple[str, str]:
    name, _, kind = tag.rpartition(":")
    return (name, kind) if name and kind.isdigit() else (tag, "0")


def lines(*posts: dict[str, Any]) -> bytes:
    """The posts as lines of JSON."""
    return b"".join(json.dumps(post, ensure_ascii=False).encode() + b"\n" for post in posts)
