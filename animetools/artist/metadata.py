"""Metadata in the format of Danbooru2018: one JSON object a line, with numbers as strings."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from numpy.random import PCG64, Generator, SeedSequence

from animetools.artist.tags import Tag

# The day of Danbooru's first picture.
_FIRST_DAY = datetime(2005, 5, 24, tzinfo=UTC)
# Keeps the random numbers of scores and dates separate from those of the pictures.
_STREAM = 2018


def record(
    seed: int, number: int, data: bytes, extension: str, size: tuple[int, int], tags: list[Tag]
) -> dict[str, Any]:
    """The metadata of the file `data` of `size` (width, height), picture `number` of the booru `seed`.

    It depends on the arguments alone, not on the clock.
    """
    rng = Generator(PCG64(SeedSequence([seed, number, _STREAM])))
    created = _FIRST_DAY + timedelta(minutes=37 * number, seconds=int(rng.integers(60)))
    width, height = size
    return {
        "id": str(number),
        "created_at": created.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "uploader_id": str(int(rng.integers(1, 500))),
        "score": str(int(rng.gamma(1.5, 6.0)) - 2),
        "source": "",
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "rating": "s",
        "image_width": str(width),
        "image_height": str(height),
        "is_note_locked": False,
        "file_ext": extension,
        "file_size": str(len(data)),
        "is_rating_locked": False,
        "parent_id": "0",
        "has_children": False,
        "is_status_locked": False,
        "is_pending": False,
        "is_flagged": False,
        "is_deleted": False,
        "is_banned": False,
        "up_score": "0",
        "down_score": "0",
        "favs": [],
        "pools": [],
        "tags": [
            {"id": str(tag.id), "name": tag.name, "category": str(tag.category)} for tag in tags
        ],
    }
