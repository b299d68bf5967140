"""Metadata files in blocks of entries: lines of JSON, or rows of a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from animetools.booru.post import Record
from animetools.booru.unpack import Chunks, documents
from animetools.errors import ItemError

BLOCK = 1 << 20  # bytes of lines at least
LONGEST_LINE = 1 << 24  # bytes
TOO_LONG = b'"longer than 16 MiB"'  # stands for such a line

NOT_METADATA = "not metadata of a booru, which is lines of JSON (also compressed or in a tar), SQLite or Parquet"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Some entries of a file, and the number of the first, from 1."""

    name: str  # of the file, with the member of a tar
    root: str  # where its images are
    first: int
    lines: bytes = b""
    rows: list[Record] = field(default_factory=list)

    @property
    def entries(self) -> Sequence[bytes | Record]:
        """The lines or rows."""
        return self.rows or self.lines.split(b"\n")

    def place(self, number: int) -> str:
        """Where an entry is, for messages."""
        return f"{'row' if self.rows else 'line'} {number}"


def blocks_of(path: str, root: str) -> Iterator[Block]:
    """The blocks of a file; `-` is standard input.

    Raises ItemError if it is not metadata, damaged or cut, after what comes before; OSError if it
    cannot be read.
    """
    name = "standard input" if path == "-" else path
    for member, chunks in documents(path):
        yield from _blocks(f"{name}: {member}" if member else name, root, chunks)


def _blocks(name: str, root: str, chunks: Chunks) -> Iterator[Block]:
    first = 1
    for lines in whole_lines(chunks):
        if first == 1:
            lines = lines.removeprefix(BOM)
            _check(lines)
        yield Block(name, root, first, lines)
        first += lines.count(b"\n") + 1


def whole_lines(chunks: Chunks) -> Iterator[bytes]:
    """Lines, many at a time, without the newline of the last one; TOO_LONG for one that is too long.

    What came before is given before an exception of the chunks is raised.
    """
    held: list[bytes] = []
    size, enough, is_too_long = 0, BLOCK, False
    trouble: ItemError | None = None
    while True:
        try:
            chunk = next(chunks, b"")
        except ItemError as why:
            chunk, trouble = b"", why
        if not chunk:
            break
        if is_too_long:
            end = chunk.find(b"\n")
            if end < 0:
                continue
            chunk, is_too_long = chunk[end:], False
        held.append(chunk)
        size += len(chunk)
        if size >= enough:
            lines, newline, rest = b"".join(held).rpartition(b"\n")
            if newline:
                yield lines
            is_too_long = len(rest) > LONGEST_LINE
            held = [TOO_LONG if is_too_long else rest]
            size = len(held[0])
            enough = max(BLOCK, 2 * size)  # or a long line would be joined again and again
    if rest := b"".join(held).removesuffix(b"\n"):
        yield rest
    if trouble:
        raise trouble


def _check(lines: bytes) -> None:
    """Raise ItemError unless some line may be a post."""
    if b'"id"' not in lines or not (lines.startswith(b"{") or b"\n{" in lines):
        raise ItemError(NOT_METADATA)
