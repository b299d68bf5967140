"""Datasets as inputs: what is known of each image in one, and its pixels."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from animetools.colors import Color
from animetools.dataset.folders import FolderReader
from animetools.dataset.formats import FORMATS, reader
from animetools.dataset.journal import COMPUTED
from animetools.dataset.labelling import Facts, Labelling
from animetools.dataset.labels import check_labels, label_names, summary_of
from animetools.dataset.members import (
    CLASSES,
    LONGEST_LINE,
    METADATA,
    PACKED_IN,
    SOURCES,
    SUMMARY,
)
from animetools.dataset.options import LARGEST_SIZE, LEAST_SIZE
from animetools.dataset.pictures import ImageFiles, Labels, Reader
from animetools.dataset.tfrecords import TFRecordReader
from animetools.dataset.webdataset import RECORD, TEXT, TarReader
from animetools.errors import FatalError, ItemError
from animetools.images.files import decode_rgb, read_rgb
from animetools.images.fit import Rgb

USUAL_SIZE = 512
OPEN = 8  # datasets at once: shards may be thousands
ROWS = 10_000  # labels looked at at once
LONGEST_TEXT = 1 << 20  # bytes of a caption in a tar

_ARCHIVES = tuple(row.ending for row in FORMATS if row.ending)
_WHOLE = (".tar", ".tfrecords", ".labels")  # files of a folder that are nothing but a dataset

_NOT_KEPT = {*COMPUTED, "path", "bytes", "label", PACKED_IN}  # facts about another dataset

opened = lru_cache(OPEN)(reader)

Datasets = dict[str, str]  # their paths, and why one cannot be read, if that is so
Image = tuple[str, int, Facts]  # its path, as if its dataset were a folder; its bytes; its facts


def is_dataset(path: str) -> bool:
    """Whether a path is that of a dataset: a file by its name, a folder by what is in it."""
    if not os.path.isdir(path):
        return os.path.isfile(path) and is_archive_name(path)
    names = [name for name in os.listdir(path) if not name.startswith(".")]
    return SUMMARY in names or (bool(names) and all(name.endswith(_WHOLE) for name in names))


def is_archive_name(path: str) -> bool:
    """Whether a file is a dataset, by its name."""
    return path.lower().endswith(_ARCHIVES)


def is_packed(path: str) -> bool:
    """Whether a path is that of a dataset whose images are not files of their own.

    Raises FatalError if the dataset is malformed.
    """
    return is_dataset(path) and not isinstance(opened(path), FolderReader)


def stamp_of(path: str, length: int, facts: Facts) -> str:
    """What changes with the content of an image of a dataset."""
    dataset = opened(path)
    # In a tar the checksum is that of the name.
    version = f":{dataset.mtime}" if isinstance(dataset, TarReader) else ""
    return f"{length}:{facts[PACKED_IN][2]}{version}"


def datasets_among(files: Iterable[str]) -> Datasets:
    """Those of these files and folders that are datasets."""
    found = Datasets()
    for file in files:
        if file != "-" and is_dataset(file):
            found[file] = ""
            try:
                opened(file)
            except FatalError as why:
                found[file] = str(why).removeprefix(f"{file}: ")
    return found


def kept_labels(datasets: Datasets) -> Labelling | None:
    """How the images of these datasets keep their labels; None if they have none.

    Classes and numbers with the same name become one.
    """
    found, names = False, dict[str, None]()
    for path in _readable(datasets):
        dataset = opened(path)
        if dataset.labels_found():
            found = True
            names |= dict.fromkeys(_names(dataset))
    return Labelling(kept=True, before=tuple(names)) if found else None


def usual_size(datasets: Datasets, grown: str) -> int:
    """The side of the images of the dataset that grows, or of the first of these.

    USUAL_SIZE if they are not squares, or not of a size that --size takes.
    """
    for path in [grown] * is_dataset(grown) + _readable(datasets):
        dataset = opened(path)
        with suppress(ItemError, OSError):
            if len(dataset):
                _, height, width = dataset.shape(0)
                if height == width and LEAST_SIZE <= height <= LARGEST_SIZE:
                    return height
                return USUAL_SIZE
    return USUAL_SIZE


def images_in(path: str, *, labelled: bool) -> Iterator[Image]:
    """The images of a dataset, with what it says of them; with their labels if they are `labelled`.

    Raises FatalError if it is malformed.
    """
    dataset = opened(path)
    lengths, checks = np.divmod(dataset.fingerprints(), np.uint64(2**32))[::-1]
    labels = _labels(dataset) if labelled else None
    names = _names(dataset) if labelled else []
    for index, (known, length, check) in enumerate(
        zip(_records(dataset), lengths.tolist(), checks.tolist(), strict=True)
    ):
        facts = {name: value for name, value in known.items() if name not in _NOT_KEPT}
        facts[PACKED_IN] = [path, index, check]
        if labels is not None:
            facts["label"] = _label(labels[index].tolist(), names)
        # A hostile name may begin with a slash.
        yield os.path.join(path, "") + dataset.name(index), length, facts


def read_image(path: str, facts: Facts, *, max_pixels: int, background: Color) -> tuple[Rgb, bytes]:
    """The pixels of an image, uint8 [H, W, 3]; and its file if it has one in a dataset.

    Raises as images.files.read_rgb.
    """
    if PACKED_IN not in facts:
        return read_rgb(path, max_pixels=max_pixels, background=background), b""
    dataset, index = _with_image(*facts[PACKED_IN])
    if isinstance(dataset, ImageFiles):
        data = dataset.read(index)
        return decode_rgb(data, max_pixels=max_pixels, background=background), data
    planes = dataset.pixels(index, dataset.shape(index))
    if len(planes) not in (1, 3):
        raise ItemError(f"an image of {len(planes)} channels")
    channels = planes if len(planes) == 3 else planes.repeat(3, 0)
    return np.ascontiguousarray(channels.transpose(1, 2, 0)), b""


def _with_image(path: str, index: int, check: int) -> tuple[Reader, int]:
    """The dataset whose image of this number has this checksum, and the number.

    A worker of a cluster outlives the commands: what it has open may have been replaced.

    Raises ItemError if it does not have that image any more.
    """
    for _ in range(2):
        dataset = opened(path)
        if index < len(dataset) and dataset.checksum(index) == check:
            return dataset, index
        opened.cache_clear()
    raise ItemError("it has changed since it was listed")


@lru_cache(1)  # the names of thousands of shards in one folder are in one file
def _names_in(folder: str) -> list[str]:
    return label_names(reader(folder))


def _names(dataset: Reader) -> list[str]:
    """The names of its classes, or of the numbers of a label."""
    if isinstance(dataset, TarReader) and os.path.exists(os.path.join(dataset.folder, SUMMARY)):
        return _names_in(dataset.folder)
    return label_names(dataset)


def _labels(dataset: Reader) -> Labels | None:
    """Its labels; classes where TFRecords have one-hot vectors, unless it says that they are none.

    Raises FatalError if they are malformed.
    """
    labels = dataset.labels()
    if labels is not None and len(labels):
        check_labels(labels, _names(dataset), dataset.path)
    if labels is None or labels.ndim == 1 or not isinstance(dataset, TFRecordReader):
        return labels
    if summary_of(dataset).get(CLASSES) is False:
        return labels
    for first in range(0, len(labels), ROWS):
        rows = labels[first : first + ROWS]
        if not ((rows == 0) | (rows == 1)).all() or (rows.sum(1) != 1).any():
            return labels
    classes = labels.argmax(1)
    return classes if _names(dataset) or classes.max() == labels.shape[1] - 1 else labels


def _readable(datasets: Datasets) -> list[str]:
    return [path for path, trouble in datasets.items() if not trouble]


def _label(label: int | list[float], names: list[str]) -> Any:
    """A label as Labelling keeps it: by name, where it has one."""
    if not names:
        return label
    if isinstance(label, int):
        return names[label]
    return {name: number for name, number in zip(names, label, strict=True) if number}


def _records(dataset: Reader) -> Iterator[Facts]:
    """What is known of each image: by the files beside it in a tar, or else by its record."""
    if isinstance(dataset, TarReader):
        yield from (_noted(dataset, index) for index in range(len(dataset)))
        return
    texts = SOURCES if next(dataset.lines(SOURCES), None) is not None else METADATA
    lines = chain(map(_parsed, dataset.lines(texts)), [{}])
    record = next(lines)
    for index in range(len(dataset)):
        name = dataset.name(index)
        while record and str(record.get("file_name")) < name and not name.startswith("record "):
            record = next(lines)  # of an image that was removed
        if record.get("file_name") == name:
            yield record
            record = next(lines)
        else:
            yield {}


def _noted(dataset: TarReader, index: int) -> Facts:
    """What the files beside an image in a tar say of it."""
    try:
        facts = _parsed(dataset.note(index, RECORD, LONGEST_LINE))
        text = dataset.note(index, TEXT, LONGEST_TEXT)
    except ItemError:  # truncated since it was opened
        return {}
    return facts | ({"text": text.decode("utf-8", "replace").strip()} if text else {})


def _parsed(line: bytes) -> Facts:
    """A record; empty if it is not one."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
