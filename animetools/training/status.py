"""Where a run is, and how it looks: as a line, and alive on a terminal."""

from dataclasses import dataclass, field
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from animetools.estimate import duration, size


def kimg_of(seen: int) -> str:
    """So many images in kimg; below one, all digits."""
    return f"{seen / 1000:.1f}" if seen >= 1000 else f"{seen / 1000:g}"


@dataclass(frozen=True)
class Status:
    """What a run tells every tick; `terms` are the means of what the losses gave since the last."""

    seen: int  # images
    kimg: float  # of the whole run
    spent: float  # seconds since it began or was resumed
    pace: float  # seconds for a kimg
    memory: int  # bytes, the most so far
    rates: tuple[float, float]  # of G and D
    terms: dict[str, float]

    def numbers(self) -> list[str]:
        """What a person wants to know besides how far it is."""
        terms = self.terms
        return [
            f"{self.pace:.1f} s/kimg",
            f"G {terms['loss_g']:.3f}",
            f"D {terms['loss_fake'] + terms['loss_real']:.3f}",
            f"signs {terms['sign_real']:+.2f} {terms['sign_fake']:+.2f}",
            f"p {terms['p']:.3f}",
            f"memory {size(self.memory)}",
        ]

    def left(self, seen: int) -> str:
        """How long it will take from so many images on."""
        return duration(max(self.kimg - seen / 1000, 0) * self.pace)

    def __str__(self) -> str:
        """One line."""
        spent = f"{timedelta(seconds=int(self.spent))}"
        left = f"{self.left(self.seen)} left"
        return "  ".join([f"kimg {kimg_of(self.seen)}", spent, left, *self.numbers()])

    def scalars(self) -> dict[str, float]:
        """All numbers, by the names of their curves: loss_g is loss/g."""
        g_rate, d_rate = self.rates
        curves = {name.replace("_", "/", 1): value for name, value in self.terms.items()}
        return curves | {
            "rate/g": g_rate,
            "rate/d": d_rate,
            "run/seconds_per_kimg": self.pace,
            "run/memory_gigabytes": self.memory / 1e9,
        }


@dataclass
class View:
    """A run on a terminal; rich draws it anew again and again, in a thread of its own."""

    folder: str
    kimg: float
    seen: int
    status: Status | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def __rich__(self) -> RenderableType:
        """A bar with the time that is left, and the last status below it."""
        top = Table.grid(padding=(0, 3))
        top.add_row(
            ProgressBar(self.kimg * 1000, self.seen, width=30),
            f"kimg {kimg_of(self.seen)} of {self.kimg:g}",
            f"{self.status.left(self.seen)} left" if self.status else "",
            self.folder,
        )
        below = self.status.numbers() if self.status else []
        below += [f"{name} {value:.4g}" for name, value in self.metrics.items()]
        return Group(top, Text("   ".join(below)))
