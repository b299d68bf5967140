"""The stream engine: a list of paths in, work in a pool, a list of paths out.

A reading thread feeds a pool through a bounded window, so that a finished result never waits for
the next line of input and memory does not grow with the list; the main thread alone prints, in the
order of the input.
"""

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, NoReturn, Protocol

from animetools import atomic
from animetools.cli.batches import Batches, Pipeline
from animetools.cli.inputs import items_of
from animetools.cli.item import (
    FATAL,
    Done,
    Item,
    Output,
    Rejected,
    Result,
    Work,
    Written,
    below,
    finish,
    reason_of,
)
from animetools.cli.journal import Journal, refuse_another, refuse_other_content
from animetools.cli.report import CLEAR, Report, write_all
from animetools.cli.workers import Tell, Workers, threads
from animetools.errors import FatalError, ItemError, PassedOver
from animetools.names import is_inside
from animetools.options import Opt
from animetools.settings import Settings


class Run(Protocol):
    """Works on items, as `Stream.run` does."""

    def __call__(self, items: Iterable[Item], *, counted: bool = True) -> Iterator[Result]: ...


@dataclass(frozen=True)
class Progress:
    """How far a run is: inputs `read`, `failed`, and `left`, as far as is known; files `written`."""

    read: int
    failed: int
    left: int
    written: int


@dataclass(frozen=True)
class StreamOptions:
    """The options that all commands share."""

    jobs: Annotated[
        int, Opt("Number of inputs to process at once; 0: one per core.", "j", min=0, max=1024)
    ] = 0
    null: Annotated[bool, Opt("Paths end in NUL instead of newline, in input and output.", "0")] = (
        False
    )
    unordered: Annotated[bool, Opt("Print results as they finish instead of in input order.")] = (
        False
    )
    json: Annotated[bool, Opt("Print a JSON object per line: the path and all facts.")] = False
    dry_run: Annotated[bool, Opt("Write nothing; print what would be written.", "n")] = False
    force: Annotated[bool, Opt("Overwrite outputs that exist.", "f")] = False
    quiet: Annotated[bool, Opt("Print errors only.", "q")] = False
    verbose: Annotated[bool, Opt("Print what happened to each input.", "v")] = False
    debug: Annotated[bool, Opt("Show the traceback of an unexpected error.")] = False


@dataclass(frozen=True)
class Stream:
    """The lists a command reads and prints, and the pool that does its work.

    `out` is the folder of its files; `aside` one in which it puts inputs away. What the command has
    put into either is no input: one process may still list the folders while another fills them.
    `made_with` says what outputs depend on. The journal keeps it; a command that writes one thing
    of many inputs, such as a dataset, hands it on to be kept there.
    `found` is what the command has found here to work with, where nobody says what it shall be.
    `workers` starts so many workers for a run, or as many as suit them for 0.
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
        """The same stream, whose outputs depend on these facts, too."""
        return replace(self, made_with=self.made_with.keyed(**facts))

    def expect(self, count: int) -> None:
        """Say how many inputs are still to come, where the command knows it."""
        self.report.total = self.report.read + count

    def count(self, count: int) -> None:
        """Count inputs that came to be known other than through `run`: they are kept or rejected."""
        self.report.read += count

    def pass_over(self, path: str, reason: str) -> None:
        """Count an input that is not this command's business."""
        self.report.read += 1
        self.report.pass_over(path, reason)

    def note(self, text: str) -> None:
        """Tell the person a sentence; silent with --quiet."""
        self.report.note(text)

    def remark(self, text: str) -> None:
        """Tell the person something at the end, behind the account."""
        self.report.remark(text)

    def watch(self, view: Any) -> None:
        """Show this renderable of rich's where the bar would be, if there would be one."""
        self.report.watch(view)

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        report = self.report
        left = max(0, (report.total or 0) - report.read)
        return Progress(report.read, report.failed, left, report.written)

    def map(self, work: Work, items: Iterable[Item] | None = None) -> int:
        """Print what `work` gives for each item: none, one or many."""
        return self.fold(work, iter, items)

    def batches(self, work: Batches, items: Iterable[Item] | None = None) -> int:
        """The same for a network, which wants several items at once."""
        return self.fold(work, iter, items)

    def fold(
        self,
        work: Work | Batches,
        through: Callable[[Iterator[Result]], Iterable[Result]],
        items: Iterable[Item] | None = None,
    ) -> int:
        """Send the results, in order and one at a time, `through` a generator, and print its."""
        return self.collect(work, lambda items, run: through(run(items)), items)

    def collect(
        self,
        work: Work | Batches,
        gather: Callable[[Iterable[Item], Run], Iterable[Result]],
        items: Iterable[Item] | None = None,
    ) -> int:
        """Give all items to `gather`, with a function that works on those it chooses.

        Returns the exit status: 0, or 1 if an input failed.

        Raises FatalError if the run cannot start or go on.
        """
        self.report.begin()
        if items is None and self.report.bar and self.files and "-" not in self.files:
            self.report.total = sum(1 for _ in self.items())  # a person wants to know how long
        for result in gather(self.items() if items is None else items, partial(self.run, work)):
            if isinstance(result, Rejected):
                self.report.reject(result.path, result.reason, result.evidence)
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
        """Do the work on `items`; give results in order, report failures and go on.

        A pass that is not `counted` only scouts: what comes out well comes again, or is told with
        `count`.
        """
        line: _Line = queue.SimpleQueue()
        workers = self.workers(self.options.jobs)
        pipeline = Pipeline(work, workers) if isinstance(work, Batches) else None
        begin = pipeline.submit if pipeline else partial(workers.submit, finish, work)
        tell = workers.reach(self.report.advance) if self.report.bar else None
        desk = _Desk(self, begin, tell)
        room = threading.Semaphore(workers.window + (pipeline.window if pipeline else 0))
        ended = threading.Event()
        before = self.report.read

        def feed() -> None:  # a thread of its own: a finished item never waits for the next line
            # Workers are started from here and inherit the mask: a signal goes to all of a terminal's
            # processes, and the parent decides.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
            count = 0
            try:
                for item in items:
                    room.acquire()
                    if ended.is_set():
                        return
                    entry = desk.take(item)
                    count += 1
                    if self.options.unordered:
                        entry.future.add_done_callback(partial(_arrive, line, entry))
                    else:
                        line.put(entry)
                self.report.total = before + count
                line.put(count)
            except BaseException as error:  # noqa: BLE001  the main thread raises it
                line.put(error)

        threading.Thread(target=feed, daemon=True).start()
        done, total, is_whole = 0, -1, False
        try:
            while done != total:
                entry = line.get()
                if isinstance(entry, BaseException):
                    raise entry
                if isinstance(entry, int):
                    total = entry
                    continue
                done += 1
                results = self._results(desk, entry)
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
            desk.close()

    def _results(self, desk: "_Desk", entry: "_Entry") -> list[Result] | None:
        """What became of one item; None, and everything is said, where it did not come out."""
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
            desk.finish(entry, results, files)
            self.report.written += len(files) if entry.output else 0
            return results
        desk.give_up(entry)
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


