"""The file of --index: every picture that was measured, and which of them were kept.

An SQLite file, complete after a kill at any moment, that several processes may use at once. Without
a path it is a temporary one.
"""

import math
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from struct import Struct
from typing import Any, Self

from animetools.database import Database, copy_into
from animetools.errors import FatalError
from animetools.images.hashes import (
    COARSE_BITS,
    COLOR_SIDE,
    HASH_BITS,
    VIEW_SIDE,
    Fingerprint,
)
from animetools.images.index_schema import check, check_tables, lay_out
from animetools.images.listed import Listed, Stored
from animetools.images.measure import Measured
from animetools.images.origins import HASH_BYTES, Origin

PATIENCE = 60  # seconds for other processes, each of which needs milliseconds

_BATCH = 1 << 16  # keys that are read at once
_PLACE = Struct(f"{HASH_BYTES}s4d6d")  # an Origin
_ROW = (
    "pictures.number, kept.number, path, place, mtime, width, height, bytes, colors, content, pixels,"
    " pictures.shape, hues, details, origin, view, made"
)
_LENGTHS = {  # of a stored fingerprint
    "content": {16},
    "pixels": {16},
    "shape": {0, HASH_BITS // 8},
    "hues": {2 * COLOR_SIDE**2},
    "origin": {0, _PLACE.size},
    "view": {0, VIEW_SIDE**2},
}


class Index:
    """An index, open.

    Raises FatalError, at any step, if the file is not one, cannot be used, or is damaged.
    """

    def __init__(
        self, base: Database, *, is_temporary: bool = True, keeps_views: bool = True
    ) -> None:
        self.base = base
        self.is_temporary = is_temporary
        self.keeps_views = keeps_views

    @classmethod
    def temporary(cls, *, keeps_views: bool = False, copy_of: str = "") -> Self:
        """One that ends with the process: empty, or a copy of a file that exists."""
        if copy_of:
            check(copy_of)

        def prepare(base: sqlite3.Connection) -> None:
            base.execute("PRAGMA journal_mode = OFF")
            base.execute("PRAGMA synchronous = OFF")
            if copy_of:
                copy_into(base, copy_of, PATIENCE)
            lay_out(base, copy_of)

        base = Database("", prepare, name="temporary index")
        return cls(base, is_temporary=not copy_of, keeps_views=keeps_views or bool(copy_of))

    @classmethod
    def of(cls, path: str) -> Self:
        """The index in a file, which is made if it does not exist."""
        check(path)
        base = Database(
            path,
            lambda base: lay_out(base, path),
            cure=f"delete it, if nothing else helps, and list the images again with --index {path}",
            patience=PATIENCE,
        )
        return cls(base, is_temporary=False)

    @classmethod
    def read_only(cls, path: str) -> Self:
        """The index in a file that exists, which stays as it is."""
        check(path)
        if not os.path.exists(path) or not os.path.getsize(path):
            raise FatalError(
                f"{path} does not exist or is empty: make it with animeclean --index {path}"
            )
        base = Database(
            path,
            lambda base: check_tables(base, path),
            cure=f"animeclean --index {path} on one image repairs it after a crash",
            patience=PATIENCE,
            read_only=True,
        )
        return cls(base, is_temporary=False)

    def recall(self, path: str, size: int, mtime: int, made: int) -> Stored | None:
        """The picture at a path, if it was measured in this way and its file is as it was."""
        found = self._rows(
            "place = ? AND bytes = ? AND mtime = ? AND made = ?",
            *(os.fsencode(os.path.realpath(path)), size, mtime, made),
        )
        return next(found, None)

    def at(self, path: str) -> Stored | None:
        """The picture that is, or was, at a path; a temporary index does not know."""
        if self.is_temporary:
            return None
        return next(self._rows("place = ?", os.fsencode(os.path.realpath(path))), None)

    def kept(self, numbers: list[int]) -> Iterator[Stored]:
        """Those pictures of which these are the ranks in the order of being kept."""
        listed = ",".join(map(str, numbers))
        return self._rows(
            f"pictures.number IN (SELECT picture FROM kept WHERE number IN ({listed}))"
        )

    def kept_with_pixels(self, pixels: bytes) -> Iterator[Stored]:
        """The pictures that were kept and have exactly these pixels."""
        return self._rows("pixels = ? AND kept.number IS NOT NULL", pixels)

    def remember(self, listed: Listed, made: int) -> Stored:
        """Enter a picture; one whose file has not changed stays what it was."""
        place = "" if self.is_temporary else listed.place
        key = os.fsencode(place) if place else None
        old = self.at(listed.path)
        if old and old.picture.content != listed.picture.content:
            self._forget(old)
            old = None
        picture, measured = listed.picture, listed.measured
        same = (listed.path, listed.mtime, made, measured)
        if old and (old.path, old.mtime, old.made, old.measured) == same:
            return old
        origin = picture.origin
        row = {
            "number": old and old.number,
            "path": os.fsencode(listed.path),
            "place": key,
            "mtime": listed.mtime,
            "made": made,
            "width": measured.width,
            "height": measured.height,
            "bytes": measured.bytes,
            "colors": measured.colors,
            "content": picture.content,
            "pixels": picture.pixels,
            "shape": picture.shape,
            "hues": picture.colors,
            "details": picture.details,
            "origin": _PLACE.pack(origin.shape, *origin.box, *origin.affine) if origin else b"",
            "view": picture.view if origin or self.keeps_views else b"",
        }
        self.base.do(
            (
                f"INSERT OR REPLACE INTO pictures ({','.join(row)})"
                f" VALUES ({','.join('?' * len(row))})",
                list(row.values()),
            )
        )
        number = old.number if old else self.base.ask("SELECT last_insert_rowid()")[0][0]
        kept = old.kept if old else None
        return Stored(listed.path, listed.mtime, measured, number, kept, place, made)

    def keep(self, stored: Stored) -> int:
        """Enter a picture among those that are kept; its rank."""
        picture = stored.picture
        source = picture.origin.shape if picture.origin else b""
        coarse = picture.coarse if picture.shape and self.keeps_views else b""
        row = [stored.number, picture.shape, coarse, source]
        self.base.do(("INSERT INTO kept (picture, shape, coarse, source) VALUES (?, ?, ?, ?)", row))
        return int(self.base.ask("SELECT last_insert_rowid()")[0][0])

    def drop(self, stored: Stored) -> None:
        """Enter that a picture is not kept any more."""
        self.base.do(("DELETE FROM kept WHERE picture = ?", [stored.number]))

    def replace(self, old: Stored, new: Stored) -> None:
        """Enter that the file of a picture has moved."""
        self.base.do(("UPDATE kept SET picture = ? WHERE picture = ?", [new.number, old.number]))
        self.base.do(("DELETE FROM pictures WHERE number = ?", [old.number]))

    def keys(self, after: int) -> Iterator[tuple[int, bytes, bytes, bytes]]:
        """The rank, shape, coarse hash and source hash of each that was kept after such a rank."""
        lengths = ({0, HASH_BITS // 8}, {0, COARSE_BITS // 8}, {0, HASH_BYTES})
        while True:
            rows = self.base.ask(
                "SELECT number, shape, coarse, source FROM kept WHERE number > ?"
                " ORDER BY number LIMIT ?",
                after,
                _BATCH,
            )
            for row in rows:
                if any(
                    _length(key) not in some for key, some in zip(row[1:], lengths, strict=True)
                ):
                    raise self._damaged()
                yield row
            if len(rows) < _BATCH:
                return
            after = rows[-1][0]

    def whole(self) -> AbstractContextManager[None]:
        """What one thread does in this block is done at once: no other process writes meanwhile."""
        return nullcontext() if self.is_temporary else self.base.whole()

    def close(self) -> None:
        """Close the file and leave it in a state that is read without writing."""
        if not self.is_temporary:
            with suppress(FatalError):  # another process uses it
                self.base.ask("PRAGMA busy_timeout = 0")
                self.base.ask("PRAGMA journal_mode = DELETE")
        self.base.close()

    def _forget(self, stored: Stored) -> None:
        self.drop(stored)
        self.base.do(("DELETE FROM pictures WHERE number = ?", [stored.number]))

    def _rows(self, where: str, *values: Any) -> Iterator[Stored]:
        """Pictures, in the order of being kept."""
        query = (
            f"SELECT {_ROW} FROM pictures LEFT JOIN kept ON kept.picture = pictures.number"
            f" WHERE {where} ORDER BY kept.number"
        )
        for row in self.base.ask(query, *values):
            yield self._stored(row)

    def _stored(self, row: tuple[Any, ...]) -> Stored:
        number, kept, path, place, mtime, width, height, size, colors, *rest = row
        content, pixels, shape, hues, details, packed, view, made = rest
        blobs = (content, pixels, shape, hues, packed, view)
        lengths = all(_length(b) in some for b, some in zip(blobs, _LENGTHS.values(), strict=True))
        integers = (mtime, width, height, size, colors, details, made)
        if not (lengths and all(isinstance(value, int) for value in integers)):
            raise self._damaged()
        names = (path, place or b"")
        if _length(path) < 1 or any(_length(name) < 0 or b"\0" in name for name in names):
            raise self._damaged()
        if self.keeps_views and not view:
            raise self._damaged()
        if min(width, height) < 1 or details < 0:
            raise self._damaged()
        origin = None
        if packed:
            source, *numbers = _PLACE.unpack(packed)
            if not all(map(math.isfinite, numbers)):
                raise self._damaged()
            origin = Origin(source, tuple(numbers[:4]), tuple(numbers[4:]))
        picture = Fingerprint(
            content, pixels, shape, hues, view, width * height, size, origin, details
        )
        measured = Measured(width, height, size, colors, picture)
        where = os.fsdecode(place or b"")
        return Stored(os.fsdecode(path), mtime, measured, number, kept, where, made)

    def _damaged(self) -> FatalError:
        return FatalError(f"{self.base.name} is damaged: {self.base.cure}")


def _length(value: Any) -> int:
    return len(value) if isinstance(value, bytes) else -1
