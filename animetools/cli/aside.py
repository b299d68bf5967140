"""Long work that can be asked to end."""

import queue
import re
import signal
import threading
from collections.abc import Callable, Iterator

from animetools.cli.stream import Stream, die_of
from animetools.errors import FatalError

NO_MEMORY = "out of memory|(can't|not) allocate|not enough memory"  # as torch says it, and others


def until_sigterm(
    work: Callable[[Callable[[], bool]], Iterator[str]], stream: Stream, cure: str
) -> Iterator[str]:
    """What `work` gives; it is handed a question that SIGTERM answers with yes: is it to end?

    When it has ended so, the process dies of the signal; the report has ended then. The work is done
    in a thread of its own: Python hears signals in its first thread alone, and not before torch has
    come back to it, which may take minutes.

    Raises what the work raises; FatalError where the machine lacks the memory, with the cure.
    """
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    done: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            for each in work(asked.is_set):
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
            yield entry
    except OSError as why:
        why.filename = why.filename or stream.out  # a write does not know whose it is
        raise
    except RuntimeError as why:  # so torch says it, of a card and of the machine
        if not re.search(NO_MEMORY, str(why)):
            raise
        raise FatalError(f"out of memory: {cure}") from why
    thread.join()  # Python must not end while it runs
    stream.report.end()
    if asked.is_set():
        die_of(signal.SIGTERM)
