"""Long work that can be asked to end."""

import queue
import re
import signal
import threading
from collections.abc import Callable, Iterator

from animetools.cli.stream import Stream, die_of
from animetools.errors import FatalError

SAVING = {
    signal.SIGINT: "saving; press Ctrl-C again to stop at once",
    signal.SIGTERM: "saving; a second SIGTERM stops at once",
}


def until_interrupted(
    work: Callable[[Callable[[], bool]], Iterator[str]], stream: Stream, cure: str
) -> Iterator[str]:
    """What `work` gives; it is handed a question that Ctrl-C and SIGTERM answer with yes: end now?

    Before it asks for the first time there is nothing to save, and the signal ends the process at
    once, as a second signal does. When the work has ended for it, the process dies of the signal;
    the report has ended then. The work is done in a thread of its own: Python hears signals in its
    first thread alone, and not before torch has come back to it, which may take minutes.

    Raises what the work raises; FatalError where the machine lacks the memory, with the cure.
    """
    can_save, interrupted = threading.Event(), threading.Event()
    done: queue.SimpleQueue[str | signal.Signals | BaseException | None] = queue.SimpleQueue()
    last: signal.Signals | None = None

    def is_to_end() -> bool:
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
            for each in work(is_to_end):
                done.put(each)
            done.put(None)
        except BaseException as error:  # noqa: BLE001  the first thread raises it
            done.put(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while (entry := done.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            if isinstance(entry, signal.Signals):
                last = entry
                stream.report.note(SAVING[entry])
            else:
                yield entry
    except OSError as why:
        why.filename = why.filename or stream.out  # a write does not know whose it is
        raise
    except RuntimeError as why:  # so torch says it, of a card and of the machine
        if not re.search("out of memory|can't allocate memory", str(why)):
            raise
        raise FatalError(f"out of memory: {cure}") from why
    thread.join()  # Python must not end while it runs
    stream.report.end()
    if last:
        die_of(last)
