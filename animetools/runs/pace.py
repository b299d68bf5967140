"""When a run saves, and which snapshots it keeps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Counts are in the run's unit: kimg or steps."""

    every: float  # between two snapshots
    minutes: float = float("inf")  # at most
    keep: int = 5  # the last ones; 0: all
    keep_every: int = 0  # besides, the first at or after each multiple; 0: none

    def is_due(self, before: int, now: int, unit: int, seconds: float) -> bool:
        """Whether to save after a step from one count to another, of which `unit` make one.

        That is at multiples of `every`, wherever the run was resumed, or `seconds` after the last.
        """
        every = self.every * unit
        return seconds > self.minutes * 60 or now // every > before // every

    def count(self, total: float) -> int:
        """About how many snapshots a run of this length holds at most."""
        count = self.keep + 1 if self.keep else int(total / self.every) + 1
        return count + int(total / self.keep_every) if self.keep and self.keep_every else count
