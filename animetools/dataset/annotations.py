"""What comes with the pictures of a dataset and is not learned: labels, folders, captions."""

import json
import os
import re
from collections.abc import Iterator

from animetools.dataset.members import METADATA, SUMMARY
from animetools.dataset.pictures import Reader
from animetools.images.containers import format_by_name
from animetools.images.sidecars import CAPTIONS

NUMBERED = re.compile(r"\d{3,}|.*\.tar")  # folders of images that mean no class, and shards
MOST_FOLDERS = 10_000
SHOWN = 3


def annotations(reader: Reader, *, learned: bool) -> Iterator[tuple[str, str]]:
    """A phrase each for labels, folders that may be classes, and captions, and what learns them.

    With `learned` the labels are, and are left out.
    Raises FatalError, which names the place, if they are malformed.
    """
    if not learned:
        found = [(labels, "--cond does") for labels in _labels(reader)]
        yield from found or (
            (folders, "animepack --class-by folder makes labels of them, for --cond")
            for folders in _folders(reader)
        )
    for captions in _captions(reader):
        yield captions, "animepack --labels tags makes labels of their tags, for --cond"


def _labels(reader: Reader) -> Iterator[str]:
    """The labels, or else the first dataset.json in a place where its format does not read it."""
    if found := reader.labels_found():
        yield found
        return
    is_read = next(reader.lines(SUMMARY), None) is not None
    for name in reader.files():
        if os.path.basename(name) == SUMMARY and not (is_read and name == SUMMARY):
            yield name
            return


def _folders(reader: Reader) -> Iterator[str]:
    found: set[str] = set()
    for name in reader.files():
        folder = os.path.basename(os.path.dirname(name))
        if folder and not NUMBERED.fullmatch(folder) and format_by_name(name):
            found.add(folder)
        if len(found) == MOST_FOLDERS:
            break
    if len(found) > 1:
        first = ", ".join(sorted(found)[:SHOWN]) + ", ..." * (len(found) > SHOWN)
        yield f"{len(found)} folders that may be classes ({first})"


def _captions(reader: Reader) -> Iterator[str]:
    """Captions in files beside the images, x.txt or x.png.txt beside x.png, or in one file of all."""
    texts = {os.path.splitext(name)[0] for name in reader.files() if name.endswith(CAPTIONS)}
    if texts:
        names = (name for name in reader.files() if format_by_name(name))
        found = texts.intersection(
            stem for name in names for stem in (name, os.path.splitext(name)[0])
        )
        if found:
            yield f"captions for {len(found)} of {len(reader)} images"
    try:
        record = json.loads(next(reader.lines(METADATA), b"{}"))
    except (ValueError, RecursionError):
        return
    if isinstance(record, dict) and "text" in record:
        yield f"captions in {METADATA}"
