"""Text files in the encodings that people save them in, read a line at a time in bounded memory."""

import gzip
import io
import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_LE
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TextIO, cast

from animetools.errors import FatalError

HEAD = 1 << 16  # bytes by which the encoding is recognized
MOST = 1 << 20  # most characters of a line read at once
GZIP = b"\x1f\x8b"
BOM = "\ufeff"
STRANGE = 0.01  # the share of strange characters from which on bytes are not UTF-16
OTHERS = "cp932", "euc_jp"  # Japanese encodings, tried before CP1252, which decodes anything
_BROKEN = re.compile("[\ud800-\udfff]")  # what invalid bytes are decoded to
_CONTROL = re.compile("[\x01-\x08\x0e-\x1a\x1c-\x1f]")  # which no text has; NULs are removed before
_KANA = re.compile("[ぁ-ヿ]")


def encoding_of(head: bytes) -> str:
    """Python's name for the encoding of a file that begins with these bytes.

    UTF-16 is recognized by its byte order mark or, without one, by its zero bytes: many, and all in
    odd or all in even places; or some, where the bytes are no text in UTF-8 but are in UTF-16.
    Anything else counts as UTF-8.
    """
    if head.startswith(BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        if not head.startswith(BOM_UTF32_LE):
            return "utf-16"
        wide = head[: len(head) // 4 * 4].decode("utf-32", "replace") if len(head) > 4 else BOM
        return "utf-16" if "\ufffd" in wide or BOM in wide else "utf-32"
    head = head[: len(head) // 2 * 2]
    zeros = {"utf-16-be": head[::2].count(0), "utf-16-le": head[1::2].count(0)}
    least, most = sorted(zeros.values())
    if most > 10 * least and 4 * most > len(head) // 2:
        return max(zeros, key=lambda name: zeros[name])
    if most and not (_is_utf8(head) and not is_binary(head.decode(errors="replace"))):
        strange = {name: _strange(head.decode(name, "replace")) for name in zeros}
        name = min(strange, key=lambda name: strange[name])
        return name if strange[name] < STRANGE else "utf-8"
    return "utf-8"


@contextmanager
def opened(path: str) -> Iterator[TextIO]:
    """A file as text, in any of these encodings, with any line ends; gzip is decompressed.

    Invalid bytes become lone surrogates. Raises OSError, and FatalError for damaged gzip data.
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
    """The lines of a file, with their numbers; a line of more than MOST characters comes in parts.

    Raises as `opened` does.
    """
    with opened(path) as file:
        number = 1
        while line := file.readline(MOST):
            yield number, line.replace(BOM, "").replace("\0", "")
            number += line.endswith("\n")


def is_broken(line: str) -> bool:
    """Whether a line has bytes that are invalid in the encoding of its file."""
    return bool(_BROKEN.search(line))


def is_binary(line: str) -> bool:
    """Whether a line has control characters that no text has."""
    return bool(_CONTROL.search(line))


def cure(path: str, line: str) -> str:
    """Advice for converting a file with this invalid line to UTF-8."""
    data = line.encode(errors="surrogateescape")
    found = {name: _decoded(data, name) for name in OTHERS}
    name = max(found, key=lambda name: len(_KANA.findall(found[name])))
    name = name if _KANA.search(found[name]) else "cp1252"
    return f"if it is {name.upper()}, convert it with iconv -f {name.upper()} -t UTF-8 {path}"


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _strange(text: str) -> float:
    """The share of characters that no text has."""
    return sum(c == "\ufffd" or not (c.isprintable() or c.isspace()) for c in text) / len(text)


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as why:
        return why.start > len(head) - 4 and why.reason == "unexpected end of data"
    return True
