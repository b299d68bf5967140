"""The connection to a Dask cluster."""

import asyncio
import atexit
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from animetools.cli.workers import AHEAD, Workers, silence_tracker
from animetools.errors import Advice, FatalError, ItemError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

PATIENCE_SECONDS = 15  # until a scheduler answers
LOOK_SECONDS = 2.0  # between two looks at how many workers there are


class _Call:
    """A call that is made by unpickling it: within a task, where it may fail.

    A worker that cannot import a function that it is given ends at once.
    """

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.call = partial(function, *args, **kwargs)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[()]]:
        return self.call, ()


class Cluster(Executor):
    """A Dask cluster as an executor, which says in one sentence what is wrong with it.

    That of `Client.get_executor` waits for ever for a result that is lost on its way.
    """

    def __init__(self, client: "Client", place: str) -> None:
        assert client.loop
        self.client, self.loop, self.place = client, client.loop, place
        self.waiting: set[Future[Any]] = set()
        self.current: Workers | None = None
        self.width = 0
        self.is_lost = False
        self.ended = threading.Event()
        atexit.register(self.ended.set)  # before Dask closes what it has opened

    def workers(self, jobs: int) -> Workers:
        """The workers of a run, when the first of them is there.

        Raises FatalError if the scheduler goes before.
        """
        if not self.current:
            self._look()
            if not self.width:
                warnings.warn(f"{self.place}: waiting for a worker", Advice, stacklevel=1)
            while not self.width:
                time.sleep(LOOK_SECONDS / 10)
                self._look()
            threading.Thread(target=self._watch, daemon=True).start()
        ahead = 1 if jobs else AHEAD
        self.current = Workers(self, jobs or self.width, are_remote=True, ahead=ahead)
        self.is_limited = bool(jobs)
        return self.current

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Have a worker call the function.

        In the result: ItemError if that ends workers again and again, FatalError if the cluster is
        gone or cannot call it.
        """
        result: Future[T] = Future()
        self.waiting.add(result)
        result.add_done_callback(self.waiting.discard)
        call = pickle.dumps(_Call(fn, args, kwargs))
        try:
            future = self.client.submit(pickle.loads, call, pure=False)  # not an earlier result
        except Exception:  # noqa: BLE001  its kind depends on when the scheduler went
            self._lose()
        else:
            self.loop.add_callback(self._follow, future, result)
        if self.is_lost:  # meanwhile
            self._lose()
        return result

    async def _follow(self, future: Any, result: "Future[Any]") -> None:
        """Pass on what comes of a task."""
        from distributed import KilledWorker

        value, why = None, None
        while not future.cancelled():
            try:
                value = await future
                break
            except Exception as found:  # noqa: BLE001
                why = found
            if future.status == "error":
                break
            await asyncio.sleep(LOOK_SECONDS)  # it was done, and did not get here
        else:
            self._lose()
        with suppress(InvalidStateError):  # it was lost already
            if future.status != "error":
                result.set_result(value)
            elif isinstance(why, KilledWorker):
                text = "it ended each worker that tried it, perhaps for want of memory"
                result.set_exception(ItemError(text))
            elif isinstance(why, ImportError | AttributeError):
                text = f"a worker of {self.place} has no animetools, or another version ({why})"
                result.set_exception(FatalError(f"{text}: install the same on all machines"))
            else:
                text = f"the workers of {self.place} cannot run this: {type(why).__name__}: {why}"
                result.set_exception(FatalError(text))

    def _lose(self) -> None:
        """Fail all that is under way: the scheduler is gone."""
        self.is_lost = True
        for result in list(self.waiting):
            with suppress(InvalidStateError):
                result.set_exception(self._gone())

    def _gone(self) -> FatalError:
        text = f"the scheduler {self.place} is gone: start it, and run this again to continue"
        return FatalError(text)

    def _look(self) -> None:
        """See how many workers there are."""
        if self.client.status != "running":
            raise self._gone()
        try:
            self.width = sum(self.client.nthreads().values())
        except Exception:  # noqa: BLE001  its kind depends on when the scheduler went
            raise self._gone() from None

    def _watch(self) -> None:
        while not self.ended.wait(LOOK_SECONDS):
            if self.client.status != "running":
                self._lose()
                return
            with suppress(Exception):  # the next look tells
                self._look()
                if self.ended.is_set():
                    return
                if not self.width:
                    text = f"{self.place}: all workers are gone; waiting for one"
                    warnings.warn(text, Advice, stacklevel=1)
                elif self.current and not self.is_limited:
                    self.current.width = self.width


@cache
def connected(place: str) -> Cluster:
    """Connect, once in this process.

    Raises FatalError if that cannot be.
    """
    try:
        import distributed  # noqa: F401
    except ModuleNotFoundError:
        raise FatalError("--cluster needs Dask: pip install 'animetools[cluster]'") from None
    # In a thread whose threads and processes leave signals to the main thread.
    with ThreadPoolExecutor(1, initializer=_block_signals) as pool:
        client = pool.submit(_client, place).result()
    return Cluster(client, place)


def _client(place: str) -> "Client":
    import logging

    import dask
    from distributed import Client, LocalCluster

    silence = logging.CRITICAL + 1
    for name in (
        "distributed",
        "tornado",
        "tornado.application",
        "asyncio",
    ):  # what matters is said in our words
        logging.getLogger(name).setLevel(silence)
    try:
        if place.startswith("local:"):
            silence_tracker()
            dask.config.set(
                {"distributed.worker.profile.enabled": False}
            )  # which costs some percent
            cluster = LocalCluster(
                n_workers=int(place.removeprefix("local:")),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                silence_logs=silence,
                security=True,  # others on this machine may not have us run their code
            )
            return Client(cluster, set_as_default=False)
        whole = place if "://" in place else f"tcp://{place}"
        return Client(whole, timeout=PATIENCE_SECONDS, set_as_default=False)
    except OSError:
        raise FatalError(
            f"--cluster {place}: no Dask scheduler answers: start one with `dask scheduler`"
        ) from None
    except Exception as why:
        raise FatalError(f"--cluster {place}: {why}") from why


def _block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
