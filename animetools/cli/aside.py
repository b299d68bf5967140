"""Long work that saves when it is interrupted."""

import queue
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from animetools.cli.exit import NO_MEMORY, die_of
from animetools.cli.stream import Stream
from animetools.errors import FatalError

AWAKE = 1.0  # seconds between two looks for signals
SAVING = {
    signal.SIGINT: "saving; press Ctrl-C again to stop at once",
    signal.SIGTERM: "saving; a second SIGTERM stops at once",
}


def until_interrupted(
    work: Callable[[Callable[[], bool]], Iterator[str]], stream: Stream, cure: str
) -> Iterator[str]:
    """What `work` gives; its argument tells it whether to save and stop, for Ctrl-C or SIGTERM.

    Before the work asks for the first time there is nothing to save, and the signal ends the
    process at once, as a second signal does. After the work has stopped, the report is closed and
    the process dies of the signal. The work runs in its own thread: Python handles signals in the
    main thread only, and there not before a call of torch returns, which may take minutes.

    Raises what the work raises; FatalError, with the cure, if memory runs out.
    """
    can_save, interrupted = threading.Event(), threading.Event()
    done: _Queue = queue.SimpleQueue()
    last: signal.Signals | None = None

    def is_stopping() -> bool:
        can_save.set()
        return interrupted.is_set()

    def interrupt(number: int, _frame: object) -> None:
        if interrupted.is_set() or not can_save.is_set():
            die_of(number)
        interrupted.set()
        done.put(signal.Signals(number))

    for number in SAVING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, interrupt)

    def run() -> None:
        try:
            for each in work(is_stopping):
                done.put(each)
            done.put(None)
        except BaseException as error:  # noqa: BLE001  the main thread raises it
            done.put(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while (entry := _next(done)) is not None:
            if isinstance(entry, BaseException):
                raise entry
            if isinstance(entry, signal.Signals):
                last = entry
                stream.note(SAVING[entry])
            else:
                yield entry
    except OSError as why:
        why.filename = why.filename or stream.out  # errors of write() do not name the file
        raise
    except RuntimeError as why:  # how torch reports it, of a card and of the machine
        if not re.search(NO_MEMORY, str(why)):
            raise
        raise FatalError(f"out of memory: {cure}") from why
    thread.join()  # Python must not end while it runs
    stream.report.end()
    if last:
        die_of(last)


_Queue = queue.SimpleQueue[str | signal.Signals | BaseException | None]


def _next(done: _Queue) -> str | signal.Signals | BaseException | None:
    """What comes next.

    A signal does not wake the main thread if the kernel gives it to another one, or just before the
    main thread begins to wait; so it wakes by itself, and Python handles signals then.
    """
    while True:
        with suppress(queue.Empty):
            return done.get(timeout=AWAKE)
