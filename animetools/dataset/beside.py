"""What a person has prepared beside the pictures of a dataset, and training does not use yet."""

import json
import os
import re
from collections.abc import Iterator
from itertools import islice

import numpy as np

from animetools.dataset.folders import FolderFiles
from animetools.dataset.members import METADATA, SUMMARY
from animetools.dataset.pictures import Encoded, Pictures
from animetools.dataset.reading import listed_labels
from animetools.dataset.tfrecords import Records
from animetools.dataset.webdataset import LABEL, TarFiles, is_shard
from animetools.dataset.zips import ZipFiles
from animetools.images.containers import format_by_name

CAPTIONS = (".txt", ".caption")
NUMBERED = re.compile(r"\d{3,}")  # a folder that is only there because one would be too full
MOST_FOLDERS = 10_000
SHOWN = 3


def beside(pictures: Pictures) -> Iterator[str]:
    """What there is besides: labels, folders that may be classes, captions; a phrase each.

    Raises FatalError, which names the place, if it is broken.
    """
    if isinstance(pictures, Records):
        if (vectors := pictures.label_vectors()) is not None and vectors.shape[1]:
            yield f"labels for {vectors.shape[1]} classes in {os.path.basename(pictures.labels_path)}"
    elif isinstance(pictures, Encoded):
        files = pictures.files
        labels = list(_of_tar(files) if isinstance(files, TarFiles) else _of_summary(files))
        yield from labels or _elsewhere(files) or _folders(files)
        yield from _captions(files)


def _of_tar(files: TarFiles) -> Iterator[str]:
    if count := np.count_nonzero(files.label_lengths):
        yield f"labels for {count} of {len(files)} images in .{LABEL} files"


def _of_summary(files: FolderFiles | ZipFiles) -> Iterator[str]:
    """The labels of dataset.json, and which are missing or too many."""
    if not (labels := listed_labels(files)):
        return
    first = next(iter(labels.values()))
    if isinstance(first, list):
        kind = f"of {len(first)} numbers"
    else:
        kind = f"for {len({label for label in labels.values() if isinstance(label, int)})} classes"
    with_label = sum(files.name(index) in labels for index in range(len(files)))
    odd = []
    if without := len(files) - with_label:
        odd.append(f"images without one: {without}")
    if gone := len(labels) - with_label:
        odd.append(f"labels without an image: {gone}")
    yield f"labels {kind} in {SUMMARY}" + f" ({', '.join(odd)})" * bool(odd)


def _elsewhere(files: FolderFiles | ZipFiles | TarFiles) -> list[str]:
    """The first dataset.json that is not where its format wants it, and is not read."""
    names = (name for name in files.everything() if os.path.basename(name) == SUMMARY)
    return list(islice((n for n in names if n != SUMMARY or isinstance(files, TarFiles)), 1))


def _folders(files: FolderFiles | ZipFiles | TarFiles) -> Iterator[str]:
    found: set[str] = set()
    for name in files.everything():
        folder = os.path.basename(os.path.dirname(name))
        is_number = NUMBERED.fullmatch(folder) or is_shard(folder)
        if folder and not is_number and format_by_name(name):
            found.add(folder)
        if len(found) == MOST_FOLDERS:
            break
    if len(found) > 1:
        first = ", ".join(sorted(found)[:SHOWN]) + ", ..." * (len(found) > SHOWN)
        yield f"{len(found)} folders that may be classes ({first})"


def _captions(files: FolderFiles | ZipFiles | TarFiles) -> Iterator[str]:
    """Captions in files beside the images, x.txt or x.png.txt beside x.png, or in one file of all."""
    texts = {os.path.splitext(name)[0] for name in files.everything() if name.endswith(CAPTIONS)}
    if texts:
        names = (name for name in files.everything() if format_by_name(name))
        found = texts.intersection(
            stem for name in names for stem in (name, os.path.splitext(name)[0])
        )
        if found:
            yield f"captions for {len(found)} of {len(files)} images"
    if not isinstance(files, TarFiles):
        try:
            record = json.loads(next(files.lines(METADATA), b"{}"))
        except (ValueError, RecursionError):
            return
        if isinstance(record, dict) and "text" in record:
            yield f"captions in {METADATA}"
