"""How a command ends: with its status, with a sentence, or by a signal."""

import atexit
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from animetools import atomic
from animetools.cli.report import CLEAR, Report, write_all
from animetools.errors import FatalError

NO_MEMORY = "out of memory|(can't|not) allocate|not enough memory"  # torch's words, and others'


def guarded(main: Callable[[], int], report: Report, *, debug: bool) -> int:
    """Run; report in one sentence what stopped it."""
    try:
        return main()
    except FatalError as why:
        reason = str(why)
    except OSError as why:
        reason = f"{why.filename}: {why.strerror}" if why.filename else str(why)
    except Exception as why:
        if debug:
            raise
        reason = _reason(why)
    give_up(report, reason)


def give_up(report: Report, reason: str, status: int = 2) -> NoReturn:
    """End at once, from any thread, with a sentence unless it is empty, leaving no unfinished file."""
    report.end()
    if reason:
        report.fatal(reason)
    atomic.abandon()
    os._exit(status)  # without waiting for workers, which may compute for long


def end(status: int) -> NoReturn:
    """Exit with a status, after all registered exit functions, but not through Python's exit.

    That would finalize the interpreter while threads free their tensors, and abort.
    """
    with suppress(Exception):
        atexit._run_exitfuncs()
    with suppress(OSError, ValueError, AttributeError):  # full, closed or missing
        sys.stderr.flush()
    os._exit(status)


def die_of(number: int, _frame: object = None) -> NoReturn:
    """Die of a signal as a Unix tool does, leaving no unfinished file."""
    atomic.abandon()
    if Report.drawing:  # which hides the cursor
        write_all(2, CLEAR.encode() + b"\x1b[?25h")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)


def _reason(why: Exception) -> str:
    """What stopped a run, in a sentence."""
    text = str(why)
    if isinstance(why, MemoryError) or re.search(NO_MEMORY, text):
        return "out of memory: try fewer --jobs"
    if "can't start new thread" in text:
        return "cannot start another thread: try fewer --jobs"
    return f"unexpected error, please report it: {type(why).__name__}: {why} (--debug shows where)"
