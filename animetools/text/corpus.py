"""The text that a model learns from: a file of TITLE|SYNOPSIS lines, or plain text."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

END = "<|endoftext|>"
MOST = 1 << 20  # bytes that are read at once
HEAD = 1 << 16  # bytes that tell which of the two it is
PIECE = 4096  # characters of plain text that are held back for validation, or not, together


@dataclass(frozen=True)
class Document:
    """Some text; after one that is `whole` comes END."""

    text: str
    whole: bool


def has_pairs(path: str) -> bool:
    """Whether a file is lines of TITLE|SYNOPSIS, by its first ones.

    Raises OSError.
    """
    with open(path, "rb") as file:
        lines = file.read(HEAD).splitlines()
    full = [line for line in lines[:-1] or lines if line.strip()]
    return bool(full) and all(b"|" in line for line in full)


def documents(path: str, tell: Callable[[str], object]) -> Iterator[Document]:
    """What a file holds, in order and in bounded memory: its pairs, or its text in pieces.

    A line END, in plain text, is where one text ends and the next begins. What is not UTF-8, and a
    line without | among pairs, is left out; `tell` hears of the first of each kind, and how many
    there were.

    Raises OSError.
    """
    pairs = has_pairs(path)
    wrong: dict[str, list[int]] = {"is not UTF-8": [], "has no |": []}
    piece = ""
    for number, data in _lines(path):
        try:
            line = data.decode()
        except UnicodeDecodeError:
            wrong["is not UTF-8"].append(number)
            continue
        if not pairs:
            if ends := line.strip() == END:
                line = ""
            piece += line
            if piece and (ends or len(piece) >= PIECE):
                yield Document(piece, ends)
                piece = ""
        elif "|" in line:
            yield Document(line.strip(), True)
        elif line.strip():
            wrong["has no |"].append(number)
    if piece:
        yield Document(piece, True)
    for reason, numbers in wrong.items():
        if numbers:
            more = f", and {len(numbers) - 1} more" if numbers[1:] else ""
            tell(f"{path}: line {numbers[0]} {reason}{more}: left out")


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, with their numbers; a very long one in parts, cut between characters."""
    number, rest = 1, b""
    with open(path, "rb") as file:
        while data := rest + file.readline(MOST):
            rest = b""
            if data.endswith(b"\n"):
                yield number, data
                number += 1
                continue
            if len(data) >= MOST:  # the last character may go on beyond
                cut = next((n for n in range(1, 4) if data[-n] >= 0xC0), 0)
                data, rest = data[: len(data) - cut], data[len(data) - cut :]
            yield number, data
