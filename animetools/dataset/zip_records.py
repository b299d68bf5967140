"""The records of a zip besides the files in it, read and written.

Format: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64).
"""

import os
from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO

from animetools.dataset.members import Member

LOCAL = Struct("<4sHHHHHLLLHH")
CENTRAL = Struct("<4sHHHHHHLLLHHHHHLL")
END = Struct("<4sHHHHLLH")
END64 = Struct("<4sQHHLLQQQQ")
LOCATOR = Struct("<4sLQL")
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF  # "look in the zip64 record"
EPOCH = (0, 33)  # 1980-01-01 00:00, the first time a zip knows: the same images, the same bytes
LONGEST_COMMENT = 1 << 16


def base_of(file: BinaryIO) -> int:
    """Where what is to be added to a zip begins in it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(size - END.size)
    *_, length, begin, _ = END.unpack(file.read())
    around = END.size
    wide = size - END.size - LOCATOR.size - END64.size
    file.seek(max(0, wide))
    found = file.read(END64.size)
    if wide > 0 and found.startswith(b"PK\6\6"):
        *_, length, begin = END64.unpack(found)
        around = size - wide
    return int(begin - (size - around - length))


def local_header(member: Member) -> bytes:
    """What stands before the data of a stored member."""
    name = member.name.encode()
    extra, length = b"", member.length
    if length >= FULL32:
        extra, length = Struct("<HHQQ").pack(1, 16, length, length), FULL32
    version = 45 if extra else 20
    return (
        LOCAL.pack(
            b"PK\3\4", version, 0, 0, *EPOCH, member.crc, length, length, len(name), len(extra)
        )
        + name
        + extra
    )


def central_header(member: Member) -> bytes:
    """The entry of a stored member in the directory."""
    name = member.name.encode()
    wide = [member.length] * 2 if member.length >= FULL32 else []
    wide += [member.offset] if member.offset >= FULL32 else []
    extra = Struct(f"<HH{len(wide)}Q").pack(1, 8 * len(wide), *wide) if wide else b""
    length, offset = min(member.length, FULL32), min(member.offset, FULL32)
    version = 45 if extra else 20
    made_by = 3 << 8 | version  # Unix, or the permissions below mean nothing
    return (
        CENTRAL.pack(
            b"PK\1\2", made_by, version, 0, 0, *EPOCH, member.crc, length, length,
            len(name), len(extra), 0, 0, 0, 0o100644 << 16, offset,
        )
        + name
        + extra
    )  # fmt: skip


def ending(begin: int, length: int, count: int) -> bytes:
    """The end of a zip whose directory has `count` members; with zip64 records where needed."""
    wide = b""
    if count >= FULL16 or length >= FULL32 or begin >= FULL32:
        made_by = 3 << 8 | 45
        wide = END64.pack(b"PK\6\6", 44, made_by, 45, 0, 0, count, count, length, begin)
        wide += LOCATOR.pack(b"PK\6\7", 0, begin + length, 1)
    count, length, begin = min(count, FULL16), min(length, FULL32), min(begin, FULL32)
    return wide + END.pack(b"PK\5\6", 0, 0, count, count, length, begin, 0)


def find_directory(file: BinaryIO) -> tuple[int, int]:
    """Where the directory begins, and its length in bytes.

    Raises ValueError if it is missing or damaged.
    """
    size = file.seek(0, os.SEEK_END)
    tail_begin = max(0, size - LONGEST_COMMENT - END.size - LOCATOR.size)
    file.seek(tail_begin)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0:
        raise ValueError("it has no directory; is it truncated?")
    *_, length, begin, _ = END.unpack_from(tail, at)
    if at >= LOCATOR.size and tail.startswith(b"PK\6\7", at - LOCATOR.size):
        _, _, where, _ = LOCATOR.unpack_from(tail, at - LOCATOR.size)
        file.seek(where)
        signature, *_, length, begin = END64.unpack(file.read(END64.size))
        if signature != b"PK\6\6":
            raise ValueError("damaged directory")
    if begin + length > size:
        raise ValueError("damaged directory")
    return begin, length


def widened(extra: bytes, *values: int) -> Iterator[int]:
    """The values; those that are FULL32 stand in the zip64 record, in this order."""
    wide = b""
    while len(extra) >= 4:
        kind, length = Struct("<HH").unpack_from(extra)
        if kind == 1:
            wide = extra[4 : 4 + length]
        extra = extra[4 + length :]
    for value in values:
        if value == FULL32:
            (value,), wide = Struct("<Q").unpack(wide[:8]), wide[8:]
        yield value
