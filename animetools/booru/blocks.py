"""Metadata files in blocks of entries: lines of JSON, or rows of a table."""

import codecs
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from animetools.booru.tables import reader_of
from animetools.booru.unpack import READ, Chunks, Reader, documents
from animetools.errors import ItemError

BLOCK = 1 << 18  # bytes of lines
LONGEST_LINE = 1 << 24  # bytes

STDIN = "standard input"
NOT_METADATA = (
    "not a booru's metadata: lines of JSON, compressed or in a tar, or files of SQLite or Parquet"
)


@dataclass(frozen=True)
class Block:
    """Some entries of a file, and the number of the first, from 1."""

    name: str  # of the file, with the member of a tar
    root: str  # where its images are
    first: int
    entries: Sequence[bytes | dict[str, Any]]

    @property
    def unit(self) -> str:
        """What an entry is."""
        return "line" if isinstance(self.entries[0], bytes) else "row"

    @property
    def range(self) -> str:
        """Where its entries are, for messages."""
        return f"{self.unit}s {self.first} to {self.first + len(self.entries) - 1}"

    def place(self, number: int) -> str:
        """Where an entry is, for messages."""
        return f"{self.unit} {number}"


def blocks_of(path: str, root: str, wanted: Collection[str] = ()) -> Iterator[Block]:
    """The blocks of a file; `-` is standard input. A table must have the `wanted` columns.

    Raises ItemError if it is not metadata, damaged or cut, after what comes before; OSError if it
    cannot be read.
    """
    if path != "-" and (rows_of := reader_of(path)):
        first = 1
        for rows in rows_of(path, wanted):
            yield Block(path, root, first, rows)
            first += len(rows)
        return
    name = STDIN if path == "-" else path
    for member, chunks in documents(path):
        yield from _blocks(f"{name}: {member}" if member else name, root, chunks)


def _blocks(name: str, root: str, chunks: Chunks) -> Iterator[Block]:
    reader = Reader(_bounded(chunks))
    file = io.BufferedReader(reader, READ)
    first = 1
    while lines := file.readlines(BLOCK):
        if first == 1:
            lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
            _check(lines)
        yield Block(name, root, first, lines)
        first += len(lines)
    if reader.trouble:
        raise reader.trouble


def _bounded(chunks: Chunks) -> Chunks:
    """The same up to a line that is too long."""
    length = 0
    for chunk in chunks:
        end = chunk.rfind(b"\n")
        length = len(chunk) - end - 1 + (length if end < 0 else 0)
        if length > LONGEST_LINE:
            yield chunk[: end + 1]
            raise ItemError("read up to a line that is longer than 16 MiB")
        yield chunk


def _check(lines: list[bytes]) -> None:
    """Raise ItemError unless some line may be a post."""
    if not any(line.startswith(b"{") and b'"id"' in line for line in lines):
        raise ItemError(NOT_METADATA)
