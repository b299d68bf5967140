"""Where a booru's dump keeps the image of a post."""

import os
import re

from animetools.booru.post import Post
from animetools.names import fitted

ORIGINAL, SAMPLES = "original", "512px"
_UNSAFE = re.compile(r"[/%\x00-\x1f\x7f]|^\.")


def root_of(metadata: str, kind: str) -> str:
    """The folder of the images that a metadata file describes: its own, or the one above.

    That is the first with a folder `kind`, ORIGINAL or SAMPLES; empty, the current one, if neither has.
    """
    folder = os.path.dirname(metadata)
    for place in (folder, os.path.dirname(folder)):
        if os.path.isdir(os.path.join(place, kind)):
            return place
    return ""


def image_of(post: Post, root: str, kind: str) -> str:
    """The path of a post's image; empty if its record does not say what file it has."""
    extension = "jpg" if kind == SAMPLES else post.extension
    if not extension:
        return ""
    return os.path.join(root, kind, f"{post.id % 1000:04d}", f"{post.id}.{extension}")


def folder_name(character: str) -> str:
    """The name of a character's folder: different for each, and inside any other folder."""
    safe = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", character)
    return fitted(safe, "")
