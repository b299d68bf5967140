"""Tasks for workers on other machines: a few items each, all steps of the work at once."""

import errno
import math
import os
import pickle
import queue
import threading
import time
import warnings
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from animetools.cli.batches import Batches
from animetools.cli.item import Done, Item, Output, Work, Written, stamp_of
from animetools.cli.remote import SHARED, Report, done_here, versions
from animetools.cli.workers import DEAD_WORKER, HERE, Workers
from animetools.errors import Advice, FatalError, ItemError

if TYPE_CHECKING:
    from concurrent.futures import Future

SECONDS = 1.0  # a task takes about so long, as its way there and back costs Dask 5 to 10 ms
WINDOW = 32  # items on their way per worker, in tasks, waiting for one, or for their turn
FEWEST = 16  # for so many workers at least, because others may join
# A network file system may show a new file late.
PATIENCE = (0.0, 0.1, 0.4, 1.5, 4.0)  # seconds


@dataclass(frozen=True)
class _Order:
    item: Item
    output: Output
    done: "Future[Done]"


class Tasks:
    """Hands items to remote workers.

    A worker that is free gets what waits, at most as much as takes SECONDS or fills a batch; it never
    waits for a second item, and the last ones are shared out among all. The items of tasks that have
    ended workers are tried again, each while nothing else is on its way: what ends workers then, fails.
    """

    def __init__(self, work: Work | Batches, workers: Workers) -> None:
        """Begin; the work must survive pickling."""
        self.workers = workers
        self.head = (HERE, os.getcwd(), _umask(), versions(), pickle.dumps(work))
        self.batch = work.size if isinstance(work, Batches) else 1
        self.window = WINDOW * max(workers.width, FEWEST) + 2 * self.batch * workers.width
        self.events: queue.SimpleQueue[_Order | tuple[list[_Order], Future[bytes]] | None]
        self.events = queue.SimpleQueue()
        self.waiting: deque[_Order] = deque()
        self.suspects: deque[_Order] = deque()
        self.is_alone = False  # a suspect is on its way
        self.busy = 0  # tasks on their way
        self.pace = SECONDS / 2  # seconds for an item, of late
        threading.Thread(target=self._serve, daemon=True).start()

    def submit(self, item: Item, output: Output) -> "Future[Done]":
        """Begin one item."""
        from concurrent.futures import Future

        done: Future[Done] = Future()
        self.events.put(_Order(item, output, done))
        return done

    def close(self) -> None:
        """No more items; what is on its way is forgotten."""
        self.events.put(None)

    def _serve(self) -> None:
        while event := self.events.get():
            if isinstance(event, _Order):
                self.waiting.append(event)
            else:
                self._arrived(*event)
            if self.events.empty():
                self._send()

    def _send(self) -> None:
        while self.busy < self.workers.width * self.workers.ahead:
            if self.suspects or self.is_alone:
                if self.busy:
                    return
                orders, self.is_alone = [self.suspects.popleft()], True
            elif self.waiting:
                orders = [self.waiting.popleft() for _ in range(self._size())]
            else:
                return
            try:
                packed = pickle.dumps([(order.item, order.output) for order in orders])
                future = self.workers.executor.submit(done_here, *self.head, packed)
            except Exception as why:  # noqa: BLE001  the main thread raises it
                _fail(orders, why)
            else:
                self.busy += 1
                future.add_done_callback(partial(self._tell, orders))

    def _size(self) -> int:
        share = math.ceil(len(self.waiting) / (self.workers.width * self.workers.ahead))
        return max(1, min(share, max(int(SECONDS / self.pace), self.batch)))

    def _tell(self, orders: list[_Order], future: "Future[bytes]") -> None:
        self.events.put((orders, future))

    def _arrived(self, orders: list[_Order], future: "Future[bytes]") -> None:
        was_alone, self.is_alone = self.is_alone, False
        self.busy -= 1
        try:
            report: Report = pickle.loads(future.result())
        except ItemError as why:
            if was_alone:
                _fail(orders, why)
            else:
                self.suspects.extend(orders)
        except BaseException as why:  # noqa: BLE001  the main thread raises it
            _fail(orders, why)
        else:
            self.pace += (max(report.seconds, 1e-6) / len(orders) - self.pace) / 4
            for text in dict.fromkeys(report.said):
                warnings.warn(text, Advice, stacklevel=1)
            for order, outcome in zip(orders, report.outcomes, strict=True):
                _conclude(order, report.host, outcome)


def _conclude(order: _Order, host: str, outcome: Done | Exception) -> None:
    if not isinstance(outcome, Exception):
        outcome = _unseen(host, outcome[1]) or outcome
    elif isinstance(outcome, OSError):
        outcome = _blamed(host, order.item, outcome)
    if isinstance(outcome, Exception):
        order.done.set_exception(outcome)
    else:
        order.done.set_result(outcome)


def _fail(orders: list[_Order], why: BaseException) -> None:
    from concurrent.futures import BrokenExecutor

    for order in orders:
        order.done.set_exception(
            FatalError(DEAD_WORKER) if isinstance(why, BrokenExecutor) else why
        )


def _blamed(host: str, item: Item, why: OSError) -> Exception:
    """FatalError if what a worker lacks is here; otherwise the error itself."""
    path = os.fsdecode(why.filename or "")
    if not path or why.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ESTALE):
        return why
    if why.errno == errno.ESTALE:
        with suppress(OSError):
            if stamp_of(os.stat(item.path)) != item.stamp:
                return ItemError("it has changed since it was listed")
        return FatalError(f"a worker on {host} sees another {path} than this machine: {SHARED}")
    if why.errno == errno.EACCES:
        place = path if os.path.exists(path) else os.path.dirname(path) or "."
        is_allowed = os.access(place, os.R_OK if os.path.isfile(place) else os.W_OK)
        return FatalError(f"a worker on {host} may not use {path}") if is_allowed else why
    if os.path.exists(path):
        return FatalError(f"a worker on {host} does not see {path}: {SHARED}")
    return why


def _unseen(host: str, files: list[Written]) -> FatalError | None:
    """What is wrong if one of the files that a worker wrote is not here."""
    for file in files:
        for seconds in PATIENCE:
            if os.path.lexists(file.path):
                break
            time.sleep(seconds)
            with suppress(OSError):  # which also makes the file system look again
                os.listdir(os.path.dirname(file.path) or ".")
        else:
            return FatalError(
                f"{file.path}, which a worker on {host} wrote, is not on this machine: {SHARED}"
            )
    return None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
