"""Which items need work: not those that are done, under way, or a command's own files."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from animetools import atomic
from animetools.cli.item import Done, Item, Output, Result, Written, below
from animetools.cli.journal import Journal, refuse_another, refuse_other_content
from animetools.cli.workers import Tell
from animetools.errors import ItemError, PassedOver
from animetools.names import is_inside

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass
class Entry:
    """An item and its results to come."""

    item: Item
    future: "Future[Done]"
    output: Output | None = None


class Intake:
    """Starts the work on items that still need it, and keeps the journal of a run.

    `begin` starts the work on one item; `tell` is for its progress.
    """

    def __init__(
        self,
        out: str,
        aside: str,
        open_journal: Callable[[], Journal] | None,
        begin: "Callable[[Item, Output], Future[Done]]",
        tell: Tell | None,
    ) -> None:
        self.out = out
        self.aside = aside
        self.open_journal = open_journal
        self.begin = begin
        self.tell = tell
        self.journal: Journal | None = None
        self.under_way: dict[str, Entry] = {}  # by stem: a path listed twice is done once

    def take(self, item: Item) -> Entry:
        """Start the work on an item, or find out that there is none to do."""
        if item.trouble:
            return Entry(item, _failed(ItemError(item.trouble)))
        if atomic.is_part(item.path):
            return Entry(item, _failed(PassedOver("half-written file")))
        if atomic.is_backup(item.path):
            return Entry(item, _failed(PassedOver("backup")))
        if self.aside and is_inside(item.path, self.aside):
            return Entry(item, _failed(PassedOver(f"in {self.aside} already")))
        if not self.open_journal:
            output = Output(below(self.out, item.path), dry=True)
            return Entry(item, self._start(item, output))
        return self._take_journalled(item, self.open_journal)

    def _start(self, item: Item, output: Output) -> "Future[Done]":
        if self.tell:
            output.tell = partial(self.tell, hash(item.path))
        return self.begin(item, output)

    def _take_journalled(self, item: Item, open_journal: Callable[[], Journal]) -> Entry:
        stem = below(self.out, item.path)
        same = self.under_way.get(stem)
        try:
            if same:
                refuse_another(same.item.path, item.path, stem)
                if not item.is_file:
                    refuse_other_content(item, same.item.stamp, stem)
                return Entry(item, same.future)
            if self.journal is None:  # not earlier: a run without inputs makes no folder
                self.journal = open_journal()
            if self.journal.is_own(item):
                return Entry(item, _failed(PassedOver("made here")))
            begun = self.journal.begin(item)
        except ItemError as why:
            return Entry(item, _failed(why))
        if not isinstance(begun, Output):
            return Entry(item, _ready((begun, [])))
        entry = Entry(item, self._start(item, begun), begun)
        self.under_way[stem] = entry
        return entry

    def finish(self, entry: Entry, results: list[Result], files: list[Written]) -> None:
        """Record the results of an item."""
        if self.journal and entry.output:
            self.journal.finish(entry.output, entry.item, results, files)
            del self.under_way[entry.output.stem]

    def give_up(self, entry: Entry) -> None:
        """Record that an item failed."""
        if self.journal and entry.output:
            self.journal.give_up(entry.output)
            del self.under_way[entry.output.stem]

    def close(self) -> None:
        """Close the journal."""
        if self.journal:
            self.journal.close()


def _ready(done: Done) -> "Future[Done]":
    from concurrent.futures import Future

    future: Future[Done] = Future()
    future.set_result(done)
    return future


def _failed(why: Exception) -> "Future[Done]":
    from concurrent.futures import Future

    future: Future[Done] = Future()
    future.set_exception(why)
    return future
