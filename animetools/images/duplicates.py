"""Which of several duplicates stays."""

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
Pictures = Iterable[tuple[T, Fingerprint | None]]  # without a fingerprint it is passed on as it is
Judged = Iterator[tuple[T, Duplicate | None]]


def first_stays(near: float, pictures: "Pictures[T]") -> "Judged[T]":
    """Each picture, with the earlier one that it repeats; near is as Gallery's."""
    gallery = Gallery(near)
    for picture, print_ in pictures:
        yield picture, _judge(gallery, picture, print_) if print_ else None


def largest_stays(near: float, pictures: "Pictures[T]") -> "Judged[T]":
    """When all have come, each picture with the larger one that it repeats; in their order.

    What has no fingerprint does not wait. Larger is what has more pixels, or else more bytes, or
    else came first. What waits lies in a temporary database on the disk; pictures are pickled.

    Raises sqlite3.OperationalError where the disk is full.
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
    for picture, print_ in pictures:
        if print_ is None:
            yield picture, None
            continue
        row = (*print_.size, pickle.dumps((picture, print_)))
        waiting.execute("INSERT INTO pictures (area, length, kept) VALUES (?, ?, ?)", row)
    order = waiting.execute("SELECT number FROM pictures ORDER BY area DESC, length DESC, number")
    for (number,) in order:
        query = "SELECT kept FROM pictures WHERE number = ?"
        (kept,) = waiting.execute(query, (number,)).fetchone()
        picture, print_ = pickle.loads(kept)
        judged = pickle.dumps((picture, _judge(gallery, picture, print_)))
        waiting.execute("UPDATE pictures SET kept = ? WHERE number = ?", (judged, number))
    for (kept,) in waiting.execute("SELECT kept FROM pictures ORDER BY number"):
        yield pickle.loads(kept)


def _judge(gallery: Gallery, picture: Picture, print_: Fingerprint) -> Duplicate | None:
    duplicate = gallery.duplicate(print_)
    if duplicate is None:
        gallery.add(picture.path, print_)
    return duplicate
