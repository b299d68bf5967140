"""The stream engine: a list of paths in, workers, a list of paths out.

A reading thread feeds the workers through a bounded window, so that a finished result never waits
for the next line of input and memory does not grow with the list; only the main thread prints, in
input order.
"""

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from animetools.cli.batches import Batches, Pipeline
from animetools.cli.exit import die_of
from animetools.cli.inputs import items_of
from animetools.cli.intake import Entry, Intake
from animetools.cli.item import (
    FATAL,
    Done,
    Item,
    Rejected,
    Result,
    Work,
    finish,
    reason_of,
)
from animetools.cli.journal import Journal
from animetools.cli.options import StreamOptions
from animetools.cli.report import Report, write_all
from animetools.cli.workers import Workers, threads
from animetools.errors import FatalError, ItemError, PassedOver
from animetools.settings import Settings

if TYPE_CHECKING:
    from concurrent.futures import Future

    from animetools.cli.tasks import Tasks


class Run(Protocol):
    """Works on items, as `Stream.run` does."""

    def __call__(self, items: Iterable[Item], *, counted: bool = True) -> Iterator[Result]: ...


@dataclass(frozen=True)
class Progress:
    """Counts of inputs `read`, `failed` and, as far as known, `left`, and of files `written`."""

    read: int
    failed: int
    left: int
    written: int