@dataclass
class _Entry:
    """An item and the promise of its results."""

    item: Item
    future: Future[Done]
    output: Output | None = None


_Line = queue.SimpleQueue[_Entry | BaseException | int]  # an int is how many entries there are


class _Desk:
    """Decides what is still to do, and has the journal remember what was done."""

    def __init__(
        self, stream: Stream, begin: Callable[[Item, Output], Future[Done]], tell: Tell | None
    ) -> None:
        self.stream = stream
        self.begin = begin
        self.tell = tell
        self.journal: Journal | None = None
        self.under_way: dict[str, _Entry] = {}  # by stem: a path listed twice is done once

    def take(self, item: Item) -> _Entry:
        """Begin one item."""
        if item.trouble:
            return _Entry(item, _failed(ItemError(item.trouble)))
        if atomic.is_part(item.path):
            return _Entry(item, _failed(PassedOver("half-written file")))
        if atomic.is_backup(item.path):
            return _Entry(item, _failed(PassedOver("backup")))
        aside = self.stream.aside
        if aside and is_inside(item.path, aside):
            return _Entry(item, _failed(PassedOver(f"in {aside} already")))
        if not self.stream.out or self.stream.options.dry_run:
            output = Output(below(self.stream.out, item.path), dry=True)
            return _Entry(item, self._start(item, output))
        return self._take_journalled(item)

    def _start(self, item: Item, output: Output) -> Future[Done]:
        if self.tell:
            output.tell = partial(self.tell, hash(item.path))
        return self.begin(item, output)

    def _take_journalled(self, item: Item) -> _Entry:
        stem = below(self.stream.out, item.path)
        twin = self.under_way.get(stem)
        try:
            if twin:
                refuse_another(twin.item.path, item.path, stem)
                if not item.is_file:
                    refuse_other_content(item, twin.item.stamp, stem)
                return _Entry(item, twin.future)
            if self.journal is None:
                stream = self.stream
                self.journal = Journal(
                    stream.out,
                    stream.made_with,
                    stream.found,
                    force=stream.options.force,
                )
            if self.journal.is_own(item):
                return _Entry(item, _failed(PassedOver("made here")))
            begun = self.journal.begin(item)
        except ItemError as why:
            return _Entry(item, _failed(why))
        if not isinstance(begun, Output):
            return _Entry(item, _ready((begun, [])))
        entry = _Entry(item, self._start(item, begun), begun)
        self.under_way[stem] = entry
        return entry

    def finish(self, entry: _Entry, results: list[Result], files: list[Written]) -> None:
        """An item came out well."""
        if self.journal and entry.output:
            self.journal.finish(entry.output, entry.item, results, files)
            del self.under_way[entry.output.stem]

    def give_up(self, entry: _Entry) -> None:
        """An item did not come out."""
        if self.journal and entry.output:
            self.journal.give_up(entry.output)
            del self.under_way[entry.output.stem]

    def close(self) -> None:
        """No more items."""
        if self.journal:
            self.journal.close()


def _arrive(line: _Line, entry: _Entry, _: Future[Done]) -> None:
    line.put(entry)


def die_of(number: int, _frame: object = None) -> NoReturn:
    """End as a Unix tool ends of a signal, leaving no half-written file."""
    atomic.abandon()
    if Report.drawing:  # it had hidden the cursor
        write_all(2, CLEAR.encode() + b"\x1b[?25h")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)


def _one_sentence(item: Item, why: BaseException) -> str:
    """The reason, with the other path that it is about, if it is about another."""
    other = why.filename if isinstance(why, OSError) else None
    if other and os.fsdecode(other) != item.path:
        return f"{os.fsdecode(other)}: {reason_of(why)}"
    return reason_of(why)


def _ready(done: Done) -> Future[Done]:
    future: Future[Done] = Future()
    future.set_result(done)
    return future


def _failed(why: Exception) -> Future[Done]:
    future: Future[Done] = Future()
    future.set_exception(why)
    return future
