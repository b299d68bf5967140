"""What a worker on another machine does with a task.

It goes where the command was started, so that relative paths and permissions mean the same there.
"""

import errno
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import islice
from typing import Any

import animetools
from animetools.cli import cores
from animetools.cli.batches import Batches, Network, decode_one
from animetools.cli.item import Done, Item, Output, Work, finish, stamp_of
from animetools.cli.workers import HERE, hearing
from animetools.errors import FatalError, ItemError

SHARED = "all machines must see the same files under the same paths"


@dataclass(frozen=True)
class Report:
    """What a worker says of a task: of each item a `Done` or an exception, and its warnings."""

    host: str
    outcomes: list[Done | Exception]
    said: list[str]
    seconds: float


@cache
def versions() -> dict[str, str]:
    """The versions of what outputs depend on, in this process; "" for what is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"animetools": animetools.__version__}
    for name in ("numpy", "opencv-python-headless", "pillow", "ncnn", "onnxruntime", "torch"):
        try:
            found[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            found[name] = ""
    return found


_entrance = threading.Condition()
_place: tuple[str, int] | None = None
_inside = 0


def done_here(
    caller: str, folder: str, umask: int, wanted: dict[str, str], work: bytes, orders: bytes
) -> bytes:
    """Do the work on the items of a task: a pickled `Report`."""
    begun = time.monotonic()
    outcomes: list[Done | Exception]
    with hearing(caller) as said:
        todo: list[tuple[Item, Output]] = []
        try:
            _settle()
            for name, version in wanted.items():
                _compare(name, version, versions().get(name, ""))
            todo = pickle.loads(orders)
            with _standing_in(folder, umask) if caller != HERE else nullcontext():
                outcomes = _done(work, todo)
        except Exception as why:  # noqa: BLE001  the main thread of the caller raises it
            outcomes = [why] * len(todo or pickle.loads(orders))
    outcomes = [_portable(each) if isinstance(each, Exception) else each for each in outcomes]
    report = Report(socket.gethostname(), outcomes, said, time.monotonic() - begun)
    return pickle.dumps(report)


@cache
def _settle() -> None:
    """Share the machine with the other workers on it."""
    if "distributed" in sys.modules:
        from distributed import get_worker

        with suppress(ValueError):  # not a worker of Dask
            cores.share = get_worker().state.nthreads
            cores.limit_libraries()


def _compare(name: str, here: str, there: str) -> None:
    """Raise FatalError if the version of the caller is not that of this worker."""
    if here == there:
        return
    has = f"has {name} {there}" if there else f"lacks {name}"
    other = f"this machine has {here}" if here else "this machine lacks it"
    raise FatalError(
        f"a worker on {socket.gethostname()} {has}, and {other}: outputs may differ; install the same"
        " on all machines"
    )


@contextmanager
def _standing_in(folder: str, umask: int) -> Iterator[None]:
    """With this working folder and umask, which all threads of a process share: others wait."""
    global _place, _inside
    with _entrance:
        _entrance.wait_for(lambda: not _inside or _place == (folder, umask))
        try:
            os.chdir(folder)
        except OSError:
            host = socket.gethostname()
            raise FatalError(f"a worker on {host} does not see {folder}: {SHARED}") from None
        os.umask(umask)
        _place = folder, umask
        _inside += 1
    try:
        yield
    finally:
        with _entrance:
            _inside -= 1
            _entrance.notify_all()


def _done(packed: bytes, orders: list[tuple[Item, Output]]) -> list[Done | Exception]:
    with _remembering:
        work, network = _remembered(packed)
    if network is None:
        return [_attempt(_finish_seen, work, *order) for order in orders]
    found = [_attempt(_decode_seen, work.decode, item) for item, _ in orders]
    good = iter([n for n, value in enumerate(found) if not isinstance(value, Exception)])
    while batch := list(islice(good, work.size)):
        results = _attempt(_computed, network, [found[n] for n in batch])
        if isinstance(results, Exception):
            results = [results] * len(batch)
        for n, result in zip(batch, results, strict=True):
            found[n] = result
            if not isinstance(result, Exception):
                found[n] = _attempt(finish, partial(work.encode, result), *orders[n])
    return found


_remembering = threading.Lock()


@lru_cache(maxsize=4)  # such as one that judges and one that draws
def _remembered(packed: bytes) -> tuple[Any, Network | None]:
    """The work of a command, and its network, which is loaded once in this process."""
    work = pickle.loads(packed)
    is_batches = isinstance(work, Batches)
    return work, Network(work.load, work.devices[0]) if is_batches else None


def _attempt(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as why:  # noqa: BLE001  it fails this item, or the main thread raises it
        return why


def _finish_seen(work: Work, item: Item, output: Output) -> Done:
    _look(item)
    return finish(work, item, output)


def _decode_seen(decode: Callable[[Item], Any], item: Item) -> Any:
    _look(item)
    return decode_one(decode, item)


def _computed(network: Network, values: list[Any]) -> list[Any]:
    try:
        return list(network(values))
    except MemoryError:
        raise ItemError("not enough memory for it") from None


def _look(item: Item) -> None:
    """Raise OSError (ESTALE) if the file of an item is not the one that was listed."""
    if not item.is_file:
        return
    try:  # opening it has a network file system look again
        descriptor = os.open(item.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # which the work reports, unless it is not about a file
        return
    try:
        found = stamp_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    if found != item.stamp:
        raise OSError(errno.ESTALE, "another file", item.path)


def _portable(why: Exception) -> Exception:
    """The exception, or one that says the same and survives pickling."""
    try:
        pickle.loads(pickle.dumps(why))
    except Exception:  # noqa: BLE001
        return RuntimeError(f"{type(why).__name__}: {why}")
    return why
