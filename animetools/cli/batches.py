"""Work for a network: decode ahead, compute in batches, encode behind."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from animetools.cli.item import Done, Item, Output, Result, finish
from animetools.cli.workers import Workers
from animetools.errors import ItemError

if TYPE_CHECKING:
    from concurrent.futures import Future

PATIENCE_SECONDS = 1.0  # with a device that computes what nobody waits for
AHEAD = 3  # batches on their way per device: one in it, one before it and one behind it

Compute = Callable[[list[Any]], Sequence[Any]]


@dataclass(frozen=True)
class Batches:
    """Work in three steps; the workers decode and encode, as they do `Stream.map`'s work.

    `decode` gives a value for an item. `load` gives, for one of the `devices`, the function that
    turns at most `size` such values into as many results; what comes out for an item must not
    depend on its companions, and an ItemError among the results fails that item alone. `encode` is
    work with the result as its first argument.

    Each of the `devices` computes one batch at a time, in a thread of its own in this process; one
    that is listed twice is loaded once. Remote workers take all three steps (see Tasks): each loads
    the first device in its own process, so `load` must survive pickling (a partial of a module-level
    function, without a network in it).
    """

    size: int
    decode: Callable[[Item], Any]
    load: Callable[[Any], Compute]
    devices: Sequence[Any]
    encode: Callable[[Any, Item, Output], Iterable[Result]]


@dataclass(frozen=True)
class _Decoded:
    item: Item
    output: Output
    value: Any
    done: "Future[Done]"


class Network:
    """A network on one device, loaded when it is first wanted, whichever thread wants it."""

    def __init__(self, load: Callable[[Any], Compute], device: Any) -> None:
        self.load, self.device = load, device
        self.loading = threading.Lock()
        self.compute: Compute | None = None

    def __call__(self, values: list[Any]) -> Sequence[Any]:
        with self.loading:
            if self.compute is None:
                self.compute = self.load(self.device)
        return self.compute(values)


class Pipeline:
    """Takes items through the three steps.

    A device that is free takes what is ready, at most a full batch: it waits for the first item
    but never for a second, so a list that comes slowly is answered at once, and batches fill up
    by themselves where the device is what all wait for.
    """

    def __init__(self, work: Batches, workers: Workers) -> None:
        self.work, self.workers = work, workers
        self.ready: queue.SimpleQueue[_Decoded | None] = queue.SimpleQueue()
        networks = {device: Network(work.load, device) for device in work.devices}
        computes = [networks[device] for device in work.devices]
        self.window = AHEAD * work.size * len(computes)  # items besides the workers' own
        self.threads = [
            threading.Thread(target=self._serve, args=[compute], daemon=True)
            for compute in computes
        ]
        for thread in self.threads:
            thread.start()

    def submit(self, item: Item, output: Output) -> "Future[Done]":
        """Begin one item."""
        from concurrent.futures import Future

        done: Future[Done] = Future()
        decoded = self.workers.submit(decode_one, self.work.decode, item)
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

    def _arrive(
        self, item: Item, output: Output, done: "Future[Done]", decoded: "Future[Any]"
    ) -> None:
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
                    encoded = self.workers.submit(finish, work, each.item, each.output)
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


def decode_one(decode: Callable[[Item], Any], item: Item) -> Any:
    """What `decode` gives for an item.

    Raises ItemError where memory does not suffice.
    """
    try:
        return decode(item)
    except MemoryError:
        raise ItemError("not enough memory for it") from None


def _fail(batch: Iterable[_Decoded], why: BaseException) -> None:
    for each in batch:
        if not each.done.done():
            each.done.set_exception(why)


def _pass_on(done: "Future[Done]", encoded: "Future[Done]") -> None:
    if encoded.cancelled() or done.done():
        return
    why = encoded.exception()
    if why:
        done.set_exception(why)
    else:
        done.set_result(encoded.result())
