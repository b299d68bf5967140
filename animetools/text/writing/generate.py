"""Many texts at once, asked for by many threads: a Source of snippets that is a model of our own."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from animetools.errors import FatalError

if TYPE_CHECKING:  # torch takes seconds to load, and a run may have nothing to write
    from animetools.text.writing.writer import Writer

SLOTS = 32


@dataclass
class Text:
    """A text that was asked for, as far as it has come."""

    prompt: str
    rng: np.random.Generator
    limit: int = 0  # of tokens
    tokens: list[int] = field(default_factory=list)
    done: Future[str] = field(default_factory=Future)


class Engine:
    """A model that writes texts for any number of threads: a Source of snippets.

    A thread of its own has the texts in the writer's slots grow together; where one ends the next
    begins. `load` is called there when the first text is asked for.
    """

    at_once = 2 * SLOTS  # no slot waits while threads clean and write
    trouble = ""

    def __init__(self, load: "Callable[[], Writer]") -> None:
        self.load = load
        self.asked: queue.SimpleQueue[Text | None] = queue.SimpleQueue()
        self.closed = False
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def write(self, prompt: str, seed: int, attempt: int) -> str:
        """The text that goes on from `prompt`, up to its end or to the most tokens.

        Raises FatalError if the model cannot be loaded or run.
        """
        text = Text(prompt, np.random.default_rng([seed, attempt]))
        self.asked.put(text)
        with self.lock:
            if not self.thread:
                self.thread = threading.Thread(target=self._serve, daemon=True)
                self.thread.start()
        return text.done.result()

    def close(self) -> None:
        """No more texts are asked for: the thread ends.

        It is waited for, since Python would tear down what it stands on.
        """
        self.closed = True
        self.asked.put(None)
        if self.thread:
            self.thread.join()

    def _serve(self) -> None:
        writer: Writer | None = None
        try:
            writer = self.load()
            while not self.closed:
                while len(writer.texts) < writer.slots and (text := self._next(not writer.texts)):
                    writer.begin(text)
                if writer.texts:
                    writer.step()
        except RuntimeError as why:
            self._fail(writer, FatalError(f"the model cannot be run: {str(why).splitlines()[0]}"))
        except BaseException as why:  # noqa: BLE001  whoever waits raises it
            self._fail(writer, why)

    def _next(self, wait: bool) -> Text | None:
        try:
            return self.asked.get(wait)
        except queue.Empty:
            return None

    def _fail(self, writer: "Writer | None", why: BaseException) -> None:
        for text in writer.texts.values() if writer else ():
            if not text.done.done():
                text.done.set_exception(why)
        while late := self.asked.get():
            late.done.set_exception(why)
