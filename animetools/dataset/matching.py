"""Which source of the list each packed image was made from; both are in one order."""

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from animetools.dataset.journal import COMPUTED, Journal, dumped
from animetools.dataset.labels import parse_object
from animetools.dataset.members import PACKED_IN
from animetools.dataset.pictures import Reader

Source = tuple[str, range]  # the origin of a packed image, and the times that its file may have


class MismatchError(Exception):
    """The source of a packed image is not in the list as it was; the message is the end of a
    sentence: the dataset was made ..."""


def finished_sources(made: Reader, records: str) -> Iterator[Source]:
    """What the images of a finished dataset were made from, in order, by the file of its records.

    A source that is newer than its dataset has changed since, as in make.

    Raises FatalError if that is malformed.
    """
    for number, line in enumerate(made.lines(records), 1):
        record = parse_object(line, f"{made.path}: {records}", number)
        origin = {name: record[name] for name in record if name not in COMPUTED}
        yield dumped(origin), range(made.mtime + 1)


def marks(sources: Iterable[Source]) -> Iterator[tuple[bytes, str]]:
    """The key and the mark of what images were made from."""
    for origin, _ in sources:
        facts = json.loads(origin)
        yield key_of(str(facts.get("path"))), mark_of(facts)


def key_of(path: str) -> bytes:
    """What all names of one file have in common, as long as they begin in the same folder."""
    return os.fsencode(os.path.normpath(path))


def mark_of(facts: dict[str, Any]) -> str:
    """What changes with the content of a file, or of an image in a dataset, or with its label."""
    check = facts.get(PACKED_IN, [])[2:]
    return dumped({"bytes": facts.get("bytes"), "check": check, "label": facts.get("label")})


def packed_sources(journal: Journal) -> Iterator[Source]:
    """What the images of an unfinished dataset were made from, in order."""
    for packed in journal.packed():
        yield packed.origin, range(packed.mtime, packed.mtime + 1)


def match(journal: Journal, packed: Iterator[Source], first: int) -> Iterator[tuple[int, int]]:
    """The number of each packed image, from the `first` on, and the position of its source.

    Raises MismatchError for the first whose source does not come next.
    """
    listed = journal.listed()
    for number, (origin, times) in enumerate(packed, first):
        for source in listed:
            if source.origin == origin and source.mtime in times:
                yield number, source.position
                break
        else:
            raise MismatchError(_mismatch(journal, origin, times))


def _mismatch(journal: Journal, origin: str, times: range) -> str:
    path = json.loads(origin).get("path")
    there = next((source for source in journal.listed() if source.path == path), None)
    if there is None:
        return f"with {path}, which is not in this list"
    if there.mtime not in times or _bytes_of(there.origin) != _bytes_of(origin):
        return f"from {path} as it was before it changed"
    if there.origin == origin:
        return f"from a list with {path} in another place"
    return f"with other facts about {path}"


def _bytes_of(origin: str) -> Any:
    return json.loads(origin).get("bytes")
