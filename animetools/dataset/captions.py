"""Captions and tags of images: in their records, in files beside them, or in one file of all."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from animetools.database import Database
from animetools.dataset.labelling import Labelling
from animetools.dataset.labels import LONGEST_SUMMARY, parse_object
from animetools.dataset.members import LONGEST_LINE, PACKED_IN
from animetools.errors import FatalError, ItemError
from animetools.images.containers import format_by_name
from animetools.images.sidecars import CAPTIONS, Sidecar, sidecars_of
from animetools.tags import LONGEST_NAME, Tag, caption_of, content_of, names_in, tags_of

if TYPE_CHECKING:
    from sqlite3 import Connection

PAGE = 1000  # entries in memory at once
LONGEST_CAPTION = 1 << 20  # characters: its record must be shorter than LONGEST_LINE
_PATHS = ("file_name", "image_path", "path")
_TEXTS = ("text", "caption")

Facts = dict[str, Any]


@dataclass(frozen=True)
class Description:
    """What is known of the content of an image: a caption, or tags, or both."""

    text: str | None = None
    tags: list[Tag] | None = None

    @property
    def caption(self) -> str:
        """The caption; without one, the tags with spaces for underscores.

        Raises ItemError if it cannot be written.
        """
        text = self.text
        if text is None:
            text = caption_of([tag.name for tag in content_of(self.tags or [])], spaces=True)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ItemError("its caption is not Unicode text") from None
        if len(text) > LONGEST_CAPTION:
            raise ItemError(f"its caption is longer than {LONGEST_CAPTION} characters")
        return text

    @property
    def all_tags(self) -> list[Tag]:
        """The tags; without any, those that the caption lists.

        Raises ItemError for too many.
        """
        return _tags_of_caption(self.text or "") if self.tags is None else self.tags


def description_of(path: str, facts: Facts, others: "CaptionFile | None") -> Description | None:
    """What the record of an image says of it, else a caption file beside it, else a file of all.

    Raises ItemError if that is malformed, OSError if it cannot be read.
    """
    if isinstance(facts.get("text"), str) or "tags" in facts:
        text, tags = facts.get("text"), tags_of(facts) if "tags" in facts else None
        return Description(text if isinstance(text, str) else None, tags)
    for sidecar in sidecars_beside(path, facts) if format_by_name(path) else ():  # not a.txt itself
        if sidecar.ending.lower() in CAPTIONS:
            try:
                return Description(sidecar.read().decode("utf-8-sig").strip())
            except UnicodeDecodeError:
                raise ItemError(f"{sidecar.path} is not UTF-8 text") from None
    return others.find(path) if others else None


def sidecars_beside(path: str, facts: Facts) -> Iterator[Sidecar]:
    """The sidecars of an image on the disk; one in an archive has none there."""
    archive, *_ = facts.get(PACKED_IN, [""])
    return iter(()) if archive and not os.path.isdir(archive) else sidecars_of(path)


@dataclass(frozen=True)
class Needs:
    """What must be known of each image, to write its caption and its label; and where else it is."""

    captions: bool
    labelling: Labelling | None
    others: "CaptionFile | None" = None

    def facts(self, path: str, facts: Facts) -> tuple[Facts, str]:
        """The facts of an image with its tags and its caption as far as needed, and what is missing.

        Raises as `description_of`, and ItemError for tags that do not fit into a caption.
        """
        if self.labelling and self.labelling.kept and not (PACKED_IN in facts and "label" in facts):
            return facts, "no label"
        tags = self.labelling is not None and self.labelling.needs_tags
        if not (tags or self.captions):
            return facts, ""
        known = description_of(path, facts, self.others)
        if not known:
            return facts, "no tags" if tags else "no caption"
        if tags:
            facts = facts | {"tags": known.all_tags}
        if self.captions:
            facts = facts | {"text": known.caption}
        if self.labelling and self.labelling.classes and not self.labelling.words(facts):
            return facts, "no tag of --class-by"
        return facts, ""


class CaptionFile:
    """A file with the captions or tags of many images; it is kept on the disk, not in memory.

    It is an object as sd-scripts reads it, {"PATH": {"caption": TEXT, "tags": "TAG, TAG"}}, or JSON
    lines: with `file_name` and `text` as of Hugging Face, `image_path` and `caption` as of
    musubi-tuner and sd-scripts, or the records of a command. Tags may also be a list, of names or
    as records have them.

    Raises FatalError, which names the line where it can, if it is malformed or cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.known = Database("", _prepare, name="temporary list of captions")
        try:
            with open(path, "rb") as file:
                entries = self._entries(file)
                while page := list(islice(entries, PAGE)):
                    self.known.do_for_each("INSERT OR REPLACE INTO known VALUES (?, ?)", page)
        except OSError as why:
            raise FatalError(f"{path}: {why.strerror}") from None

    def find(self, path: str) -> Description | None:
        """What it says of an image: by the end of its path, the longest first."""
        parts = os.path.abspath(path).split("/")
        ends = ["/".join(parts[at:]) for at in range(len(parts))]
        keys = [os.fsencode(key) for end in ends for key in (end, os.path.splitext(end)[0])]
        marks = ",".join("?" * len(keys))
        rows = self.known.ask(
            f"SELECT value FROM known WHERE key IN ({marks}) ORDER BY length(key) DESC LIMIT 1",
            *keys,
        )
        text, tags = json.loads(rows[0][0]) if rows else (None, None)
        if text is None and tags is None:
            return None
        return Description(text, None if tags is None else [Tag(*tag) for tag in tags])

    def _entries(self, file: BinaryIO) -> Iterator[tuple[bytes, str]]:
        first = file.readline(LONGEST_LINE)
        if not _is_line(first):
            yield from self._members(first + file.read(LONGEST_SUMMARY + 1))
            return
        number, line = 1, first
        while line:
            place = f"{self.path}: line {number}"
            if len(line) == LONGEST_LINE:
                raise FatalError(f"{place}: longer than {LONGEST_LINE >> 20} MiB")
            if line.strip():
                record = parse_object(line, self.path, number)
                path = next((record[name] for name in _PATHS if name in record), None)
                yield self._entry(path, record, place)
            number, line = number + 1, file.readline(LONGEST_LINE)

    def _members(self, data: bytes) -> Iterator[tuple[bytes, str]]:
        """The entries of a single object."""
        if len(data) > LONGEST_SUMMARY:
            raise FatalError(
                f"{self.path}: longer than {LONGEST_SUMMARY >> 20} MiB: make it JSON lines"
            )
        for path, record in parse_object(data, self.path).items():
            yield self._entry(path, record, f"{self.path}: {path[:60]!r}")

    def _entry(self, path: Any, record: Any, place: str) -> tuple[bytes, str]:
        """The key of an image, and its caption and tags as JSON."""
        if not isinstance(record, dict):
            raise FatalError(f"{place}: not an object with a caption or tags")
        text = next((record[name] for name in _TEXTS if name in record), None)
        try:
            if not isinstance(path, str) or not path:
                raise ItemError(f"not the path of an image in {' or '.join(_PATHS)}")
            if not isinstance(text, str | None):
                raise ItemError("the caption is not text")
            tags = _tags_in(record)
            if text is not None and isinstance(record.get("tags"), str):
                text = ", ".join(filter(None, (text, record["tags"])))  # as sd-scripts joins them
            return self._key(path), json.dumps([text, tags])
        except ItemError as why:
            raise FatalError(f"{place}: {why}") from None

    def _key(self, path: str) -> bytes:
        path = os.path.normpath(path.replace("\\", "/"))
        if path.startswith("../"):
            path = os.path.abspath(os.path.join(os.path.dirname(self.path), path))
        try:
            return os.fsencode(path)
        except UnicodeEncodeError:
            raise ItemError("not a file name") from None


def _prepare(base: "Connection") -> None:
    base.execute("CREATE TABLE known (key BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")


def _is_line(line: bytes) -> bool:
    """Whether the first line of a file is a record of one image."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and any(isinstance(record.get(name), str) for name in _PATHS)


def _tags_in(record: Facts) -> list[Tag] | None:
    """The tags of an entry: text, or a list of names, or as a record has them."""
    tags = record.get("tags")
    if tags is None:
        return None
    if isinstance(tags, str):
        return _tags_of_caption(tags)
    if isinstance(tags, list):
        tags = [Tag(one) if isinstance(one, str) else one for one in tags]
    return tags_of({"tags": tags})


def _tags_of_caption(text: str) -> list[Tag]:
    """What a caption lists; a part of it that is too long for a tag is prose."""
    return tags_of({"tags": [Tag(name) for name in names_in(text) if len(name) <= LONGEST_NAME]})
