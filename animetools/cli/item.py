"""What goes through a stream: items, rejects, and the output files of an item."""

import errno
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from animetools import atomic
from animetools.errors import ItemError
from animetools.names import fitted

Facts = dict[str, Any]

SILENT_SECONDS = 0.1  # between two drawings of the bar
LATEST = (1 << 63) - 1  # nanoseconds; file systems know later times than SQLite


@dataclass(frozen=True)
class Item:
    """One input or result: a path as it was given, and what is known of it.

    Its path and its `stamp` say what it is: if the stamp changes, its outputs are made again. The
    stamp of a file is its size and time, "BYTES:NANOSECONDS"; that of another item (a seed, a
    number) is a digest, without a colon, of what it is made from, empty if that is its path alone.
    """

    path: str
    facts: Facts = field(default_factory=dict)
    stamp: str = ""
    trouble: str = ""  # why it failed, or cannot even be tried
    own: Facts = field(default_factory=dict)  # those facts that this command found
    load: Any = None  # travels with the item and its results; never printed or journalled

    @property
    def is_file(self) -> bool:
        """Whether its path was a file when it was listed."""
        return ":" in self.stamp

    @property
    def size_and_time(self) -> tuple[int, int]:
        """Of the file, in bytes and nanoseconds; (-1, 0) if it is not a file."""
        size, _, time = self.stamp.partition(":")
        return (int(size), int(time)) if time else (-1, 0)

    def noted(self, **facts: Any) -> "Item":
        """The same item with more facts: what a filter passes on."""
        return replace(self, facts=self.facts | facts, own=self.own | facts)

    def made(self, path: str, **facts: Any) -> "Item":
        """A file made from this item; the fact `source` stays the first file of the pipeline."""
        source = {"source": self.path} if self.is_file else {}
        return Item(path, source | self.facts | facts, own=self.own | facts, load=self.load)

    def carrying(self, load: Any) -> "Item":
        """The same item with this load."""
        return replace(self, load=load)

    def rejected(self, reason: str, evidence: str = "") -> "Rejected":
        """This item as a reject."""
        return Rejected(self.path, reason, evidence)

    def line(self, as_json: bool) -> str:
        """The item as it is printed."""
        return json.dumps({"path": self.path} | self.facts) if as_json else self.path


@dataclass(frozen=True)
class Rejected:
    """An input, or a `count` of them, processed and not kept; the summary counts each reason."""

    path: str
    reason: str
    evidence: str = ""
    count: int = 1


Result = Item | Rejected | str  # a str is a line of text to print


def reason_of(why: BaseException) -> str:
    """An exception in a few words, without the path, which the message already has."""
    if isinstance(why, OSError) and why.strerror:
        return why.strerror[:1].lower() + why.strerror[1:]
    return str(why) or type(why).__name__


def stamp_of(status: os.stat_result) -> str:
    """The stamp of the file with this status."""
    return f"{status.st_size}:{min(status.st_mtime_ns, LATEST)}"


def below(folder: str, path: str) -> str:
    """`path` inside `folder`, without a leading / and without . and .. parts."""
    return "/".join([folder, *(part for part in path.split("/") if part not in ("", ".", ".."))])


@dataclass(frozen=True)
class Written:
    """A finished file of an item, as the journal remembers it."""

    path: str
    size: int
    mtime: int

    @classmethod
    def now(cls, path: str) -> "Written":
        """The file as it is now.

        Raises OSError if it does not exist.
        """
        found = os.lstat(path)
        return cls(path, found.st_size, min(found.st_mtime_ns, LATEST))


@dataclass
class Output:
    """The output files of one item; all of them appear, or none."""

    stem: str = ""
    source: str = ""
    dry: bool = False
    force: bool = False
    run: int = LATEST  # when this run began, by the clock of the file system
    begun: bool = False  # by a run with the same settings that was killed
    owned: tuple[Written, ...] = ()  # files that an earlier run made of this item
    parts: list[atomic.Part] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    tell: Callable[[float], None] | None = None  # where there is a bar, if a worker reaches it
    silent_until: float = 0  # by time.monotonic()

    def progress(self, done: float, total: float) -> None:
        """So much of a long item is done; any thread may say so, as often as it likes."""
        if self.tell and ((now := time.monotonic()) >= self.silent_until or done >= total):
            self.silent_until = now + SILENT_SECONDS
            self.tell(done / total)

    def find(self, suffix: str) -> str | None:
        """The path of a file that a killed run finished, if there is one; it is kept.

        For work that takes long, costs money, or gives another result when it is repeated.
        """
        path = fitted(self.stem, suffix)
        if not self.begun or not os.path.isfile(path):
            return None
        there = Written.now(path)
        if not there.size or there in self.owned:  # after a power cut; of an earlier run
            return None
        self.found.append(path)
        return path

    def write(self, suffix: str, encode: Callable[[], bytes | memoryview]) -> str:
        """Write `encode()` to the item's path plus `suffix`; returns that path.

        In a dry run nothing is encoded.

        Raises ItemError rather than overwrite the input, a file that this command did not write, or
        one that this run wrote for another input.
        """
        path = fitted(self.stem, suffix)
        if self.dry:
            return path
        data = encode()
        part = atomic.Part(path)  # waits for another writer of this name
        self.parts.append(part)
        self._check_free(path, data)
        part.file.write(data)
        return path

    def open(self, suffix: str) -> atomic.Part:
        """A file for something long, whose parts are never all in memory: fill it, or its `name`.

        Raises ItemError as `write`, before the work.
        """
        part = atomic.Part(fitted(self.stem, suffix))
        self.parts.append(part)
        self._check_free(part.path)
        return part

    def commit(self) -> list[Written]:
        """Give all files their names."""
        for part in self.parts:
            part.commit()
        done = [Written.now(path) for path in (*self.found, *(part.path for part in self.parts))]
        self.parts.clear()
        return done

    def drop(self) -> None:
        """Delete the files that do not have their names yet."""
        for part in self.parts:
            part.drop()
        self.parts.clear()

    def _check_free(self, path: str, data: bytes | memoryview | None = None) -> None:
        """Accept a name that is free or ours; a file with these bytes is of a run that was killed."""
        try:
            there = Written.now(path)
        except FileNotFoundError:
            return
        if is_same_file(path, self.source):
            raise ItemError("the output would overwrite its input: choose another -o")
        emptied = there.size == 0 and path in (file.path for file in self.owned)  # a power cut
        if emptied or there in self.owned or (data is not None and atomic.holds(path, data)):
            return
        if os.lstat(path).st_ctime_ns >= self.run:  # on some disks x.png is also X.PNG
            raise ItemError(f"{path} was just written for another input: rename one of the two")
        if self.force:
            return
        raise ItemError(f"{path} exists and was not written from this input; -f overwrites it")


def is_same_file(one: str, other: str) -> bool:
    """Whether both exist and are the same file or folder."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}

Work = Callable[[Item, Output], Iterable[Result]]
Done = tuple[list[Result], list[Written]]


def finish(work: Work, item: Item, output: Output) -> Done:
    """Do the work on one item and give its files their names, in any thread, process or machine."""
    try:
        results = list(work(item, output))
        return results, output.commit()
    except MemoryError:
        raise ItemError("not enough memory for it") from None
    finally:
        output.drop()
