"""Text files in the encodings that people save them in, read a line at a time in bounded memory."""

import gzip
import io
import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TextIO, cast

from animetools.errors import FatalError

HEAD = 1 << 16  # bytes that tell what a file is
MOST = 1 << 20  # characters of a line that are read at once
GZIP = b"\x1f\x8b"
BOM = "\ufeff"
OTHERS = "cp932", "euc_jp"  # Japanese encodings, tried before CP1252, which decodes anything
_BROKEN = re.compile("[\ud800-\udfff]")  # what is left of bytes that are no characters
_CONTROL = re.compile("[\x01-\x08\x0e-\x1a\x1c-\x1f]")  # which no text has; NULs are gone
_KANA = re.compile("[ぁ-ヿ]")


def encoding_of(head: bytes) -> str:
    """Python's name of the encoding that a file which begins with these bytes is in.

    UTF-16 is known by its byte order mark or, without one, by its zero bytes: all in the odd or all
    in the even places, and many, or beside most ends of lines. Anything else counts as UTF-8.
    """
    if head.startswith(BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        wide = head[: len(head) // 4 * 4].decode("utf-32", "replace") if len(head) > 4 else BOM
        return "utf-16" if "\ufffd" in wide or BOM in wide else "utf-32"
    head = head[: len(head) // 2 * 2]
    zeros = head[::2].count(0), head[1::2].count(0)
    name, line_end = ("utf-16-be", b"\0\n") if zeros[0] > zeros[1] else ("utf-16-le", b"\n\0")
    if max(zeros) > 10 * min(zeros) and (
        4 * max(zeros) > len(head) // 2
        or (not _is_utf8(head) and 2 * head.count(line_end) > head.count(b"\n"))
    ):
        return name
    return "utf-8"


@contextmanager
def opened(path: str) -> Iterator[TextIO]:
    """A file as text, whatever its encoding and line ends; one of gzip is unpacked on the way.

    Bytes that are not of the encoding come as lone surrogates. Raises OSError, and FatalError if
    what is packed is damaged.
    """
    with open(path, "rb") as raw:
        is_packed = raw.read(2) == GZIP
        raw.seek(0)
        file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if is_packed else raw
        try:
            encoding = encoding_of(file.read(HEAD))
            file.seek(0)
            errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
            with io.TextIOWrapper(file, encoding, errors) as text:
                yield text
        except (EOFError, zlib.error, gzip.BadGzipFile) as why:
            raise FatalError(f"{path}: the gzip data is damaged: {why}") from why


def lines(path: str) -> Iterator[tuple[int, str]]:
    """The lines of a file, with their numbers; one of more than MOST characters in parts.

    Raises as `opened` does.
    """
    with opened(path) as file:
        number = 1
        while line := file.readline(MOST):
            yield number, line.replace(BOM, "").replace("\0", "")
            number += line.endswith("\n")


def is_broken(line: str) -> bool:
    """Whether some of a line is not in the encoding of its file."""
    return bool(_BROKEN.search(line))


def is_binary(line: str) -> bool:
    """Whether a line has control characters that no text has."""
    return bool(_CONTROL.search(line))


def cure(path: str, line: str) -> str:
    """How to make UTF-8 of a file with this broken line."""
    data = line.encode(errors="surrogateescape")
    found = {name: _decoded(data, name) for name in OTHERS}
    name = max(found, key=lambda name: len(_KANA.findall(found[name])))
    name = name if _KANA.search(found[name]) else "cp1252"
    return f"if it is {name.upper()}, iconv -f {name.upper()} -t UTF-8 {path} makes UTF-8 of it"


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as why:
        return why.start > len(head) - 4 and why.reason == "unexpected end of data"
    return True
