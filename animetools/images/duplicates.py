"""Which of several duplicates is kept."""

import math
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from animetools.database import Database
from animetools.images.comparison import Comparison
from animetools.images.gallery import Gallery, Match
from animetools.images.index_file import Index
from animetools.images.likeness import LOOKS, Different, Kind, Likeness
from animetools.images.listed import Listed, Stored
from animetools.images.measure import Measured
from animetools.images.never_match import different

if TYPE_CHECKING:
    from sqlite3 import Connection

T = TypeVar("T")
Recall = Callable[[str, int, int], Measured | None]  # path, bytes, time in nanoseconds
Rank = Callable[[Listed], tuple[float, ...]]


@dataclass(frozen=True)
class Duplicate:
    """The picture that another one duplicates."""

    path: str
    kind: Kind
    bits: int = 0  # in which their hashes differ
    is_gone: bool = False  # whether the file of the other was deleted or changed since


def _is_same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them is gone
        return one == other


def _quality(listed: Listed) -> tuple[float, ...]:
    """Where details are the same within 10 %, the copy with more bytes a pixel is the older one.

    Of 36 pictures, each against 19 kinds of copies (JPEG, WebP, reduced, enlarged, blurred, JPEG saved
    as PNG), this prefers the picture in 90 % of pairs if it is a PNG, in 88 % if a JPEG of quality 92;
    the number of pixels does in 67 and 53 %.
    """
    picture = listed.picture
    steps = round(math.log(picture.details) / 0.1) if picture.details else -1
    return steps, picture.length / picture.area


RANKS: dict[str, Rank | None] = {  # the higher is kept; without, the first
    "first": None,
    "largest": lambda listed: listed.picture.size,
    "best": _quality,
    "newest": lambda listed: (listed.mtime,),
}


class Choice:
    """Decides, picture by picture, which stay, and remembers it in the gallery's index.

    A picture that was kept before stays, unless it duplicates one that was kept before it, or that
    ranks higher. Those of the `archive` always stay, and it is left as it is.
    """

    def __init__(
        self, gallery: Gallery, archive: Gallery | None, rank: Rank | None, made: int
    ) -> None:
        self.gallery = gallery
        self.index = gallery.index
        self.archive = archive
        self.rank = rank
        self.made = made
        self.seen: set[int] = set()  # pictures of files that were listed in this run
        self.larger = 0  # rejects that have more pixels than what stays, or as many and more bytes
        self.gone = 0  # rejects of which the other is gone
        # Pictures that an earlier run kept, and of which this one keeps a duplicate that ranks higher.
        self.superseded: set[int] = set()

    def recall(self, path: str, size: int, mtime: int) -> Measured | None:
        """What was measured of a file, if it has not changed since, and nothing is missing."""
        if self.index.is_temporary:
            return None
        known = self.index.recall(path, size, mtime, self.made)
        if known and self.rank == _quality and not known.picture.details:
            return None
        return known.measured if known else None

    def close(self) -> None:
        """Close the files."""
        for gallery in (self.gallery, self.archive):
            if gallery:
                gallery.index.close()

    def remember(self, listed: Listed) -> None:
        """Enter what was measured of a picture into the index, before it is judged."""
        if not self.index.is_temporary:
            with self.index.whole():
                self.index.remember(listed, self.made)

    def judge(self, listed: Listed) -> Duplicate | None:
        """The picture that this one duplicates; None if it stays."""
        with self.index.whole():
            self.gallery.catch_up()
            known = self.index.at(listed.path)
            if known and known.number in self.seen:
                return Duplicate(known.path, "listed twice")
            stored = self.index.remember(listed, self.made)
            if not self.index.is_temporary:
                self.seen.add(stored.number)
                self.superseded.discard(stored.number)
            for match in self.archive.matches(listed.picture) if self.archive else ():
                return self._rejected(stored, match)
            lesser = []
            for match in self.gallery.matches(listed.picture):
                if match.stored.number == stored.number:
                    continue
                moved = match.kind == "same bytes" and match.stored.is_elsewhere
                if moved and stored.kept is None:
                    self.index.replace(match.stored, stored)
                    return None
                if self._precedes(match.stored, stored):
                    return self._rejected(stored, match)
                lesser.append(match.stored)
            if stored.kept is None:
                self.index.keep(stored)
            if self.rank:
                for other in lesser:
                    self.index.drop(other)
                    self.superseded.add(other.number)
            return None

    def remarks(self) -> Iterator[str]:
        """What else a person should know of what was chosen."""
        if self.larger and (self.rank is None or self.archive):
            are = "is" if self.larger == 1 else "are"
            cure = "" if self.archive else " (--keep largest)"
            yield f"{self.larger} of the dropped duplicates {are} larger than what was kept{cure}"
        if self.gone:
            yield f"{self.gone} of the dropped are duplicates of files deleted or changed since"
        if count := len(self.superseded):
            have = "has a better duplicate" if count == 1 else "have better duplicates"
            yield f"{count} of those kept before {have} now: list them again to drop them"

    def _rejected(self, stored: Stored, match: Match) -> Duplicate:
        other, is_gone = match.stored, match.stored.is_gone
        if stored.kept is not None:
            self.index.drop(stored)
        if _is_same_file(stored.path, other.shown):
            return Duplicate(other.shown, "listed twice")
        self.larger += match.kind in LOOKS and stored.picture.size > other.picture.size
        self.gone += is_gone
        return Duplicate(other.shown, match.kind, match.bits, is_gone)

    def _precedes(self, other: Stored, stored: Stored) -> bool:
        """Whether another picture stays rather than this one."""
        if self.rank and self.rank(other) != self.rank(stored):
            return self.rank(other) > self.rank(stored)
        assert other.kept is not None
        return stored.kept is None or other.kept < stored.kept


