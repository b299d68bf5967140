"""Who does a stream's work: threads, processes, or any executor, such as a cluster's."""

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from animetools import atomic
from animetools.cli.cores import cores
from animetools.errors import Advice, FatalError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from multiprocessing.connection import Connection

T = TypeVar("T")
Tell = Callable[[int, float], None]  # of the item with this number so much is done, 0 to 1

WINDOW = 4  # items on their way per worker: enough that none waits, few enough to stay small
AHEAD = 2  # tasks of remote workers: one is worked on while the next is on its way
DEAD_WORKER = "a worker process died, perhaps for want of memory: try fewer --jobs"


@dataclass
class Workers:
    """The workers of one run: an executor that works on `width` items at once.

    Unless they are threads, what they are given and what they return must survive pickling; what
    they warn of is warned of here. Remote workers are given `ahead` tasks each (see Tasks); their
    width may change during a run, and their executor belongs to the caller and goes on after it.
    """

    executor: "Executor"
    width: int
    are_threads: bool = False
    are_remote: bool = False
    ahead: int = 1
    channel: "_Channel | None" = None
    waiting: "set[Future[Any]]" = field(default_factory=set)

    @property
    def window(self) -> int:
        """How many items may be on their way."""
        return WINDOW * self.width

    def submit(self, function: Callable[..., T], *args: Any) -> "Future[T]":
        """Have a worker call the function.

        Here or in the result: FatalError if a worker process has died.
        """
        if self.are_threads:
            return self.executor.submit(function, *args)
        from concurrent.futures import BrokenExecutor, Future

        result: Future[T] = Future()
        try:
            future = self.executor.submit(_call, HERE, function, *args)
        except BrokenExecutor:
            raise FatalError(DEAD_WORKER) from None
        self.waiting.add(future)
        future.add_done_callback(self.waiting.discard)
        future.add_done_callback(partial(_pass_on, result))
        return result

    def reach(self, tell: Tell) -> Tell | None:
        """What a worker calls so that `tell` is called here; None if that cannot be."""
        if self.are_threads:
            return tell
        return self.channel.reach(tell) if self.channel else None

    def end(self, *, wait: bool) -> None:
        """No more work; what has not begun is canceled."""
        if self.are_remote:
            return
        for future in list(self.waiting):
            future.cancel()
        self.executor.shutdown(wait=wait, cancel_futures=True)
        if self.channel:
            self.channel.writer.close()


def threads(jobs: int) -> Workers:
    """Threads: for work that Pillow, OpenCV or torch does without the GIL; 0 is one per core."""
    from concurrent.futures import ThreadPoolExecutor

    jobs = jobs or cores()
    return Workers(ThreadPoolExecutor(jobs), jobs, are_threads=True)


def processes(jobs: int) -> Workers:
    """Processes, which end with this one: for work that Python itself does; 0 is one per core."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    silence_tracker()
    jobs, context = jobs or cores(), get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(jobs, context, _begin_process, (writer,))
    return Workers(executor, jobs, channel=_Channel(reader, writer))


def silence_tracker() -> None:
    """When a signal ends us, multiprocessing's tracker tidies up after us; it need not say so."""
    silence = "ignore::UserWarning:multiprocessing.resource_tracker"
    os.environ.setdefault("PYTHONWARNINGS", silence)


def remote(executor: "Executor", width: int) -> Callable[[int], Workers]:
    """Any executor with so many workers; `cluster.py` has the one of a Dask cluster."""
    return lambda jobs: Workers(
        executor, jobs or width, are_remote=True, ahead=1 if jobs else AHEAD
    )


# In the worker

HERE = os.urandom(16).hex()  # this process
_listening: dict[int, list[str]] = {}  # the calls that are under way, and what they hear
_writer: "Connection | None" = None


def _call(caller: str, function: Callable[..., T], *args: Any) -> tuple[T, list[str]]:
    """What the function returns, and what it warned of; an error carries that along."""
    with hearing(caller) as said:
        try:
            return function(*args), said
        except Exception as why:
            why.__dict__["advice"] = said
            raise


@contextmanager
def hearing(caller: str) -> Iterator[list[str]]:
    """What the block warns of, unless the caller is this process and hears it itself."""
    said: list[str] = []
    if caller == HERE:  # an executor that works in our own process
        yield said
        return
    _hear_warnings()
    _listening[id(said)] = said
    try:
        yield said
    finally:
        del _listening[id(said)]


@cache
def _hear_warnings() -> None:
    usual = warnings.showwarning

    def hear(message: Warning | str, category: type[Warning], *where: Any, **to: Any) -> None:
        if not issubclass(category, Advice):
            usual(message, category, *where, **to)
            return
        for said in list(_listening.values()):  # a thread of a call may warn: all hear it
            said.append(str(message))

    warnings.showwarning = hear
    warnings.simplefilter("always", Advice)


def _begin_process(writer: "Connection") -> None:
    global _writer
    _writer = writer
    follow_parent()


def follow_parent() -> None:
    """Have this process end with the one that started it."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    if parent:
        parent.join()
        atomic.abandon()
        os._exit(1)


def _tell(number: int, share: float) -> None:
    if _writer:
        with suppress(OSError):  # nobody listens any more
            # So short that a pipe keeps it whole, whoever else writes.
            _writer.send_bytes(f"{number} {share}".encode())


# In the parent


@dataclass(frozen=True)
class _Channel:
    """A pipe through which processes say how far their items are."""

    reader: "Connection"
    writer: "Connection"

    def reach(self, tell: Tell) -> Tell:
        threading.Thread(target=self._listen, args=[tell], daemon=True).start()
        return _tell

    def _listen(self, tell: Tell) -> None:
        with self.reader, suppress(EOFError):  # the last process has ended
            while True:
                number, share = self.reader.recv_bytes().split()
                tell(int(number), float(share))


def _pass_on(result: "Future[T]", future: "Future[tuple[T, list[str]]]") -> None:
    """A worker's warnings, then its result."""
    from concurrent.futures import BrokenExecutor

    if future.cancelled():
        result.cancel()
        return
    why = future.exception()
    value, said = (None, why.__dict__.get("advice", [])) if why else future.result()
    for text in dict.fromkeys(said):
        warnings.warn(text, Advice, stacklevel=1)
    if isinstance(why, BrokenExecutor):
        result.set_exception(FatalError(DEAD_WORKER))
    elif why:
        result.set_exception(why)
    else:
        result.set_result(value)  # type: ignore[arg-type]
