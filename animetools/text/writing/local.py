"""A text source that is a model on this machine; many threads may ask it at once."""

import pickle
import queue
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from animetools.errors import FatalError
from animetools.text.writing.generation import Generation

if TYPE_CHECKING:  # torch takes seconds to import, and a run may have nothing to generate
    from animetools.text.writing.batch import Batch


class LocalModel:
    """A TextSource that generates the texts of all threads in one batch.

    A thread of its own runs the batch. `load` is called there when the first text is asked for.
    It survives pickling, without the model: each process loads one, for all of its texts.
    """

    at_once = 64  # twice the slots: none waits while threads clean and write
    trouble = ""

    def __init__(self, load: "Callable[[], Batch]") -> None:
        self.load = load
        self.waiting: queue.SimpleQueue[Generation | None] = queue.SimpleQueue()
        self.closed = False
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _of_process, (pickle.dumps(self.load),)

    def write(self, prompt: str, seed: int, attempt: int) -> str:
        """The text that continues `prompt`, up to its end or the most tokens.

        Raises FatalError if the model cannot be loaded or run.
        """
        text = Generation(prompt, np.random.default_rng([seed, attempt]))
        self.waiting.put(text)
        with self.lock:
            if not self.thread:
                self.thread = threading.Thread(target=self._run, daemon=True)
                self.thread.start()
        return text.result.result()

    def close(self) -> None:
        """End the thread, and wait for it: Python would tear down libraries under it."""
        self.closed = True
        self.waiting.put(None)
        if self.thread:
            self.thread.join()

    def _run(self) -> None:
        batch: Batch | None = None
        try:
            batch = self.load()
            while not self.closed:
                while len(batch.texts) < batch.slots and (text := self._next(not batch.texts)):
                    batch.add(text)
                if batch.texts:
                    batch.step()
        except RuntimeError as why:
            self._fail(batch, FatalError(f"the model cannot be run: {str(why).splitlines()[0]}"))
        except BaseException as why:  # noqa: BLE001  the threads that wait raise it
            self._fail(batch, why)

    def _next(self, wait: bool) -> Generation | None:
        try:
            return self.waiting.get(wait)
        except queue.Empty:
            return None

    def _fail(self, batch: "Batch | None", why: BaseException) -> None:
        for text in batch.texts.values() if batch else ():
            if not text.result.done():
                text.result.set_exception(why)
        while late := self.waiting.get():
            late.result.set_exception(why)


@lru_cache(maxsize=1)
def _of_process(load: bytes) -> LocalModel:
    return LocalModel(pickle.loads(load))
