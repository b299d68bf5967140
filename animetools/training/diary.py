"""What a run tells: to a person, to its folder, and to TensorBoard."""

import json
import os
import time
from collections.abc import Callable

from animetools import atomic
from animetools.dataset.pictures import Pixels
from animetools.images.files import encode_jpeg
from animetools.training.board import MISSING, Board
from animetools.training.snapshots import Folder
from animetools.training.status import Status, View, kimg_of

QUALITY = 92  # of the sheets


class Diary:
    """The log, the curves and the sheets of a run, which begins or goes on at `start` images.

    A curve's step is the number of images seen.
    """

    def __init__(
        self, folder: Folder, note: Callable[[str], object], view: View, start: int
    ) -> None:
        self.folder = folder
        self.note = note
        self.view = view
        self.start = start
        self.board: Board | None = None
        self.rewind(start)

    def say(self, line: str) -> None:
        """Tell a person, and the log."""
        self.note(line)
        self.folder.add("log.txt", f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")

    def progress(self, seen: int) -> None:
        """Tell how far the run is, after every iteration."""
        self.view.seen = seen

    def tick(self, status: Status) -> None:
        """Tell where the run is."""
        self.view.status = status
        self.say(f"{status}")
        if self.board:
            self.board.draw(status.scalars(), status.seen)

    def metrics(self, found: dict[str, float], seen: int) -> None:
        """Tell what its samples are worth."""
        self.view.metrics = found
        values = "  ".join(f"{name} {value:.4g}" for name, value in found.items())
        self.say(f"kimg {kimg_of(seen)}  {values}")
        self.folder.add("metrics.jsonl", json.dumps({"kimg": seen / 1000} | found))
        if self.board:
            self.board.draw({f"metrics/{name}": value for name, value in found.items()}, seen)

    def sheet(self, name: str, file: str, pixels: Pixels, seen: int) -> None:
        """Show images side by side, uint8 [H, W, C]."""
        height, width, channels = pixels.shape
        data = encode_jpeg(pixels if channels > 1 else pixels[:, :, 0], QUALITY)
        atomic.write(os.path.join(self.folder.path, file), data)
        has_it = 0 < seen <= self.start  # from the run that goes on
        if self.board and not has_it:
            self.board.show(name, width, height, data, seen)

    def rewind(self, seen: int) -> None:
        """Have the curves go on from so many images: what was drawn beyond is forgotten."""
        self.close()
        try:
            self.board = Board(self.folder.path, seen)
        except ImportError:
            self.note(MISSING)

    def close(self) -> None:
        """Draw no more."""
        if self.board:
            self.board.close()
            self.board = None