@dataclass(frozen=True)
class Stream:
    """The list of paths that a command reads, the work on it, and the list that it prints.

    `files` are the arguments. `out` is the output folder or file; `aside` is a folder into which the
    command moves inputs. What it has put into either is not an input: one process may list a folder
    while another fills it.
    `made_with` are the settings that outputs depend on. The journal of the output folder keeps them;
    a command that writes one file of many inputs, such as a dataset, passes them to what writes it.
    `found` names what the command uses here only because it is installed; outputs made with
    something else are not made again.
    `workers` starts the workers of a run: that many, or for 0 as many as are best.
    """

    options: StreamOptions
    report: Report
    made_with: Settings
    found: str = ""
    out: str = ""
    aside: str = ""
    files: tuple[str, ...] = ()
    workers: Callable[[int], Workers] = threads

    def keyed(self, **facts: Any) -> "Stream":
        """The same stream, with outputs that also depend on these facts."""
        return replace(self, made_with=self.made_with.keyed(**facts))

    def expect(self, count: int) -> None:
        """Tell the progress bar how many inputs are still to come."""
        self.report.total = self.report.read + count

    def count(self, count: int) -> None:
        """Count inputs that are kept or rejected without a counted `run`."""
        self.report.read += count

    def pass_over(self, path: str, reason: str) -> None:
        """Count an input that is not for this command."""
        self.report.read += 1
        self.report.pass_over(path, reason)

    def reject(self, path: str, reason: str) -> None:
        """Count an input that is not kept, without a `run`."""
        self.report.read += 1
        self.report.reject(path, reason, "")

    def note(self, text: str) -> None:
        """Print a sentence to standard error, unless --quiet."""
        self.report.note(text)

    def remark(self, text: str) -> None:
        """Add a clause to the last line."""
        self.report.remark(text)

    def watch(self, view: Any) -> None:
        """Show this renderable of rich in place of the progress bar."""
        self.report.watch(view)

    @property
    def progress(self) -> Progress:
        """The counts so far."""
        report = self.report
        left = max(0, (report.total or 0) - report.read)
        return Progress(report.read, report.failed, left, report.written)

    def map(self, work: Work, items: Iterable[Item] | None = None) -> int:
        """Print what `work` gives for each item: none, one or many."""
        return self.fold(work, iter, items)

    def batches(self, work: Batches, items: Iterable[Item] | None = None) -> int:
        """The same with a network, which takes several items at once."""
        return self.fold(work, iter, items)

    def fold(
        self,
        work: Work | Batches,
        through: Callable[[Iterator[Result]], Iterable[Result]],
        items: Iterable[Item] | None = None,
    ) -> int:
        """Pass the results, in order, `through` a generator, and print what that gives."""
        return self.collect(work, lambda items, run: through(run(items)), items)

    def collect(
        self,
        work: Work | Batches,
        gather: Callable[[Iterable[Item], Run], Iterable[Result]],
        items: Iterable[Item] | None = None,
    ) -> int:
        """Print what `gather` gives; it gets all items, and a function that works on items.

        A result with `trouble` counts as a failed input. Returns the exit status: 0, or 1 if an
        input failed.

        Raises FatalError if the run cannot start or go on.
        """
        self.report.begin()
        if items is None and self.report.bar and self.files and "-" not in self.files:
            self.report.total = sum(1 for _ in self.items())  # for the time left
        for result in gather(self.items() if items is None else items, partial(self.run, work)):
            if isinstance(result, Rejected):
                self.report.reject(result.path, result.reason, result.evidence, result.count)
            elif isinstance(result, Item) and result.trouble:
                self.report.error(result.path, result.trouble)
            else:
                self.print(result)
        self.report.account()
        return 1 if self.report.failed else 0

    def items(self) -> Iterator[Item]:
        """The items of the arguments, or of standard input."""
        end = b"\0" if self.options.null else b"\n"
        return items_of(self.files, end=end, out=self.out)

    def run(
        self, work: Work | Batches, items: Iterable[Item], *, counted: bool = True
    ) -> Iterator[Result]:
        """Work on `items`; give the results in order; report failures and go on.

        If not `counted`, only failures are: the others come again, or are counted with `count`.
        """
        entries: _Queue = queue.SimpleQueue()
        workers = self.workers(self.options.jobs)
        pipeline = _pipeline(work, workers)
        begin = pipeline.submit if pipeline else partial(workers.submit, finish, work)
        tell = workers.reach(self.report.advance) if self.report.bar else None
        journal = self._journal if self.out and not self.options.dry_run else None
        intake = Intake(self.out, self.aside, journal, begin, tell)
        room = threading.Semaphore(workers.window + (pipeline.window if pipeline else 0))
        ended = threading.Event()
        before = self.report.read

        def feed() -> None:  # a thread of its own: a finished item never waits for the next line
            # Workers are started here and inherit the mask: a terminal signals all processes, and the
            # parent decides.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
            count = 0
            try:
                for item in items:
                    room.acquire()
                    if ended.is_set():
                        return
                    entry = intake.take(item)
                    count += 1
                    if self.options.unordered:
                        entry.future.add_done_callback(partial(_arrive, entries, entry))
                    else:
                        entries.put(entry)
                self.report.total = before + count
                entries.put(count)
            except BaseException as error:  # noqa: BLE001  the main thread raises it
                entries.put(error)

        threading.Thread(target=feed, daemon=True).start()
        done, total, is_whole = 0, -1, False
        try:
            while done != total:
                entry = entries.get()
                if isinstance(entry, BaseException):
                    raise entry
                if isinstance(entry, int):
                    total = entry
                    continue
                done += 1
                results = self._results(intake, entry)
                self.report.read += counted or results is None
                yield from results or ()
                self.report.step(before + done, entry.item.path)
                room.release()
            is_whole = True
        finally:
            ended.set()
            room.release()  # the feeder may be waiting for it
            workers.end(wait=is_whole)
            if pipeline:
                pipeline.close()
            intake.close()

    def _journal(self) -> Journal:
        return Journal(self.out, self.made_with, self.found, force=self.options.force)

    def _results(self, intake: Intake, entry: Entry) -> list[Result] | None:
        """The results of one item; None if it failed or was passed over, which is reported here."""
        try:
            results, files = entry.future.result()
        except PassedOver as why:
            self.report.pass_over(entry.item.path, str(why))
        except (ItemError, OSError) as why:
            if isinstance(why, OSError) and why.errno in FATAL:
                raise FatalError(
                    f"{why.filename or self.out or entry.item.path}: {reason_of(why)}"
                ) from why
            kind = why.kind if isinstance(why, ItemError) else ""
            self.report.error(entry.item.path, _one_sentence(entry.item, why), kind)
        else:
            intake.finish(entry, results, files)
            self.report.written += len(files) if entry.output else 0
            return results
        intake.give_up(entry)
        return None

    def print(self, result: Item | str) -> None:
        """Print one result."""
        text = result if isinstance(result, str) else result.line(self.options.json)
        if self.report.show(text):
            return
        try:
            write_all(1, os.fsencode(text) + (b"\0" if self.options.null else b"\n"))
        except BrokenPipeError:
            die_of(signal.SIGPIPE)
        except OSError as why:
            raise FatalError(f"standard output: {reason_of(why)}") from None


_Queue = queue.SimpleQueue[Entry | BaseException | int]  # an int is the number of entries


def _pipeline(work: Work | Batches, workers: Workers) -> "Tasks | Pipeline | None":
    """What takes items to the workers, if it is not the workers themselves."""
    if workers.are_remote:
        from animetools.cli.tasks import Tasks  # late: --help does without

        return Tasks(work, workers)
    return Pipeline(work, workers) if isinstance(work, Batches) else None


def _arrive(entries: _Queue, entry: Entry, _: "Future[Done]") -> None:
    entries.put(entry)


def _one_sentence(item: Item, why: BaseException) -> str:
    """The reason, with the path that it is about, if that is not the item's."""
    other = why.filename if isinstance(why, OSError) else None
    if other and os.fsdecode(other) != item.path:
        return f"{os.fsdecode(other)}: {reason_of(why)}"
    return reason_of(why)
