"""The file of --never-match: images that a person calls different."""

import os
import warnings
from collections.abc import Iterator

from animetools import tsv
from animetools.errors import Advice, FatalError, ItemError, PassedOver
from animetools.images.files import read_bytes
from animetools.images.hashes import content_digest
from animetools.images.index_file import Index
from animetools.images.likeness import Different

_LONGEST = 1 << 20  # bytes of a line


def different(path: str, index: Index) -> Different:
    """The pairs of a file: a line for each group of images, with tabs between their paths.

    An image is known by the bytes of its file or, if that is gone, by what the index remembers of it.
    Warns of those that neither knows.

    Raises FatalError if the file cannot be read.
    """
    groups: list[list[bytes]] = []
    unknown: list[str] = []
    for number, line in _lines(path):
        paths = tsv.fields(line)
        if len(paths) < 2:
            raise FatalError(
                f"{path}, line {number}: give at least two paths, with a tab between them"
            )
        contents = {each: _content(each, index) for each in paths}
        unknown += [each for each, content in contents.items() if content is None]
        groups.append([content for content in contents.values() if content])
    if unknown:
        warnings.warn(
            f"{path}: no image and no --index has {len(unknown)} of its paths, such as {unknown[0]}:"
            " give the present paths",
            Advice,
            stacklevel=1,
        )
    return Different(groups)


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers, except empty ones."""
    try:
        with open(path, "rb") as file:
            number = 0
            while line := file.readline(_LONGEST):
                number += 1
                if b"\0" in line or len(line) == _LONGEST:
                    raise FatalError(f"{path}, line {number}: not a list of paths")
                if text := line.rstrip(b"\r\n"):
                    yield number, text
    except OSError as why:
        raise FatalError(f"--never-match {path}: {(why.strerror or '').lower()}") from None


def _content(path: str, index: Index) -> bytes | None:
    """The digest of a file as it is or was."""
    try:
        if os.path.isfile(path):
            return content_digest(read_bytes(path))
    except (ItemError, PassedOver, OSError):
        pass
    known = index.at(path)
    return known.picture.content if known else None
