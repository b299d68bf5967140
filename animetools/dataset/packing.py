"""The making of a dataset, in whatever format: it survives any kill and ends up whole.

What is packed goes to a part beside the target, and to a journal there that says from which file.
A run that finds them keeps what agrees with its own list, so that the dataset always is what one
undisturbed run would have made.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Protocol, Self

from animetools import atomic
from animetools.dataset.encode import Packable
from animetools.dataset.folders import FolderPart, strangers
from animetools.dataset.journal import (
    COMPUTED,
    Journal,
    Listed,
    Packed,
    dumped,
    origin_of,
    remove,
)
from animetools.dataset.members import SUMMARY, Member, image_name
from animetools.dataset.reading import Dataset
from animetools.dataset.zips import ZipPart
from animetools.errors import FatalError
from animetools.names import fitted, placed

OURS = "animepack"  # our key in dataset.json
SYNC_SECONDS = 5.0  # how old at most an image is that a power cut may take
REPLACE = "choose another -o, or -f to replace it"
RESTART = "choose another -o, or -f to start over"

Settings = dict[str, Any]  # all that the pixels depend on, by the names of the options
Entry = tuple[str, int, int, dict[str, Any], str]  # path, bytes, mtime, facts, why it is no file


class Part(Protocol):
    """A dataset of some format on its way: see zips.ZipPart."""

    def append(self, name: str, data: bytes) -> Member: ...
    def holds(self, member: Member) -> bool: ...
    def cut(self, last: Member | None) -> None: ...
    def sync(self) -> None: ...
    def finish(
        self,
        members: Iterable[Member],
        lines: Callable[[], Iterable[bytes]],
        summary: bytes,
        mtime: int,
    ) -> None: ...
    def close(self) -> None: ...


class Packing:
    """One dataset on its way to `path`: a zip if that ends in .zip, otherwise a folder.

    First `enlist`, then `match`, then `settle` what is `doubtful`, then `add` what is `todo`, then
    `finish`. Where `made` is set the dataset is there, and only has to be what is wanted. A dry one
    writes nothing.

    Raises FatalError, at any step, if the path is taken by a dataset of other images or settings
    (`force` replaces it) or by something else, or if it cannot be written.
    """

    def __init__(
        self, path: str, settings: Settings, *, force: bool = False, dry: bool = False
    ) -> None:
        self.path = os.path.realpath(path) if os.path.islink(path) else path
        self.places = tuple(
            placed(place) + os.sep for place in (self.path, atomic.part_name(self.path))
        )
        self.settings = settings
        self.force = force
        self.suffix = "png" if settings["quality"] is None else "jpg"
        self.begun = time.time_ns()
        self.synced = time.monotonic()
        self.count = 0  # images packed
        self.part: Part | None = None
        self.made = self._made()
        if self.made or dry:
            self.journal = Journal()
            return
        with self._telling():
            self.part = FolderPart(self.path) if self._is_folder() else ZipPart(self.path)
            try:
                self.journal = self._opened()
                self._take_up(self.part)
            except BaseException:
                self.part.close()
                raise

    def __enter__(self) -> Self:
        """The packing itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave what is packed for the next run, where it is not finished."""
        self.journal.close(finished=not self.count)
        if self.part:
            self.part.close()

    def is_own(self, path: str) -> bool:
        """Whether a file is the dataset, or in it, or in what it grows from."""
        return (placed(path) + os.sep).startswith(self.places)

    def enlist(self, entries: Iterable[Entry]) -> int:
        """Take the list of all that is wanted, in order; returns its length."""
        self.journal.enlist(
            Listed(position, origin_of(path, size, facts), mtime, trouble)
            for position, (path, size, mtime, facts, trouble) in enumerate(entries)
        )
        return int(self.journal.ask("SELECT count(*) FROM listed"))

    def match(self) -> int:
        """Find what is packed in the list; returns how many images that are."""
        known = self._known()
        waiting = next(known, None)
        number = 0

        def pairs() -> Iterator[tuple[int, int]]:
            nonlocal waiting, number
            for listed in self.journal.listed():
                if waiting is None:
                    return
                origin, times = waiting
                if listed.origin == origin and listed.mtime in times:
                    yield number, listed.position
                    number, waiting = number + 1, next(known, None)

        self.journal.settle(pairs())
        if waiting is not None:
            raise self._differs(*waiting)
        return number

    def doubtful(self) -> Iterator[Listed]:
        """Sources that should be among those packed, and are not: could they be had now?"""
        return self.journal.listed("number IS NULL AND position < ?", self._edge())

    def settle(self, good: Iterator[int]) -> None:
        """Learn which doubtful positions can be had now; only the first is taken from `good`.

        All that is packed behind it is forgotten, so that the order becomes that of the list.
        """
        first = next(good, None)
        edge = self._edge() if first is None else first
        tried = self.journal.listed("number IS NULL AND position < ?", edge)
        self.journal.settle((-1, listed.position) for listed in tried)
        if first is None:
            return
        if self.made:
            path = next(self.journal.listed("position = ?", first)).path
            raise FatalError(f"{self.path} was made without {path}: {REPLACE}")
        behind = "SELECT min(number) FROM listed WHERE number >= 0 AND position > ?"
        self._keep(int(self.journal.ask(behind, first)))

    def todo(self) -> Iterator[Listed]:
        """Sources that are still to be packed."""
        return self.journal.listed("number IS NULL")

    def left(self) -> int:
        """How many sources are still to be packed."""
        return int(self.journal.ask("SELECT count(*) FROM listed WHERE number IS NULL"))

    def sample(self, count: int) -> list[Listed]:
        """At most so many sources, spread evenly over what is still to be packed."""
        ends = "SELECT json_array(min(position), max(position)) FROM listed WHERE number IS NULL"
        first, last = json.loads(self.journal.ask(ends))
        if first is None:
            return []
        places = sorted({first + (last - first) * n // max(1, count - 1) for n in range(count)})
        near = self.journal.listed
        found = [next(near("number IS NULL AND position >= ?", place)) for place in places]
        return list({listed.position: listed for listed in found}.values())

    def add(self, position: int, packable: Packable) -> None:
        """Pack the image of the source at this position, behind all others."""
        assert self.part, "nothing can be added to a finished dataset"
        listed = next(self.journal.listed("position = ?", position))
        fitted = {"width": packable.width, "height": packable.height, "fit": packable.fit.record()}
        with self._telling():
            name = image_name(self.count, self.suffix)
            sidecars = []
            for ending, data in packable.sidecars:
                part = self.part.append(_beside(name, ending), data)
                sidecars.append([ending, part.offset, part.length, part.crc])
            member = self.part.append(name, packable.data)
            self.journal.add(
                Packed(
                    self.count,
                    listed.origin,
                    listed.mtime,
                    member.offset,
                    member.length,
                    member.crc,
                    dumped(fitted),
                    json.dumps(sidecars),
                )
            )
            self.count += 1
            if time.monotonic() - self.synced > SYNC_SECONDS:
                self._sync(self.part)

    def enlarged(self) -> int:
        """How many images that are packed had to be enlarged."""
        longer = (
            "json_extract(record, '$.fit.target[{0}]') > json_extract(record, '$.fit.source[{0}]')"
        )
        query = f"SELECT count(*) FROM packed WHERE {longer.format(2)} OR {longer.format(3)}"
        return int(self.journal.ask(query))

    def finish(self) -> None:
        """Make it whole and give it its name."""
        assert self.part, "a finished dataset is not finished again"
        if not self.count:
            raise FatalError(f"{self.path}: none of the images could be packed")
        summary = {"labels": None, OURS: {"images": self.count, "settings": self.settings}}
        # No source is newer than its dataset, as make has it: one that is has changed since.
        mtime = max(self.begun, int(self.journal.ask("SELECT max(mtime) FROM packed")))
        members = chain.from_iterable(map(self._members, self.journal.packed()))
        with self._telling():
            self._sync(self.part)
            self.part.finish(members, self._lines, dumped(summary).encode(), mtime)
            self.journal.close(finished=True)

    def _made(self) -> Dataset | None:
        """The finished dataset at the path, unless it is to be replaced."""
        is_folder = os.path.isdir(self.path)
        if is_folder and (os.path.ismount(self.path) or self.path in (os.curdir, os.pardir)):
            raise FatalError(f"{self.path} cannot be replaced as a whole: name a folder inside it")
        if not os.path.lexists(self.path) or (is_folder and not os.listdir(self.path)):
            return None
        if self._is_folder() and not is_folder:
            raise FatalError(f"{self.path} is a file: end the name of an archive in .zip")
        if not is_folder and not os.path.isfile(self.path):
            raise FatalError(f"{self.path} is no file: choose another -o")
        if is_folder and not os.path.exists(os.path.join(self.path, SUMMARY)):
            raise FatalError(f"{self.path} is a folder of other things: choose another -o")
        if self.force:
            stranger = next(strangers(self.path), None) if is_folder else None
            if stranger:
                raise FatalError(
                    f"{self.path} is not replaced: {stranger} in it is no part of a dataset"
                )
            return None
        made = Dataset(self.path)
        ours = made.summary.get(OURS)
        if not isinstance(ours, dict) or not isinstance(ours.get("settings"), dict):
            raise FatalError(f"{self.path} exists and was not made by {OURS}: {REPLACE}")
        self._compare(ours["settings"], f"{self.path} was made", REPLACE)
        if len(made) != ours.get("images"):
            lost = f"holds {len(made)} of {ours.get('images')} images"
            raise FatalError(f"{self.path} is damaged: it {lost}: {REPLACE}")
        if not os.path.lexists(atomic.part_name(self.path)):
            remove(self._journal_name())  # of a run that was killed in its last moment
        return made

    def _is_folder(self) -> bool:
        return os.path.isdir(self.path) or not self.path.lower().endswith(".zip")

    def _opened(self) -> Journal:
        try:
            return Journal(self._journal_name())
        except FatalError:
            if not self.force:
                raise
        remove(self._journal_name())
        return Journal(self._journal_name())

    def _journal_name(self) -> str:
        folder, name = os.path.split(self.path)
        # SQLite keeps a -wal beside it, whose name must fit too.
        return fitted(os.path.join(folder, f".{name}"), ".journal-wal").removesuffix("-wal")

    def _take_up(self, part: Part) -> None:
        """Go on with what an earlier run left, if it was made alike and is really there."""
        then = self.journal.word("settings")
        if then != dumped(self.settings):
            if then and not self.force:
                self._compare(json.loads(then), f"{self._unfinished()} was begun", RESTART)
            self._keep(0)
            self.journal.remember("settings", dumped(self.settings))
            return
        # What was written since the last sync may have been lost with the power.
        kept = 0
        for packed in self.journal.packed(since=int(self.journal.word("synced") or 0) - 1):
            if not all(map(part.holds, self._members(packed))):
                break
            kept = packed.number + 1
        self._keep(kept)

    def _keep(self, count: int) -> None:
        """Forget all images but the first few."""
        assert self.part
        self.journal.reopen(count)
        last = next(self.journal.packed(since=count - 1), None) if count else None
        self.part.cut(self._member(last) if last else None)
        self.count = last.number + 1 if last else 0
        self._sync(self.part)

    def _sync(self, part: Part) -> None:
        part.sync()
        self.journal.remember("synced", str(self.count))
        self.synced = time.monotonic()

    def _edge(self) -> int:
        """The position before which all should be packed."""
        ours = "" if self.made else "WHERE number >= 0"
        query = f"SELECT coalesce(max(position) + 1, 0) FROM listed {ours}"
        return int(self.journal.ask(query))

    def _known(self) -> Iterator[tuple[str, range]]:
        """What is packed: the origin of each image, and the times that its source may have."""
        if self.made:
            for record in self.made.records():
                origin = {name: record[name] for name in record if name not in COMPUTED}
                yield dumped(origin), range(self.made.files.mtime + 1)
        else:
            for packed in self.journal.packed():
                yield packed.origin, range(packed.mtime, packed.mtime + 1)

    def _differs(self, origin: str, times: range) -> FatalError:
        """Why a packed image is not where it should be in the list."""
        path = json.loads(origin).get("path")
        there = next((one for one in self.journal.listed() if one.path == path), None)
        if there is None:
            how = f"with {path}, which is not in this list"
        elif there.mtime not in times or _bytes_of(there.origin) != _bytes_of(origin):
            how = f"from {path} as it was before it changed"
        elif there.origin == origin:
            how = f"from a list with {path} in another place"
        else:
            how = f"with other facts about {path}"
        if self.made:
            return FatalError(f"{self.path} was made {how}: {REPLACE}")
        return FatalError(f"{self._unfinished()} was begun {how}: {RESTART}")

    def _unfinished(self) -> str:
        return f"{atomic.part_name(self.path)}, unfinished,"

    def _compare(self, then: Settings, what: str, cure: str) -> None:
        """Raise FatalError that names the first setting that differs."""
        for name in {**self.settings, **then}:
            if then.get(name) != self.settings.get(name):
                old, new = _typed(name, then.get(name)), _typed(name, self.settings.get(name))
                raise FatalError(f"{what} {old}, this run is {new}: {cure}")

    def _member(self, packed: Packed) -> Member:
        name = image_name(packed.number, self.suffix)
        return Member(name, packed.offset, packed.length, packed.crc)

    def _members(self, packed: Packed) -> list[Member]:
        """An image with its sidecars, as they lie in the part."""
        image = self._member(packed)
        sidecars = json.loads(packed.sidecars)
        return [*(Member(_beside(image.name, ending), *rest) for ending, *rest in sidecars), image]

    def _lines(self) -> Iterator[bytes]:
        """metadata.jsonl: of each image its name, its source and how it was fitted."""
        for packed in self.journal.packed():
            name = dumped({"file_name": image_name(packed.number, self.suffix)})
            # Three objects without a common name are one: no need to parse ten million of them.
            yield f"{name[:-1]},{packed.origin[1:-1]},{packed.record[1:]}\n".encode()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say of what fails while writing that nothing is lost."""
        try:
            yield
        except OSError as why:
            reason = why.strerror or str(why)
            kept = f"; {self.count} images are kept for the next run" if self.count else ""
            path = os.fsdecode(why.filename) if why.filename else self.path
            raise FatalError(f"{path}: {reason[:1].lower()}{reason[1:]}{kept}") from None


def _beside(image: str, ending: str) -> str:
    return os.path.splitext(image)[0] + ending


def _typed(name: str, value: Any) -> str:
    """A setting as it is typed: with --size 512, without --quality."""
    option = "--" + name.replace("_", "-")
    if name == "sidecars" and value:
        return f"with {option}"
    if value is None or value is True:  # switches that are on by default are typed as --no-NAME
        return f"without {option if value is None else option.replace('--', '--no-', 1)}"
    if value is False:
        return f"with {option.replace('--', '--no-', 1)}"
    return f"with {option} {value}"


def _bytes_of(origin: str) -> Any:
    return json.loads(origin).get("bytes")
