"""Metadata files as streams of bytes: plain, compressed, or members of a tar; never unpacked to disk."""

import io
import lzma
import os
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import IO, Any, Self

from animetools.errors import ItemError

READ = 1 << 18  # bytes at a time
# So little is given to a decompressor at once that what it makes of it fits in memory: zstd makes up
# to 32,768 times as much.
SIP = 1 << 10
WINDOW = 1 << 29  # bytes that a file may have the xz decoder keep
HEAD = 512  # a tar shows within these
LONGEST_HEADER = 1 << 20  # bytes; of those of a tar that give the next member a longer name
_AHEAD = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)

Chunks = Iterator[bytes]


def documents(path: str) -> Iterator[tuple[str, Chunks]]:
    """The name and the decompressed bytes of each file in a file; `-` is standard input.

    The name is that of the member of a tar, or empty. The chunks of one must be used before the next
    is asked for.

    Raises ItemError, here or from the chunks, if the file is damaged or cut; what came before the
    damage has been given. OSError if it cannot be read.
    """
    chunks = read(path)
    head, chunks = peek(chunks)
    for magic, how in DECOMPRESSORS.items():
        if head.startswith(magic):
            head, chunks = peek(decompressed(chunks, *how()))
            break
    if head[257:262] == b"ustar":
        yield from members(chunks)
    else:
        yield "", chunks


def read(path: str) -> Chunks:
    """The bytes of a file as it is."""
    descriptor = 0 if path == "-" else os.open(path, os.O_RDONLY)
    try:
        while chunk := os.read(descriptor, READ):
            yield chunk
    finally:
        if descriptor:
            os.close(descriptor)


def peek(chunks: Chunks) -> tuple[bytes, Chunks]:
    """The first HEAD bytes or more, and all chunks."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD:
            break
    return head, chain([head] if head else [], chunks)


def decompressed(chunks: Chunks, make: Callable[[], Any], error: type[Exception]) -> Chunks:
    """The bytes in one or more compressed streams."""
    current = make()
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), SIP):
                data = chunk[start : start + SIP]
                while data:
                    if current.eof:
                        data = data.lstrip(b"\0")  # padding
                        current = make() if data else current
                    if made := current.decompress(data) if data else b"":
                        yield made
                    data = current.unused_data if current.eof and data else b""
    except error as why:
        raise ItemError(f"damaged, and read up to there: {why}") from None
    if not current.eof:
        raise ItemError("cut, and read up to there: its compressed data has no end")


def members(chunks: Chunks) -> Iterator[tuple[str, Chunks]]:
    """The files in a tar."""
    reader = Reader(chunks)
    try:
        file = io.BufferedReader(reader, READ)
        with tarfile.open(fileobj=file, mode="r|", tarinfo=_Header) as tar:
            while member := tar.next():
                content = tar.extractfile(member) if member.isreg() else None
                if content:
                    yield member.name, _content(content)
                tar.members.clear()  # type: ignore[attr-defined]  # or it remembers all of them
    except (tarfile.TarError, ValueError, RecursionError) as why:  # of hostile numbers, and headers
        raise reader.trouble or ItemError(f"damaged tar, and read up to there: {why}") from None
    if reader.trouble:
        raise reader.trouble


class _Header(tarfile.TarInfo):
    """A header of a tar, which is refused where tarfile would take it for the end, or all memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in a block; raises tarfile.TarError."""
        try:
            found = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as why:
            if not buf.strip(b"\0"):  # the end
                raise
            raise tarfile.ReadError(str(why)) from None
        if found.type in _AHEAD and found.size > LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {found.size} bytes")
        return found


def _content(file: IO[bytes]) -> Chunks:
    try:
        while chunk := file.read(READ):
            yield chunk
    except tarfile.TarError:
        raise ItemError("cut, and read up to there: the tar has no end") from None


class Reader(io.RawIOBase):
    """Chunks as a file, which ends where they raise ItemError: `trouble` is that."""

    def __init__(self, chunks: Chunks) -> None:
        self.chunks = chunks
        self.rest = memoryview(b"")
        self.trouble: ItemError | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, or a part of it."""
        if not self.rest and not self.trouble:
            try:
                self.rest = memoryview(next(self.chunks, b""))
            except ItemError as why:
                self.trouble = why
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size


def _gzip() -> tuple[Callable[[], Any], type[Exception]]:
    return partial(zlib.decompressobj, wbits=31), zlib.error


def _xz() -> tuple[Callable[[], Any], type[Exception]]:
    return partial(lzma.LZMADecompressor, memlimit=WINDOW), lzma.LZMAError


def _zstd() -> tuple[Callable[[], Any], type[Exception]]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise ItemError(
            "zstd needs another package: pip install 'animetools[booru]' (or pipe from zstdcat)"
        ) from None
    return zstd.ZstdDecompressor, zstd.ZstdError


DECOMPRESSORS = {b"\x1f\x8b": _gzip, b"\xfd7zXZ\0": _xz, b"\x28\xb5\x2f\xfd": _zstd}
