"""Where a booru's dump keeps the image of a post."""

import os
import re

from animetools.booru.post import Post, PostError
from animetools.names import fitted

ORIGINAL, SAMPLES = "original", "512px"  # folders of a dump
_is_extension = re.compile(r"[A-Za-z0-9]{1,10}").fullmatch
_UNSAFE = re.compile(r"[/%\x00-\x1f\x7f]|^\.")


def root_of(metadata: str, samples: bool) -> str:
    """The folder of the images, or samples, that a metadata file describes: its own, or the one above.

    That is the first with a folder original, or 512px; empty, the current one, if neither has it.
    """
    kind = SAMPLES if samples else ORIGINAL
    folder = os.path.dirname(metadata)
    for place in (folder, os.path.dirname(folder)):
        if os.path.isdir(os.path.join(place, kind)):
            return place
    return ""


def image_of(post: Post, root: str, samples: bool) -> str:
    """The path of a post's image, or sample; empty if its record does not say what file it has.

    Raises PostError if the extension could be part of another path.
    """
    kind, extension = (SAMPLES, "jpg") if samples else (ORIGINAL, post.file_ext)
    if not extension:
        return ""
    if not _is_extension(extension):
        raise PostError("file_ext is not an extension")
    folder = f"{root.rstrip('/')}/{kind}" if root else kind
    return f"{folder}/{post.id % 1000:04d}/{post.id}.{extension}"


def folder_name(character: str) -> str:
    """The name of a character's folder: different for each, and inside any other folder."""
    safe = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", character)
    return fitted(safe, "")
