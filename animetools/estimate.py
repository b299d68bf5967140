"""What a job will cost: bytes on a disk, and time, in words."""

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

PER_IMAGE = 350  # bytes: zip headers, and what packing adds to its line of metadata
SURE = 3.0  # standard errors: one in a thousand samples misleads by more


@dataclass(frozen=True)
class Forecast:
    """How many bytes `count` images take, at least and most likely, and how many are free."""

    count: int
    likely: int
    least: int
    free: int

    def __str__(self) -> str:
        """For a person."""
        images = "image" if self.count == 1 else "images"
        return f"{self.count} {images}, about {size(self.likely)}; {size(self.free)} are free"


def forecast(sizes: Sequence[int], count: int, path: str) -> Forecast:
    """Extrapolate from the sizes of a few images to `count` of them, to be written at `path`."""
    mean = statistics.fmean(sizes) + PER_IMAGE
    if count <= len(sizes):
        least = mean
    elif len(sizes) == 1:
        least = mean / 2
    else:
        error = statistics.stdev(sizes) / len(sizes) ** 0.5
        least = max(min(sizes), mean - SURE * error)
    free = free_disk(os.path.dirname(path))
    return Forecast(count, round(mean * count), round(least * count), free)


def free_disk(folder: str) -> int:
    """The bytes that may be written in a folder, which need not exist yet."""
    folder = os.path.abspath(folder)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def duration(seconds: float) -> str:
    """Seconds in words: about 3 hours."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"about {seconds / length:.0f} {unit}"
    return f"about {seconds:.0f} seconds"


def size(count: float) -> str:
    """Bytes in words: 1.4 GB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" or count >= 10 else f"{count:.1f} {unit}"
