"""booruselect through real pipes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell


def old(number: int, *tags: str, **facts: Any) -> dict[str, Any]:
    """A post as Danbooru2017 to 2020 have it; a tag may be name:category."""
    named = [(*tag.split(":"), "0")[:2] for tag in tags]
    return {
        "id": str(number),
        "created_at": "2018-05-01 10:00:00 UTC",
        "score": "3",
        "md5": f"{number:032x}",
        "rating": "s",
        "image_width": "1024",
        "image_height": "768",
        "file_ext": "jpg",
        "is_deleted": False,
        "is_banned": False,
        "is_pending": False,
        "tags": [{"id": "1", "name": name, "category": kind} for name, kind in named],
    } | facts


def new(number: int, *tags: str, **facts: Any) -> dict[str, Any]:
    """A post as Danbooru2021 and the site's API have it."""
    kinds = {"0": "general", "1": "artist", "3": "copyright", "4": "character", "5": "meta"}
    named = [(*tag.split(":"), "0")[:2] for tag in tags]
    strings = {
        f"tag_string_{kind}": " ".join(name for name, own in named if own == category)
        for category, kind in kinds.items()
    }
    numbers = {"score": 3, "image_width": 1024, "image_height": 768, "rating": "g"}
    names = {"tag_string": " ".join(sorted(name for name, _ in named))}
    post = old(number) | {"id": number} | numbers | names | strings | facts
    return {name: value for name, value in post.items() if name != "tags"}


def lines(*posts: dict[str, Any]) -> bytes:
    """The posts as lines of JSON."""
    return b"".join(json.dumps(post).encode() + b"\n" for post in posts)


@pytest.mark.parametrize("form", [old, new])
def test_all_tags_and_none_of_the_others(form: Any, shell: Shell, tmp_path: Path) -> None:
    posts = [
        form(7, "1boy", "solo"),
        form(263167, "1boy", "solo", "long_hair"),
        form(8, "1boy", "solo", "trap"),
        form(9, "1boys", "solo"),
        form(10, "solo", source="1boy"),
        form(11, "1boy", "solo", is_deleted=True),
    ]
    (tmp_path / "m.jsonl").write_bytes(lines(*posts))
    done = shell("booruselect --tag 1boy,solo --no-tag trap m.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["original/0007/7.jpg", "original/0167/263167.jpg"]
    assert done.stderr == (
        "booruselect: read 6 = kept 2 + rejected 4 (3 tags, 1 not active) + passed over 0 + failed 0\n"
    )