def choice(options: Comparison, keep: str, made: int, *, dry: bool) -> Choice:
    """How the options say that duplicates are chosen; a dry run works on a copy of the index.

    Raises FatalError if a file that they name is not what it should be.
    """
    if not options.index:
        index = Index.temporary(keeps_views=options.cropped)
    elif not dry:
        index = Index.of(options.index)
    else:
        known = options.index if os.path.exists(options.index) else ""
        index = Index.temporary(keeps_views=True, copy_of=known)
    apart = different(options.never_match, index) if options.never_match else Different()
    likeness = Likeness(options.near, options.mirrored, options.cropped, apart)
    archive = Gallery(Index.read_only(options.against), likeness) if options.against else None
    return Choice(Gallery(index, likeness), archive, RANKS[keep], made)


def judged(
    choice: Choice, pictures: Iterable[tuple[T, Listed | None]]
) -> Iterator[tuple[T, Duplicate | None]]:
    """Each of these, with the picture that it duplicates, in the order given.

    Those without a picture are passed on at once; the others too, if the first stays. Otherwise they
    wait, pickled in a temporary database on disk, until the last has come.
    """
    if choice.rank is None:
        for each, listed in pictures:
            yield each, choice.judge(listed) if listed else None
        return
    waiting = Database("", _prepare, name="temporary list")
    for each, listed in pictures:
        if listed is None:
            yield each, None
            continue
        choice.remember(listed)
        ranks = (*choice.rank(listed), 0, 0)[:3]
        row = [*ranks, pickle.dumps((each, listed))]
        waiting.do(("INSERT INTO waiting (a, b, c, kept) VALUES (?, ?, ?, ?)", row))
    order = waiting.ask("SELECT number FROM waiting ORDER BY a DESC, b DESC, c DESC, number")
    for (number,) in order:
        each, listed = pickle.loads(_kept(waiting, number))
        row = [pickle.dumps((each, choice.judge(listed))), number]
        waiting.do(("UPDATE waiting SET kept = ? WHERE number = ?", row))
    for number in range(1, len(order) + 1):
        yield pickle.loads(_kept(waiting, number))


def _kept(waiting: Database, number: int) -> bytes:
    kept: bytes = waiting.ask("SELECT kept FROM waiting WHERE number = ?", number)[0][0]
    return kept


def _prepare(base: "Connection") -> None:
    base.execute("PRAGMA journal_mode = OFF")
    base.execute("PRAGMA synchronous = OFF")
    base.execute("CREATE TABLE waiting (number INTEGER PRIMARY KEY, a, b, c, kept BLOB)")
