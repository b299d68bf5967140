"""Where a run is, and how it looks: as a line, and alive on a terminal."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from animetools.dataset.forecast import duration
from animetools.training.forecast import size


@dataclass(frozen=True)
class Status:
    """What a run tells every tick; `terms` are the means of what the losses gave since the last."""

    seen: int  # images
    kimg: float  # of the whole run
    pace: float  # seconds for a kimg
    memory: int  # bytes, the most so far
    rates: tuple[float, float]  # of G and D
    terms: dict[str, float]

    def parts(self) -> Iterator[tuple[str, str]]:
        """What a person wants to know, and what it is called."""
        terms = self.terms
        yield "kimg", f"{self.seen / 1000:.1f}"
        yield "", f"{self.pace:.1f} s/kimg"
        yield "", f"{self.left(self.seen)} left"
        yield "G", f"{terms['loss_g']:.3f}"
        yield "D", f"{terms['loss_fake'] + terms['loss_real']:.3f}"
        yield "signs", f"{terms['sign_real']:+.2f} {terms['sign_fake']:+.2f}"
        yield "p", f"{terms['p']:.3f}"
        yield "memory", size(self.memory)

    def left(self, seen: int) -> str:
        """How long it will take from so many images on."""
        return duration(max(self.kimg - seen / 1000, 0) * self.pace)

    def __str__(self) -> str:
        """One line."""
        return "  ".join(f"{name} {value}".lstrip() for name, value in self.parts())

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
        """A bar, and the last status below it."""
        table = Table.grid(padding=(0, 3))
        status = self.status
        head = [f"kimg {self.seen / 1000:.2f} of {self.kimg:g}"]
        if status:
            head.append(f"{status.left(self.seen)} left")
            names, values = zip(*list(status.parts())[3:], strict=True)
            table.add_row(*names, *self.metrics)
            table.add_row(*values, *(f"{value:.4g}" for value in self.metrics.values()))
        bar = ProgressBar(self.kimg * 1000, self.seen, width=30)
        top = Table.grid(padding=(0, 3))
        top.add_row(bar, *head, self.folder)
        return Group(top, table)
