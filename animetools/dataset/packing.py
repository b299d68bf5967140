"""Packing images into one dataset, of whatever format: it survives any kill.

Packed images go to a part beside the target, and to a journal there that says from which file. The
next run keeps what agrees with its own list, so that the dataset always is what one undisturbed run
would have made.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import Any, Self

from animetools import atomic
from animetools.dataset.encode import Packable, suffix
from animetools.dataset.formats import Note, Writer, format_to_write
from animetools.dataset.growing import complete
from animetools.dataset.journal import (
    Journal,
    Listed,
    Packed,
    dumped,
    opened,
    origin_of,
    remove,
)
from animetools.dataset.labelling import Labelling, summary_lines, with_names_of
from animetools.dataset.matching import (
    MismatchError,
    finished_sources,
    key_of,
    mark_of,
    marks,
    match,
    packed_sources,
)
from animetools.dataset.members import CLASSES, OURS, SUMMARY, Member
from animetools.dataset.parts import added_name
from animetools.dataset.target import REPLACE, finished, refuse_difference, written
from animetools.dataset.tfrecord_writer import LABELS, check_size, label_file
from animetools.errors import FatalError
from animetools.names import fitted, placed
from animetools.settings import Settings

SYNC_SECONDS = 5.0  # how much work a power cut may cost
RESTART = "choose another -o, or -f to start over"

Entry = tuple[str, int, int, dict[str, Any], str]  # path, bytes, mtime, facts, why it is unreadable


class Packing:
    """One dataset on its way to `path`.

    First `enlist`, then `settle` what is `doubtful`, then `add` what is `todo`, then `finish`. Where
    `made` is set the dataset is finished already, and is only compared with the list. Where `grown` is
    set, because it `grows`, what the list has more is added to it. A dry one writes nothing.

    Raises FatalError, at any step, if the path is taken by a dataset of other images or settings
    (`force` replaces it) or by something else, or if it cannot be written.
    """

    def __init__(
        self,
        path: str,
        settings: Settings,
        labelling: Labelling | None = None,
        *,
        force: bool = False,
        dry: bool = False,
        grows: bool = False,
        shard_size: int | None = None,
        shard_images: int | None = None,
    ) -> None:
        self.path = os.path.realpath(path) if os.path.islink(path) else path
        self.settings = settings
        self.labelling = labelling
        self.names: list[str] = []  # of labels, and the number of each
        self.numbers: dict[str, int] = {}
        self.force = force
        values = settings.values
        self.kind = format_to_write(
            self.path, values.get("format"), captions=bool(values.get("captions"))
        )
        if self.kind.name == "tfrecords":
            check_size(values["size"])
        self.suffix = suffix(settings.values["quality"])
        self.started = time.time_ns()
        self.synced = time.monotonic()
        self.count = 0  # images packed
        self.already = 0  # images of the list that the dataset had before it grows
        self.part: Writer | None = None
        part_name = atomic.part_name(self.path)
        self.own = tuple(placed(place) + os.sep for place in (self.path, part_name))
        complete(self.path)
        before = self._stamp()
        self.made = finished(self.path, self.kind, settings, force=force, grows=grows)
        self.grown = self.made if grows else None
        if self.made:
            self.count = len(self.made)
            if not os.path.lexists(part_name):
                remove(self._journal_name())  # of a run that was killed in its last moment
        self.first = self.count if self.grown else 0  # number of the first image in the part
        if self.grown:
            self.made = None
            self.labelling = with_names_of(self.grown, labelling)
        if self.made or dry:
            self.journal = Journal()
            return
        shards = {"most_bytes": shard_size, "most_images": shard_images}
        if self.kind.name != "webdataset":
            shards = {}
        with self._writing():
            self.part = self.kind.write(self.path, self.grown, **shards)
            try:
                # Another process was faster: its images wait to be added, or are added.
                if os.path.lexists(added_name(self.path)) or self._stamp() != before:
                    raise BlockingIOError
                self.journal = opened(self._journal_name(), force=force)
                self._take_up(self.part)
            except BaseException:
                self.part.close()
                raise

    def __enter__(self) -> Self:
        """The packing itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave what is packed for the next run, where it is not finished."""
        self.journal.close(finished=self.count == self.first)
        if self.part:
            self.part.close()

    def is_own(self, path: str) -> bool:
        """Whether a file is the dataset, or in it, or in its part."""
        return (placed(path) + os.sep).startswith(self.own)

    def enlist(self, entries: Iterable[Entry]) -> None:
        """Take the list of all that is wanted, in order, and find in it what is packed already."""
        if self.grown:
            self.journal.know(marks(finished_sources(self.grown, self.kind.records)))
            entries = filter(self._is_new, entries)
        self.journal.enlist(
            Listed(position, origin_of(path, size, facts), mtime, trouble)
            for position, (path, size, mtime, facts, trouble) in enumerate(entries)
        )
        if not self.already and next(self.journal.listed(), None) is None:
            raise FatalError(f"no images came in, so {self.path} was not made")
        known = (
            finished_sources(self.made, self.kind.records)
            if self.made
            else packed_sources(self.journal)
        )
        try:
            self.journal.settle(match(self.journal, known, self.first))
        except MismatchError as how:
            raise FatalError(f"{self._was_made} {how}: {self._cure}") from None

    def doubtful(self) -> Iterator[Listed]:
        """Sources that should be among those packed, but failed: perhaps they can be read now."""
        return self.journal.failed(self._edge())

    def settle(self, good: Iterator[int]) -> None:
        """Learn which doubtful positions can be read now; only the first is taken from `good`.

        All that is packed behind it is forgotten, so that the order becomes that of the list.
        """
        first = next(good, None)
        edge = self._edge() if first is None else first
        self.journal.settle((-1, source.position) for source in self.journal.failed(edge))
        if first is None:
            return
        if self.made:
            path = self.journal.source(first).path
            raise FatalError(
                f"{self.path} was made without {path}: {REPLACE}, or --append to add it"
            )
        self._keep(self.journal.first_packed_behind(first))

    def unused_names(self) -> list[str]:
        """The classes or tags of the labelling that no image of the list has.

        Raises FatalError if its labels would be none or too many, or of several kinds: before any
        image is packed.
        """
        if self.made or not self.labelling:
            return []
        good = (source.facts for source in self.journal.listed() if not source.trouble)
        old = map(json.loads, self._old_lines())
        counts = self.labelling.count(chain(old, good))
        apart = self.kind.labels_apart
        self.names = self.labelling.names(counts, self.count + self.left(), apart=apart)
        self.numbers = {name: number for number, name in enumerate(self.names)}
        if self.part and self.kind.notes:  # those that are in the part have these names
            names = json.dumps(self.names)
            if self.count > self.first and self.journal.word("names") != names:
                self._keep(self.first)
            self.journal.keep_word("names", names)
        wanted = (*self.labelling.classes, *self.labelling.tags)
        return [name for name in wanted if not counts.words[name]]

    def todo(self) -> Iterator[Listed]:
        """Sources that are still to be packed."""
        return self.journal.todo()

    def left(self) -> int:
        """How many sources are still to be packed."""
        return self.journal.left()

    def sample(self, count: int) -> list[Listed]:
        """At most `count` sources, spread evenly over those still to be packed."""
        return self.journal.sample(count)

    def add(self, position: int, packable: Packable) -> None:
        """Pack the image of the source at this position, behind all others."""
        assert self.part, "nothing can be added to a finished dataset"
        source = self.journal.source(position)
        fitted = {"width": packable.width, "height": packable.height, "fit": packable.fit.record()}
        with self._writing():
            name = self._name(self.count, packable.suffix)
            sidecars = []
            notes = self._notes(name, source.facts | fitted)
            for ending, data in (dict(notes) | dict(packable.sidecars)).items():
                part = self.part.append(_beside(name, ending), data)
                sidecars.append([ending, part.offset, part.length, part.crc])
            member = self.part.append(name, packable.data)
            self.journal.add(
                Packed(
                    self.count,
                    source.origin,
                    source.mtime,
                    member.offset,
                    member.length,
                    member.crc,
                    dumped(fitted),
                    json.dumps(sidecars),
                    packable.suffix,
                )
            )
            self.count += 1
            if time.monotonic() - self.synced > SYNC_SECONDS:
                self._sync(self.part)

    def enlarged(self) -> int:
        """How many packed images were enlarged."""
        return self.journal.enlarged()

    def finish(self) -> None:
        """Complete the dataset and rename it to its path, or join it to the one that grows."""
        assert self.part, "a finished dataset is not finished again"
        if self.count == self.first:
            if self.grown:
                return
            raise FatalError(f"{self.path}: none of the images could be packed")
        how, names = self.labelling, self.names
        ours: dict[str, Any] = {OURS: {"images": self.count, "settings": written(self.settings)}}
        texts = self.kind.texts(self._lines, self.path)
        if how and not self.kind.notes:
            counts, apart = how.count(map(json.loads, self._lines())), self.kind.labels_apart
            names = how.names(counts, self.count, apart=apart)
            if apart:
                texts[LABELS] = partial(label_file, how, names, self._lines, self.count)
                ours |= {"label_names": names, CLASSES: counts.are_classes}
                how = None
        texts[SUMMARY] = partial(summary_lines, ours, self._lines, names, how)
        # No source is newer than its dataset: see matching.finished_sources.
        mtime = max(self.started, self.journal.newest(), self.grown.mtime if self.grown else 0)
        members = chain.from_iterable(map(self._members, self.journal.packed()))
        with self._writing():
            self._sync(self.part)
            self.part.finish(members, texts, mtime)
            self.journal.close(finished=True)

    @property
    def _was_made(self) -> str:
        if self.made:
            return f"{self.path} was made"
        return f"{atomic.part_name(self.path)}, unfinished, was started"

    @property
    def _cure(self) -> str:
        return REPLACE if self.made else RESTART

    def _stamp(self) -> tuple[int, ...]:
        """What changes with the dataset at the path."""
        for path in (os.path.join(self.path, SUMMARY), self.path):
            with suppress(OSError):
                found = os.stat(path)
                return found.st_ino, found.st_size, found.st_mtime_ns
        return ()

    def _journal_name(self) -> str:
        folder, name = os.path.split(self.path)
        # SQLite keeps a -wal beside it, whose name must fit too.
        return fitted(os.path.join(folder, f".{name}"), ".journal-wal").removesuffix("-wal")

    def _take_up(self, part: Writer) -> None:
        """Continue what an earlier run left, if it has these settings and is really there."""
        then = json.loads(self.journal.word("settings") or "null")
        if then and not self.force:
            refuse_difference(self.settings, then, self._was_made, self._cure)
        base = f"{self.first} {self.grown.mtime}" if self.grown else ""
        if not then or self.settings.difference(then) or base != (self.journal.word("base") or ""):
            self._keep(self.first)
            self.journal.keep_word("settings", dumped(written(self.settings)))
            self.journal.keep_word("base", base)
            return
        # What was written since the last sync may have been lost with the power.
        kept = self.first
        for packed in self.journal.packed(since=int(self.journal.word("synced") or 0) - 1):
            if not all(map(part.holds, self._members(packed))):
                break
            kept = packed.number + 1
        self._keep(kept)

    def _keep(self, count: int) -> None:
        """Forget all images but the first few."""
        assert self.part
        self.journal.forget(count)
        last = next(self.journal.packed(since=count - 1), None) if count > self.first else None
        self.part.cut(self._members(last)[-1] if last else None)
        self.count = last.number + 1 if last else self.first
        self._sync(self.part)

    def _sync(self, part: Writer) -> None:
        part.sync()
        self.journal.keep_word("synced", str(self.count))
        self.synced = time.monotonic()

    def _edge(self) -> int:
        """The position before which all should be packed."""
        return self.journal.edge(packed_only=not self.made)

    def _name(self, number: int, suffix: str = "") -> str:
        return self.kind.image_name(number, suffix or self.suffix)

    def _notes(self, name: str, facts: dict[str, Any]) -> Iterable[Note]:
        """The files beside an image that its format has."""
        if not self.kind.notes:
            return ()
        label = self.labelling.label(facts, self.numbers) if self.labelling else None
        return self.kind.notes({"file_name": name} | facts, label, self.names)

    def _members(self, packed: Packed) -> list[Member]:
        """An image behind its sidecars, in the order of the part."""
        name = self._name(packed.number, packed.suffix)
        sidecars = json.loads(packed.sidecars)
        image = Member(name, packed.offset, packed.length, packed.crc)
        return [*(Member(_beside(name, ending), *place) for ending, *place in sidecars), image]

    def _is_new(self, entry: Entry) -> bool:
        """Whether the dataset that grows lacks an image.

        Raises FatalError if it has the image as it was before the file changed.
        """
        assert self.grown
        path, size, mtime, facts, trouble = entry
        mark = self.journal.mark_of(key_of(path))
        if mark is None or trouble:
            return True
        if mark != mark_of({"bytes": size} | facts) or mtime > self.grown.mtime:
            raise FatalError(
                f"{self.path} was made from {path} as it was before it changed: {REPLACE}"
            )
        self.already += 1
        return False

    def _old_lines(self) -> Iterator[bytes]:
        """The record of each image of the dataset that grows."""
        return self.grown.lines(self.kind.records) if self.grown else iter(())

    def _lines(self) -> Iterator[bytes]:
        """The record of each image: its name, its source and how it was fitted."""
        yield from self._old_lines()
        for packed in self.journal.packed():
            name = dumped({"file_name": self._name(packed.number, packed.suffix)})
            # Three objects without a common name are one: no need to parse ten million of them.
            yield f"{name[:-1]},{packed.origin[1:-1]},{packed.record[1:]}\n".encode()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn a failure to write into a sentence, which says that nothing is lost."""
        try:
            yield
        except BlockingIOError:
            raise FatalError(f"{self.path} is being made by another process") from None
        except OSError as why:
            reason = why.strerror or str(why)
            kept = f"; {self.count} images are kept for the next run" if self.count else ""
            path = os.fsdecode(why.filename) if why.filename else self.path
            raise FatalError(f"{path}: {reason[:1].lower()}{reason[1:]}{kept}") from None


def _beside(image: str, ending: str) -> str:
    return os.path.splitext(image)[0] + ending
