"""Packing images into one dataset, of whatever format: it survives any kill.

Packed images go to a part beside the target, and to a journal there that says from which file. The
next run keeps what agrees with its own list, so that the dataset always is what one undisturbed run
would have made.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, Self

from animetools import atomic
from animetools.dataset.draft import Draft
from animetools.dataset.encode import Packable, suffix
from animetools.dataset.formats import Note, format_to_write
from animetools.dataset.growing import complete
from animetools.dataset.journal import (
    Journal,
    Listed,
    dumped,
    journal_name,
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
from animetools.dataset.members import CLASSES, OURS, SUMMARY
from animetools.dataset.parts import added_name
from animetools.dataset.target import REPLACE, finished, refuse_difference, stamp, written
from animetools.dataset.tfrecord_writer import LABELS, check_size, label_file
from animetools.errors import FatalError
from animetools.names import placed
from animetools.settings import Settings

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
        self.started = time.time_ns()
        self.already = 0  # images of the list that the dataset had before it grows
        self.draft: Draft | None = None
        part_name = atomic.part_name(self.path)
        self.own = tuple(placed(place) + os.sep for place in (self.path, part_name))
        complete(self.path)
        before = stamp(self.path)
        self.made = finished(self.path, self.kind, settings, force=force, grows=grows)
        self.grown = self.made if grows else None
        name = journal_name(self.path)
        if self.made and not os.path.lexists(part_name):
            remove(name)  # of a run that was killed in its last moment
        self.first = len(self.grown) if self.grown else 0  # number of the first image in the part
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
            part = self.kind.write(self.path, self.grown, **shards)
            try:
                # Another process was faster: its images wait to be added, or are added.
                if os.path.lexists(added_name(self.path)) or stamp(self.path) != before:
                    raise BlockingIOError
                self.journal = opened(name, force=force)
                self.draft = Draft(
                    part, self.journal, self.kind, suffix(values["quality"]), self.first
                )
                self._take_up(self.draft)
            except BaseException:
                part.close()
                raise

    def __enter__(self) -> Self:
        """The packing itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave what is packed for the next run, where it is not finished."""
        self.journal.close(finished=self.count == self.first)
        if self.draft:
            self.draft.part.close()

    @property
    def count(self) -> int:
        """How many images the dataset has so far."""
        there = self.made or self.grown
        return self.draft.count if self.draft else len(there) if there else 0

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
        assert self.draft
        self.draft.keep(self.journal.first_packed_behind(first))

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
        if self.draft and self.kind.notes:  # those that are in the part have these names
            names = json.dumps(self.names)
            if self.count > self.first and self.journal.word("names") != names:
                self.draft.keep(self.first)
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
        assert self.draft, "nothing can be added to a finished dataset"
        source = self.journal.source(position)
        facts = {"file_name": self.draft.name(packable)} | source.facts | packable.record
        with self._writing():
            self.draft.add(source, packable, dict(self._notes(facts)))

    def enlarged(self) -> int:
        """How many packed images were enlarged."""
        return self.journal.enlarged()

    def finish(self) -> None:
        """Complete the dataset and rename it to its path, or join it to the one that grows."""
        assert self.draft, "a finished dataset is not finished again"
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
        with self._writing():
            self.draft.finish(texts, mtime)

    @property
    def _was_made(self) -> str:
        if self.made:
            return f"{self.path} was made"
        return f"{atomic.part_name(self.path)}, unfinished, was started"

    @property
    def _cure(self) -> str:
        return REPLACE if self.made else RESTART

    def _take_up(self, draft: Draft) -> None:
        """Continue what an earlier run left, if it has these settings."""
        then = json.loads(self.journal.word("settings") or "null")
        if then and not self.force:
            refuse_difference(self.settings, then, self._was_made, self._cure)
        base = f"{self.first} {self.grown.mtime}" if self.grown else ""
        if (
            then
            and not self.settings.difference(then)
            and base == (self.journal.word("base") or "")
        ):
            draft.recover()
        else:
            draft.keep(self.first)
            self.journal.keep_word("settings", dumped(written(self.settings)))
            self.journal.keep_word("base", base)

    def _edge(self) -> int:
        """The position before which all should be packed."""
        return self.journal.edge(packed_only=not self.made)

    def _notes(self, record: dict[str, Any]) -> Iterable[Note]:
        """The files beside an image that its format has."""
        if not self.kind.notes:
            return ()
        label = self.labelling.label(record, self.numbers) if self.labelling else None
        return self.kind.notes(record, label, self.names)

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
        assert self.draft
        return chain(self._old_lines(), self.draft.lines())

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
