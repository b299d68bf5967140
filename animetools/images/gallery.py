"""An index of the pictures seen so far, to find the one that the next duplicates."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from struct import Struct
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from animetools.images.hashes import HASH_BITS, Fingerprint, has_same_colors
from animetools.images.origins import HASH_BYTES, Origin
from animetools.images.overlap import is_same_view

Kind = Literal["same bytes", "same pixels", "near-duplicate"]

_MOST_CHUNKS = 16  # of 16 bits; too many hashes share a shorter chunk
_BLOCK = 1 << 14  # hashes
_PAGE = 1000  # rows per query
_PLACE = Struct(f"{HASH_BYTES}s4d6d")  # an Origin


@dataclass(frozen=True)
class Duplicate:
    """The picture that another one duplicates."""

    path: str
    kind: Kind
    is_larger: bool = (
        False  # whether the near-duplicate has more pixels than it, or as many and more bytes
    )


class Gallery:
    """Finds the first picture added so far that a new one duplicates.

    near is the share of equal hash bits from which pictures are near-duplicates; 0 switches that off.
    Two pictures are near-duplicates if their hashes and colors agree; two crops, if the hashes of
    their sources, the places of the faces in them and their content agree, so two faces of one
    picture never are. Crops whose sources differ or are not known are compared as pictures.

    The index is a temporary database on disk, so memory does not grow with the number of pictures,
    except for 64 bytes each where near is below 94 %.

    Raises sqlite3.OperationalError if the disk is full.
    """

    def __init__(self, near: float) -> None:
        self.near = near > 0
        self.most_bits = int((1 - near) * HASH_BITS + 1e-9)
        self.database = sqlite3.connect("", isolation_level=None)  # "" is a temporary file
        self.database.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            PRAGMA cache_size = -4096;
            CREATE TABLE images (
                number INTEGER PRIMARY KEY, path BLOB, content BLOB, pixels BLOB, shape BLOB,
                colors BLOB, view BLOB, area INTEGER, bytes INTEGER, origin BLOB
            );
            CREATE TABLE keys (
                key INTEGER, number INTEGER, PRIMARY KEY (key, number)
            ) WITHOUT ROWID;
            BEGIN;
            """
        )
        self.shapes = _Index(self.database, b"", self.most_bits)
        self.sources = _Index(self.database, b"source", self.most_bits)
        self.count = 0

    def duplicate(self, picture: Fingerprint) -> Duplicate | None:
        """The first picture added that this one duplicates."""
        same = "number IN (SELECT number FROM keys WHERE key = ?) AND pixels = ?"
        for path, other in self._rows(same, _key(picture.pixels), picture.pixels):
            same_file = other.content == picture.content
            return Duplicate(path, "same bytes" if same_file else "same pixels")
        if not self.near:
            return None
        numbers = self.shapes.candidates(picture.shape)
        if picture.origin:
            numbers |= self.sources.candidates(picture.origin.shape)
        ordered = sorted(numbers)
        for page in range(0, len(ordered), _PAGE):
            listed = ",".join(map(str, ordered[page : page + _PAGE]))
            for path, other in self._rows(f"number IN ({listed})"):
                if self._is_near(picture, other):
                    return Duplicate(path, "near-duplicate", picture.size > other.size)
        return None

    def add(self, path: str, picture: Fingerprint) -> None:
        """Add a picture."""
        origin = picture.origin
        self.database.execute(
            "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.count,
                os.fsencode(path),
                picture.content,
                picture.pixels,
                picture.shape,
                picture.colors,
                picture.view if origin else b"",
                *picture.size,
                _PLACE.pack(origin.shape, *origin.box, *origin.affine) if origin else b"",
            ),
        )
        self.database.execute("INSERT INTO keys VALUES (?, ?)", (_key(picture.pixels), self.count))
        if self.near:
            self.shapes.add(self.count, picture.shape)
            self.sources.add(self.count, origin.shape if origin else b"")
        self.count += 1

    def _rows(self, where: str, *values: Any) -> Iterator[tuple[str, Fingerprint]]:
        """Paths and fingerprints, in the order added."""
        for row in self.database.execute(
            f"SELECT * FROM images WHERE {where} ORDER BY number", values
        ):
            _, path, content, pixels, shape, colors, view, area, length, place = row
            origin = None
            if place:
                source, *numbers = _PLACE.unpack(place)
                origin = Origin(source, tuple(numbers[:4]), tuple(numbers[4:]))
            fingerprint = Fingerprint(content, pixels, shape, colors, view, area, length, origin)
            yield os.fsdecode(path), fingerprint

    def _is_near(self, one: Fingerprint, other: Fingerprint) -> bool:
        if one.origin and other.origin and self._agree(one.origin.shape, other.origin.shape):
            return one.origin.is_same_place(other.origin) and is_same_view(one, other)
        return self._agree(one.shape, other.shape) and has_same_colors(one, other)

    def _agree(self, one: bytes, other: bytes) -> bool:
        differing = int.from_bytes(one) ^ int.from_bytes(other)
        return bool(one and other) and differing.bit_count() <= self.most_bits


