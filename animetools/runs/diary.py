"""What a run says: on the terminal, in its log, and to TensorBoard."""

import json
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from animetools import atomic
from animetools.runs.board import MISSING, Board

if TYPE_CHECKING:
    from animetools.runs.folder import Folder
    from animetools.runs.view import Status, View


class Diary:
    """The log, the curves and the pictures of a run that begins, or was resumed, at `start`.

    Steps of curves are counts of images (StyleGAN) or steps (text).
    """

    def __init__(
        self, folder: "Folder", note: Callable[[str], object], view: "View", start: int
    ) -> None:
        self.folder, self.note, self.view, self.start = folder, note, view, start
        self.board: Board | None = None
        self.rewind(start)

    def say(self, line: str) -> None:
        """Print a line and log it."""
        self.note(line)
        self.folder.add("log.txt", f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")

    def progress(self, done: int) -> None:
        """Move the bar; called after every step."""
        self.view.done = done

    def tick(self, status: "Status") -> None:
        """Print, log and plot where the run is."""
        self.view.status = status
        self.say(f"{status}")
        if self.board:
            self.board.draw(status.scalars(), status.done)

    def metrics(self, found: dict[str, float], done: int) -> None:
        """Print, log and plot the metrics of a snapshot."""
        unit = self.view.unit
        self.view.metrics = found
        values = "  ".join(f"{name} {value:.4g}" for name, value in found.items())
        self.say(f"{unit.name} {unit.words(done)}  {values}")
        self.folder.add("metrics.jsonl", json.dumps({unit.name: done / unit.size} | found))
        if self.board:
            self.board.draw({f"metrics/{name}": value for name, value in found.items()}, done)

    def picture(self, name: str, file: str, jpeg: bytes, size: tuple[int, int], done: int) -> None:
        """Keep a JPEG of this (width, height) as `file` in the folder, and show it as `name`."""
        atomic.write(os.path.join(self.folder.path, file), jpeg)
        is_shown = 0 < done <= self.start  # by the run that was resumed
        if self.board and not is_shown:
            self.board.show(name, *size, jpeg, done)

    def rewind(self, done: int) -> None:
        """Have the curves continue from `done`: points beyond it are forgotten."""
        self.close()
        try:
            self.board = Board(self.folder.path, done)
        except ImportError:
            self.note(MISSING)

    def close(self) -> None:
        """End the event file."""
        if self.board:
            self.board.close()
            self.board = None
