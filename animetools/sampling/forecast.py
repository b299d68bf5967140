"""What a run will cost, as its first files show."""

import os
import time
from dataclasses import dataclass, field

from animetools.errors import FatalError
from animetools.estimate import duration, forecast

SAMPLE = 8  # files after the first
MANY = 10 * SAMPLE  # files to come: fewer are soon there


@dataclass
class FirstFiles:
    """The sizes and the times of the first files in a folder."""

    folder: str
    sizes: list[int] = field(default_factory=list)
    began: float = 0.0
    before: int = 0

    def add(self, path: str, read: int, left: int) -> str | None:
        """Add a file, after so many inputs that were read and with so many left.

        Once there are enough files, and many inputs left: what those will cost, in a sentence.

        Raises FatalError if the disk has no room for them.
        """
        if len(self.sizes) > SAMPLE:
            return None
        if not self.sizes:
            self.began, self.before = time.monotonic(), read
        self.sizes.append(os.stat(path).st_size)
        if len(self.sizes) <= SAMPLE or left <= MANY:
            return None
        cost = forecast(self.sizes, left, os.path.join(self.folder, "x"))
        if cost.least > cost.free:
            raise FatalError(
                f"{self.folder}: still {cost}, which is too little: choose another -o, or free space"
            )
        seconds = (time.monotonic() - self.began) / (read - self.before) * left
        return f"{self.folder}: still {cost}; {duration(seconds)} to go"
