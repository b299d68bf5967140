"""Work for a network: decode ahead in the pool, compute in batches, encode behind in the pool."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from animetools.cli.item import Done, Item, Output, Result, finish
from animetools.errors import ItemError

PATIENCE_SECONDS = 1.0  # with a device that computes what nobody waits for
AHEAD = 3  # batches on their way per device: one in it, one before it and one behind it

Compute = Callable[[list[Any]], Sequence[Any]]


@dataclass(frozen=True)
class Batches:
    """Work in three steps; `decode` and `encode` may run anywhere, as `Stream.map`'s work does.

    `decode` gives a value for an item. Each of `devices` turns at most `size` such values into as
    many results, in a thread of its own and one batch at a time; what comes out for an item must
    not depend on its companions, and an ItemError among the results fails that item alone.
    `encode` is work with the result as its first argument.
    """

    size: int
    decode: Callable[[Item], Any]
    devices: Sequence[Compute]
    encode: Callable[[Any, Item, Output], Iterable[Result]]

    @property
    def room(self) -> int:
        """Items that may be on their way besides those that the pool works on."""
        return AHEAD * self.size * len(self.devices)


@dataclass(frozen=True)
class _Decoded:
    item: Item
    output: Output
    value: Any
    done: Future[Done]


class Belt:
    """Carries items through the three steps.

    A device that is free takes what is ready, at most a full batch: it waits for the first item
    but never for a second, so a list that comes slowly is answered at once, and batches fill up
    by themselves where the device is what all wait for.
    """

    def __init__(self, work: Batches, pool: Executor) -> None:
        self.work = work
        self.pool = pool
        self.ready: queue.SimpleQueue[_Decoded | None] = queue.SimpleQueue()
        self.threads = [
            threading.Thread(target=self._serve, args=[compute], daemon=True)
            for compute in work.devices
        ]
        for thread in self.threads:
            thread.start()

    def submit(self, item: Item, output: Output) -> Future[Done]:
        """Put one item on the belt."""
        done: Future[Done] = Future()
        decoded = self.pool.submit(_decode, self.work.decode, item)
        decoded.add_done_callback(partial(self._arrive, item, output, done))
        return done

    def close(self) -> None:
        """No more items: the devices' threads end.

        They are waited for where they have nothing left to do: Python would tear down what a
        thread deep in a library still stands on, and abort.
        """
        for _ in self.threads:
            self.ready.put(None)
        for thread in self.threads:
            thread.join(PATIENCE_SECONDS / len(self.threads))

    def _arrive(self, item: Item, output: Output, done: Future[Done], decoded: Future[Any]) -> None:
        if decoded.cancelled():
            return  # the run has ended: nobody waits
        why = decoded.exception()
        if why:
            done.set_exception(why)
        else:
            self.ready.put(_Decoded(item, output, decoded.result(), done))

    def _serve(self, compute: Compute) -> None:
        """One device's life."""
        while first := self.ready.get():
            batch = [first, *islice(self._at_hand(), self.work.size - 1)]
            try:
                results = compute([each.value for each in batch])
                for each, result in list(zip(batch, results, strict=True)):
                    if isinstance(result, ItemError):
                        each.done.set_exception(result)
                        continue
                    work = partial(self.work.encode, result)
                    encoded = self.pool.submit(finish, work, each.item, each.output)
                    encoded.add_done_callback(partial(_pass_on, each.done))
            except MemoryError:
                _fail(batch, ItemError("not enough memory for it"))
            except BaseException as why:  # noqa: BLE001  the main thread raises it
                _fail(batch, why)

    def _at_hand(self) -> Iterator[_Decoded]:
        """What can be taken without waiting."""
        while True:
            try:
                decoded = self.ready.get_nowait()
            except queue.Empty:
                return
            if decoded is None:
                self.ready.put(None)  # it is for `_serve`
                return
            yield decoded


def _decode(decode: Callable[[Item], Any], item: Item) -> Any:
    try:
        return decode(item)
    except MemoryError:
        raise ItemError("not enough memory for it") from None


def _fail(batch: Iterable[_Decoded], why: BaseException) -> None:
    for each in batch:
        if not each.done.done():
            each.done.set_exception(why)


def _pass_on(done: Future[Done], encoded: Future[Done]) -> None:
    if encoded.cancelled() or done.done():
        return
    why = encoded.exception()
    if why:
        done.set_exception(why)
    else:
        done.set_result(encoded.result())
