"""The table of dataset formats: how each is recognized, read and written."""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from animetools.dataset.caption_folder import caption_texts, flat_name
from animetools.dataset.encode import Encode, encode
from animetools.dataset.folders import FolderReader, FolderWriter
from animetools.dataset.growing import complete
from animetools.dataset.labelling import Facts, Lines
from animetools.dataset.labels import Label
from animetools.dataset.members import METADATA, SOURCES, Member, image_name
from animetools.dataset.pictures import Reader
from animetools.dataset.tar_writer import TarWriter, notes, sample_name
from animetools.dataset.tfrecord_writer import TFRecordWriter, encode_records, record_name
from animetools.dataset.tfrecords import TFRecordReader
from animetools.dataset.webdataset import TarReader
from animetools.dataset.zips import ZipReader, ZipWriter
from animetools.errors import FatalError

Note = tuple[str, bytes]  # the ending and the content of a file beside an image
HEAD = 512  # bytes of a file that tell its format


class Writer(Protocol):
    """A dataset that grows in `.NAME.part`, a file or a folder, and survives any kill.

    Made with the path that it is to have, and with the Reader of the finished dataset there if it is
    to be added to that. Raises BlockingIOError while another process writes it, OSError if it cannot
    be written.
    """

    def append(self, name: str, data: bytes) -> Member:
        """Add a member behind all others: an image as the format encodes it, or a sidecar."""

    def holds(self, member: Member) -> bool:
        """Whether a member is complete."""

    def cut(self, last: Member | None) -> None:
        """Remove all that comes after a member; after None: everything."""

    def sync(self) -> None:
        """Wait until all of it is on the disk."""

    def finish(
        self,
        members: Iterable[Member],
        texts: Mapping[str, Lines],
        mtime: int,
    ) -> None:
        """Add text files, dataset.json among them, and rename it to its path.

        `members` are all that it holds, in order; `texts` gives the lines of each file; `mtime`, in
        nanoseconds, is what its Reader will say. Killed at any moment, it can be finished again after
        a `cut`.

        What is to be added to a finished dataset is renamed to `.NAME.added` first. From then on it
        belongs to the dataset: if joining the two is interrupted, growing.complete goes on with it.
        """

    def close(self) -> None:
        """Leave it for the next run; an empty one is removed."""


def _metadata(lines: Lines, path: str) -> dict[str, Lines]:
    return {METADATA: lines}


@dataclass(frozen=True)
class Format:
    """A row of the table: `read` opens a dataset, `write` starts one.

    `texts` gives the files of a written one besides dataset.json, made of the lines of its records, and
    of its path; `records` is the one with the records themselves. `notes`, if there are any, gives
    the files beside an image, of its record, its label and the names of labels. With `labels_apart`
    labels are not in dataset.json.

    A file is recognized by `magic` at its byte `magic_at`, or else by the `ending` of its name; a
    folder by such files in it, where `in_folder` is set. A format without an ending takes all other
    folders.
    """

    name: str
    ending: str
    read: Callable[[str], Reader]
    write: Callable[..., Writer]  # of the arguments that Writer names
    magic: bytes = b""
    magic_at: int = 0
    in_folder: bool = False
    writes_folder: bool = False
    encode: Encode = encode  # what a Writer takes: image files, or whatever it makes of pixels
    image_name: Callable[[int, str], str] = image_name  # of an image's number and suffix
    texts: Callable[[Lines, str], dict[str, Lines]] = _metadata
    records: str = METADATA
    notes: Callable[[Facts, Label | None, list[str]], Iterable[Note]] | None = None
    labels_apart: bool = False


FORMATS = (
    Format("zip", ".zip", ZipReader, ZipWriter, magic=b"PK"),
    Format(
        "tfrecords", ".tfrecords", TFRecordReader, TFRecordWriter, in_folder=True,
        writes_folder=True, encode=encode_records, image_name=record_name, labels_apart=True,
    ),
    Format(
        "webdataset", ".tar", TarReader, TarWriter, magic=b"ustar", magic_at=257, in_folder=True,
        writes_folder=True, image_name=sample_name, notes=notes,
    ),
    Format("folder", "", FolderReader, FolderWriter, in_folder=True, writes_folder=True),
)  # fmt: skip
CAPTIONS = replace(FORMATS[-1], image_name=flat_name, texts=caption_texts, records=SOURCES)


def reader(path: str) -> Reader:
    """The dataset at a path: its format is known by its content, or else by its name.

    What a killed run had ready to be added is added first.

    Raises FatalError if it is not a dataset, OSError.
    """
    complete(path)
    if stat.S_ISDIR(os.stat(path).st_mode):
        names = [name for name in os.listdir(path) if not name.startswith(".")]
        for row in FORMATS:
            if row.in_folder and (not row.ending or any(n.endswith(row.ending) for n in names)):
                return row.read(path)
    if not os.path.isfile(path):
        raise FatalError(f"{path}: neither a file nor a folder")
    with open(path, "rb") as file:
        head = file.read(HEAD)
    for row in FORMATS:
        if row.magic and head.startswith(row.magic, row.magic_at):
            return row.read(path)
    for row in FORMATS:
        if row.ending and path.endswith(row.ending):
            return row.read(path)
    raise FatalError(f"{path}: not a dataset: that is a folder, a zip, a tar or TFRecords")


def format_to_write(path: str, name: str | None = None, *, captions: bool = False) -> Format:
    """The format of this name of a dataset that is to be written at a path; without a name by that.

    A folder that is there already is filled, whatever its name; a link counts as what it leads to.

    Raises FatalError if it is a zip, and a `name` or `captions` need a folder.
    """
    real = os.path.realpath(path)
    in_zip = real.lower().endswith(".zip") and not os.path.isdir(real)
    if in_zip and (name or captions):
        option = f"--format {name}" if name else "--captions"
        raise FatalError(f"{path}: {option} makes a folder: name it with -o, without .zip")
    found = next(row for row in FORMATS if row.name == (name or ("zip" if in_zip else "folder")))
    return CAPTIONS if captions and not name else found
