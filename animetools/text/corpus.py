"""The texts that a model is trained on: TITLE|SYNOPSIS lines, plain text, or a table."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from animetools.errors import FatalError
from animetools.text import encoding, tables

END, START = "<|endoftext|>", "<|startoftext|>"  # around a text: GPT-2's, and gpt-2-simple's
PIECE = 4096  # characters of plain text that go to training or validation together
LONGEST = 4 * PIECE  # most characters of a Document; longer texts come in parts
NOT_UTF8 = "is not UTF-8"
_MARK = re.compile(r"<\|(?:end|start)oftext\|>\n?")


@dataclass(frozen=True)
class Document:
    """A text, or a part of one; END follows a `whole` text, or its last part."""

    text: str
    whole: bool


class Form(NamedTuple):
    """The form of texts in a file: rows of a table, lines of pairs, or plain text."""

    kind: str
    pairs: bool  # whether texts are short and separate, so that a window begins where one does
    table: tables.Table | None = None


class Faults:
    """The lines of a file that are left out, by reason."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: dict[str, list[int]] = {NOT_UTF8: []}

    def add(self, number: int, reason: str) -> None:
        """Record a line that is left out."""
        self.lines.setdefault(reason, []).append(number)

    def sound(self) -> Iterator[tuple[int, str]]:
        """The lines of the file that are valid in its encoding."""
        for number, line in encoding.lines(self.path):
            if encoding.is_broken(line):
                self.add(number, NOT_UTF8)
            else:
                yield number, line

    def sentences(self) -> Iterator[str]:
        """A sentence for each reason: the first line, and how many there are."""
        for reason, numbers in self.lines.items():
            more = f", and {len(numbers) - 1} more" if numbers[1:] else ""
            if numbers:
                yield f"{self.path}: line {numbers[0]} {reason}{more}: left out"


def form_of(path: str, columns: Sequence[str] = ()) -> Form:
    """The form of texts in a file, by its first lines; `columns` are those of a table to read.

    Raises OSError, and FatalError for a file that is not UTF-8, or a table without these columns.
    """
    head = _head(path)
    if table := tables.table_of(path, head, columns):
        return Form(table.kind, True, table)
    if columns:
        raise FatalError(f"{path} is neither CSV with a header nor JSON lines: leave out --column")
    texts = [text for line in head if (text := _MARK.sub("", line).strip())]
    if texts and all("|" in text for text in texts) and max(map(len, head)) < encoding.MOST:
        return Form("titles with synopses", True)
    return Form("plain text", False)


def documents(
    path: str, tell: Callable[[str], object], columns: Sequence[str] = ()
) -> Iterator[Document]:
    """The texts of a file, in order and in bounded memory; plain text comes in pieces.

    END and START separate texts. A line that is not UTF-8, has no | among pairs, or has no text in a
    table is left out; `tell` gets a sentence for each of these reasons, with the first line and how
    many there are.

    Raises as form_of does.
    """
    form, faults = form_of(path, columns), Faults(path)
    if form.table:
        yield from _rows(form.table, faults)
    elif form.pairs:
        yield from _pairs(faults)
    else:
        yield from _plain(faults)
    for sentence in faults.sentences():
        tell(sentence)


def _rows(table: tables.Table, faults: Faults) -> Iterator[Document]:
    for row in table.texts(faults.sound(), faults.add):
        for text in map(str.strip, _MARK.split(row)):
            *parts, last = _cut(text)
            yield from (Document(part, False) for part in parts)
            if last:
                yield Document(last, True)


def _pairs(faults: Faults) -> Iterator[Document]:
    for number, line in faults.sound():
        for text in map(str.strip, _MARK.split(line)):
            if "|" in text:
                yield Document(text, True)
            elif text:
                faults.add(number, "has no |")


def _plain(faults: Faults) -> Iterator[Document]:
    piece, is_open = "", False  # whether part of this text has been yielded
    for _, line in faults.sound():
        *ended, rest = _MARK.split(line)
        for text in ended:
            if is_open or (piece + text).strip():
                *parts, last = _cut(piece + text)
                yield from (Document(part, False) for part in parts)
                yield Document(last, True)
            piece, is_open = "", False
        piece += rest
        if len(piece) >= PIECE:
            yield from (Document(part, False) for part in _cut(piece))
            piece, is_open = "", True
    if is_open or piece.strip():
        yield Document(piece, True)


def _cut(text: str) -> list[str]:
    return [text[first : first + LONGEST] for first in range(0, len(text), LONGEST)] or [""]


def _head(path: str) -> list[str]:
    """The first lines of a file that are not blank.

    Raises FatalError for a file that is not text, or if more lines are not UTF-8 than a few damaged
    ones.
    """
    size, full = 0, list[tuple[int, str]]()
    for number, line in encoding.lines(path):
        size += len(line)
        if size > encoding.HEAD and full:
            break
        if line.strip():
            full.append((number, line))
    broken = [each for each in full if encoding.is_broken(each[1])]
    sound = sum(not encoding.is_broken(line) and not line.isascii() for _, line in full)
    if len(broken) > max(sound, len(full) / 1000):
        if any(encoding.is_binary(line) for _, line in full):
            raise FatalError(f"{path} is not a text file")
        number, line = broken[0]
        raise FatalError(f"{path}: line {number} {NOT_UTF8}: {encoding.cure(path, line)}")
    return [line for _, line in full]
