"""The items of a command line: files, folders, and lists of them."""

import codecs
import json
import os
import stat
from collections.abc import Iterator, Sequence
from itertools import chain

from animetools.cli.item import Facts, Item, is_same_file, reason_of, stamp_of
from animetools.errors import FatalError

LONGEST_LINE = 1 << 24  # bytes; anything longer is not a list of paths


def items_of(files: Sequence[str], *, end: bytes, out: str) -> Iterator[Item]:
    """The items that the arguments name; without arguments, or for -, those of standard input.

    Lines end in `end`. Folders are walked, except `out`; those in a list are ignored, because
    `find` lists their files too.
    """
    for file in files or ["-"]:
        if file == "-":
            yield from filter(None, map(read_item, lines_of_input(end)))
        else:
            item = look(file, {})
            yield from [item] if item else _walk(file, out)


def read_item(line: bytes) -> Item | None:
    """A line of a list: a path, or a JSON object with one; None for a folder."""
    if line.startswith(b"{"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict) and isinstance(record.get("path"), str) and record["path"]:
            return look(record.pop("path"), record)
    return look(os.fsdecode(line), {})


def look(path: str, facts: Facts) -> Item | None:
    """The item of a path, with the stamp of the file; None for a folder."""
    try:
        found = os.stat(path)
    except ValueError:  # a NUL inside, or a surrogate that is no byte
        return Item(path, facts, trouble="not a file name")
    except OSError as why:
        return Item(path, facts, trouble=reason_of(why))
    if stat.S_ISDIR(found.st_mode):
        return None
    if not stat.S_ISREG(found.st_mode):  # opening a FIFO would wait for ever
        return Item(path, facts, trouble="neither a regular file nor a folder")
    return Item(path, facts, stamp_of(found))


def lines_of_input(end: bytes) -> Iterator[bytes]:
    """The lines of standard input, without a byte-order mark and the CR of Windows.

    UTF-16, which PowerShell writes, is read too.

    Raises FatalError if it is a terminal, or not a list of paths that end in `end`.
    """
    if os.isatty(0):
        raise FatalError(
            "no input: name files or folders, or pipe a list of paths to standard input"
        )
    lines = _split(_decoded(_chunks()) if end == b"\n" else _chunks(), end)
    if end == b"\0":
        yield from filter(None, lines)
        return
    for number, line in enumerate(lines):
        if not number:
            line = _unless_it_exists(line, line.removeprefix(codecs.BOM_UTF8))
        line = _unless_it_exists(line, line.removesuffix(b"\r"))
        if line:
            yield line


def _chunks() -> Iterator[bytes]:
    """By os.read, because a thread that waits in sys.stdin aborts at exit."""
    try:
        while chunk := os.read(0, 1 << 16):
            yield chunk
    except OSError as why:
        raise FatalError(f"standard input: {reason_of(why)}") from None


def _decoded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes; UTF-16 becomes the encoding of file names."""
    head = b""
    for chunk in chunks:
        head += chunk
        if not head.startswith((codecs.BOM_UTF16_LE[:1], codecs.BOM_UTF16_BE[:1])):
            break
        if b"\n" in head or len(head) > LONGEST_LINE:
            break
    # A name may begin with these bytes too, but has no NUL.
    is_utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" in head
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    for chunk in chain([head], chunks):
        if is_utf16:
            chunk = os.fsencode(decoder.decode(chunk))
        if b"\0" in chunk:
            raise FatalError("standard input holds NUL bytes: for a list of find -print0, add -0")
        yield chunk


def _split(chunks: Iterator[bytes], end: bytes) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(end)
        yield from lines
        if len(rest) > LONGEST_LINE:
            raise FatalError("standard input is not a list of paths, one per line")
    if rest:
        yield rest


def _unless_it_exists(line: bytes, bare: bytes) -> bytes:
    """The bare line, unless a file has the whole of it for its name."""
    return line if bare == line or os.path.lexists(line) else bare


def _walk(folder: str, out: str) -> Iterator[Item]:
    """The files below a folder in order of name, without hidden files and `out`."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if not os.path.isdir(path) or (os.path.islink(path) and path != folder):
            item = look(path, {})
            if item:
                yield item
        elif path == folder or not (out and is_same_file(path, out)):
            try:
                names = sorted(name for name in os.listdir(path) if not name.startswith("."))
            except OSError as why:
                yield Item(path, trouble=reason_of(why))
            else:
                waiting += [os.path.join(path, name) for name in reversed(names)]
