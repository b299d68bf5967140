"""Which of several duplicates is kept."""

import pickle
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from animetools.images.gallery import Duplicate, Gallery
from animetools.images.hashes import Fingerprint


class Picture(Protocol):
    """Anything that has a path."""

    @property
    def path(self) -> str: ...


T = TypeVar("T", bound=Picture)
Pictures = Iterable[
    tuple[T, Fingerprint | None]
]  # a picture without a fingerprint is passed on unchanged
Compared = Iterator[tuple[T, Duplicate | None]]


def first_stays(near: float, pictures: "Pictures[T]") -> "Compared[T]":
    """Each picture, with the earlier one that it duplicates; `near` as in Gallery."""
    gallery = Gallery(near)
    for picture, fingerprint in pictures:
        yield picture, _compare(gallery, picture, fingerprint) if fingerprint else None


def largest_stays(near: float, pictures: "Pictures[T]") -> "Compared[T]":
    """Each picture, with the larger one that it duplicates; in input order, after the last has come.

    Pictures without a fingerprint are passed on at once. The larger of two has more pixels, then
    more bytes, then came first. Waiting pictures are pickled into a temporary database on disk.

    Raises sqlite3.OperationalError if the disk is full.
    """
    gallery = Gallery(near)
    waiting = sqlite3.connect("", isolation_level=None)  # "" is a temporary file
    waiting.executescript(
        """
        PRAGMA journal_mode = OFF;
        PRAGMA synchronous = OFF;
        CREATE TABLE pictures (number INTEGER PRIMARY KEY, area INTEGER, length INTEGER, kept BLOB);
        BEGIN;
        """
    )
    for picture, fingerprint in pictures:
        if fingerprint is None:
            yield picture, None
            continue
        row = (*fingerprint.size, pickle.dumps((picture, fingerprint)))
        waiting.execute("INSERT INTO pictures (area, length, kept) VALUES (?, ?, ?)", row)
    order = waiting.execute("SELECT number FROM pictures ORDER BY area DESC, length DESC, number")
    for (number,) in order:
        query = "SELECT kept FROM pictures WHERE number = ?"
        (kept,) = waiting.execute(query, (number,)).fetchone()
        picture, fingerprint = pickle.loads(kept)
        compared = pickle.dumps((picture, _compare(gallery, picture, fingerprint)))
        waiting.execute("UPDATE pictures SET kept = ? WHERE number = ?", (compared, number))
    for (kept,) in waiting.execute("SELECT kept FROM pictures ORDER BY number"):
        yield pickle.loads(kept)


def _compare(gallery: Gallery, picture: Picture, fingerprint: Fingerprint) -> Duplicate | None:
    duplicate = gallery.duplicate(fingerprint)
    if duplicate is None:
        gallery.add(picture.path, fingerprint)
    return duplicate