class _Index:
    """Finds the hashes that differ from a given one in at most `most_bits` bits.

    By the pigeonhole principle, two such hashes have at least one of `most_bits` + 1 chunks in
    common. A chunk takes its bits from all over the picture, since many share an empty corner.
    """

    def __init__(self, database: sqlite3.Connection, name: bytes, most_bits: int) -> None:
        self.database = database
        self.name = name
        self.most_bits = most_bits
        self.chunks = most_bits + 1
        self.scan = _Scan() if self.chunks > _MOST_CHUNKS else None

    def add(self, number: int, shape: bytes) -> None:
        """Add the hash of the next picture, which may be empty."""
        if self.scan:
            self.scan.add(shape)
        elif shape:
            keys = [(key, number) for key in self._keys(shape)]
            self.database.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", keys)

    def candidates(self, shape: bytes) -> set[int]:
        """The numbers of the pictures whose hash may agree with this one; some may not."""
        if not shape:
            return set()
        if self.scan:
            return set(self.scan.near(shape, self.most_bits))
        keys = self._keys(shape)
        query = f"SELECT number FROM keys WHERE key IN ({','.join('?' * len(keys))})"
        return {number for (number,) in self.database.execute(query, keys)}

    def _keys(self, shape: bytes) -> list[int]:
        bits = np.unpackbits(np.frombuffer(shape, np.uint8))
        chunks = (np.packbits(bits[n :: self.chunks]).tobytes() for n in range(self.chunks))
        return [_key(self.name + bytes([n]) + chunk) for n, chunk in enumerate(chunks)]


class _Scan:
    """All hashes in memory, compared one by one; for thresholds too low for chunks."""

    def __init__(self) -> None:
        self.blocks: list[NDArray[np.uint64]] = []
        self.count = 0

    def add(self, shape: bytes) -> None:
        """Append a hash; zeros if it is empty."""
        row = self.count % _BLOCK
        if row == 0:
            self.blocks.append(np.zeros((HASH_BITS // 64, _BLOCK), np.uint64))
        self.blocks[-1][:, row] = np.frombuffer(shape or bytes(HASH_BITS // 8), np.uint64)
        self.count += 1

    def near(self, shape: bytes, most_bits: int) -> list[int]:
        """The indices of those that differ from `shape` in at most `most_bits` bits."""
        wanted = np.frombuffer(shape, np.uint64)[:, None]
        places: list[int] = []
        for start, block in zip(count(0, _BLOCK), self.blocks, strict=False):
            differing = np.bitwise_count(block[:, : self.count - start] ^ wanted)
            found = np.flatnonzero(differing.sum(axis=0, dtype=np.uint16) <= most_bits)
            places += (found + start).tolist()
        return places


def _key(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)
