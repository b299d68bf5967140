"""Work as on a cluster: `python elsewhere.py MODULE:COMMAND [OPTION]... [FILE]...`."""

import atexit
import os
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from typing import Any

from animetools.cli.workers import follow_parent, remote

WIDTH = 2


class Elsewhere(Executor):
    """An executor to which all goes as bytes, and from which all comes as bytes."""

    def __init__(self) -> None:
        silence = "ignore::UserWarning:multiprocessing.resource_tracker"
        os.environ.setdefault("PYTHONWARNINGS", silence)
        self.processes = ProcessPoolExecutor(WIDTH, get_context("spawn"), follow_parent)
        atexit.register(self.processes.shutdown)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have another process do it."""
        result: Future[Any] = Future()
        future = self.processes.submit(_done, pickle.dumps((fn, args, kwargs)))
        future.add_done_callback(partial(_pass_on, result))
        return result


def _done(data: bytes) -> bytes:
    fn, args, kwargs = pickle.loads(data)
    try:
        return pickle.dumps((fn(*args, **kwargs), None))
    except Exception as why:  # noqa: BLE001
        return pickle.dumps((None, why))


def _pass_on(result: Future[Any], future: Future[bytes]) -> None:
    if future.exception():
        result.set_exception(future.exception())
        return
    value, why = pickle.loads(future.result())
    if why:
        result.set_exception(why)
    else:
        result.set_result(value)


if __name__ == "__main__":
    module, name = sys.argv.pop(1).split(":")
    replace(getattr(import_module(module), name), workers=remote(Elsewhere(), WIDTH))()
