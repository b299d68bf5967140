"""Where a run is: in a line of the log, and live on a terminal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from animetools.estimate import duration, size

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Unit:
    """What a run is counted in: `size` images make a kimg, one step a step."""

    name: str
    size: int = 1
    between: float = float("inf")  # units between two lines of the log, at most

    def words(self, done: float) -> str:
        """A count of images or steps in this unit; all digits below one."""
        if self.size == 1:
            return f"{done:.0f}"
        return f"{done / self.size:.1f}" if done >= self.size else f"{done / self.size:g}"


@dataclass(frozen=True)
class Status:
    """Where a run is; `numbers` and `curves` (by their names) are the learner's own."""

    unit: Unit
    done: int
    total: float  # of the whole run
    spent: float  # seconds since it began or was resumed
    pace: float  # seconds for a unit
    memory: int  # bytes, the most so far
    numbers: list[str]
    curves: Mapping[str, float]

    def words(self) -> list[str]:
        """Its numbers without how far it is."""
        digits = 1 if self.pace >= 10 else 2
        pace = f"{self.pace:.{digits}f} s/{self.unit.name}"
        return [pace, *self.numbers, f"memory {size(self.memory)}"]

    def left(self, done: float) -> str:
        """How long the rest will take, from this count on."""
        return f"{duration(max(self.total - done, 0) / self.unit.size * self.pace)} left"

    def __str__(self) -> str:
        """One line."""
        place = f"{self.unit.name} {self.unit.words(self.done)}"
        spent = f"{timedelta(seconds=int(self.spent))}"
        return "  ".join([place, spent, self.left(self.done), *self.words()])

    def scalars(self) -> dict[str, float]:
        """All numbers, by the names of their curves."""
        return {
            **self.curves,
            f"run/seconds_per_{self.unit.name}": self.pace,
            "run/memory_gigabytes": self.memory / 1e9,
        }


@dataclass
class View:
    """A run on a terminal; rich redraws it several times a second, in a thread of its own."""

    folder: str
    unit: Unit
    total: float
    done: int
    status: Status | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def __rich__(self) -> "RenderableType":
        """A bar with the time left, and the last status below it."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        top = Table.grid(padding=(0, 3))
        top.add_row(
            ProgressBar(self.total, self.done, width=30),
            f"{self.unit.name} {self.unit.words(self.done)} of {self.total / self.unit.size:g}",
            self.status.left(self.done) if self.status else "",
            self.folder,
        )
        below = self.status.words() if self.status else []
        below += [f"{name} {value:.4g}" for name, value in self.metrics.items()]
        return Group(top, Text("   ".join(below)))
