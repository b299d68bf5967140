"""Seeds, psi and grids as people type them. No list is ever laid out."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

LARGEST_SEED = 2**32 - 1  # that numpy's RandomState takes
MOST_PSI = 1000
LARGEST_PSI, DECIMALS = 10**6, 6  # of a psi, as names of files show it
FARTHEST = 1000  # widths of a picture that it is moved
MOST_ON_A_SHEET = 4096  # so that a sheet's file can list the seeds of all


@dataclass(frozen=True)
class Seeds:
    """Seeds in the order in which they were typed."""

    ranges: tuple[range, ...]

    @classmethod
    def parse(cls, text: str) -> "Seeds":
        """The seeds of "0-50000,60000": both ends of a range count.

        Raises ValueError, in one sentence, for anything else.
        """
        return cls(tuple(_range(part) for part in text.split(",")))

    @property
    def count(self) -> int:
        """How many there are; len() would overflow."""
        return sum(len(part) for part in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for part in self.ranges:
            yield from part

    def __str__(self) -> str:
        return ",".join(_typed(part[0], part[-1]) for part in self.ranges)


def _range(text: str) -> range:
    found = re.fullmatch(r"\s*(\d{1,12})(?:-(\d{1,12}))?\s*", text, re.ASCII)
    if not found:
        raise ValueError(f"seeds are whole numbers and ranges, such as 0-99,120, not '{text}'")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise ValueError(f"the seeds {text.strip()} end before they begin")
    if last > LARGEST_SEED:
        raise ValueError(f"the largest seed is {LARGEST_SEED}, not {last}")
    return range(first, last + 1)


class Psis(tuple[float, ...]):
    """Values of psi, in the order in which they were typed."""

    @classmethod
    def parse(cls, text: str) -> "Psis":
        """The values of "0.8", "0.5,0.8,1.2", or "0:1.2:0.1": from, to and step, both ends count.

        Raises ValueError, in one sentence, for anything else, and for a value that is there twice.
        """
        values = [value for part in text.split(",") for value in _sweep(part, text)]
        if len(values) > MOST_PSI:
            raise ValueError(f"{text} gives more than {MOST_PSI} values of psi")
        if len(set(values)) < len(values):
            raise ValueError(f"{text} has a value twice")
        return cls(float(value) + 0.0 for value in values)  # -0 is 0

    def __str__(self) -> str:
        return ",".join(map(shown, self))


class Shift(NamedTuple):
    """How far a picture is moved to the right and down, in its widths."""

    x: float
    y: float

    @classmethod
    def parse(cls, text: str) -> "Shift":
        """The shift of "0.25,-0.1".

        Raises ValueError, in one sentence, for anything else, and beyond FARTHEST.
        """
        number = r"\s*([-+]?(?:\d{1,12}\.?\d{0,12}|\.\d{1,12}))\s*"
        found = re.fullmatch(f"{number},{number}", text, re.ASCII)
        shift = found and cls(float(found[1]), float(found[2]))
        if not shift or max(map(abs, shift)) > FARTHEST:
            raise ValueError(
                f"a shift is two numbers of at most {FARTHEST}, such as 0.25,-0.1, not '{text}'"
            )
        return shift

    def __str__(self) -> str:
        return f"{self.x:g},{self.y:g}"


def shown(psi: float) -> str:
    """A psi as it is typed: 0.5, 1."""
    return f"{psi:.{DECIMALS}f}".rstrip("0").rstrip(".")


def _sweep(part: str, text: str) -> list[Decimal]:
    numbers = part.split(":")
    number = r"-?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][-+]?\d{1,2})?"
    if len(numbers) not in (1, 3) or not all(re.fullmatch(number, n, re.ASCII) for n in numbers):
        raise ValueError(
            f"'{text}' is not a number, such as 0.8, nor several, as 0.5,0.8 or 0:1.2:0.1"
        )
    values = [Decimal(number) for number in numbers]  # exact: three steps of 0.1 are 0.3
    if any(abs(value) >= LARGEST_PSI or value != round(value, DECIMALS) for value in values):
        raise ValueError(
            f"{text}: psi must be below {LARGEST_PSI} and have at most {DECIMALS} decimals"
        )
    if len(values) == 1:
        return values
    first, last, step = values
    if step <= 0 or last < first:
        raise ValueError(f"{part} does not go up: a range of psi is from:to:step")
    count = int((last - first) / step) + 1
    return [first + n * step for n in range(min(count, MOST_PSI + 1))]


class Grid(NamedTuple):
    """How pictures stand on a sheet."""

    columns: int
    rows: int

    @classmethod
    def parse(cls, text: str) -> "Grid":
        """The grid of "10x10".

        Raises ValueError, in one sentence, for anything else.
        """
        found = re.fullmatch(r"(\d{1,9})x(\d{1,9})", text, re.ASCII)
        columns, rows = (int(found[1]), int(found[2])) if found else (0, 0)
        if not columns * rows:
            raise ValueError(f"'{text}' is not columns and rows, such as 10x10")
        if columns * rows > MOST_ON_A_SHEET:
            raise ValueError(
                f"{text} is {columns * rows:,} pictures a sheet, more than {MOST_ON_A_SHEET:,}"
            )
        return cls(columns, rows)

    @property
    def size(self) -> int:
        """Pictures on a sheet."""
        return self.columns * self.rows

    def __str__(self) -> str:
        return f"{self.columns}x{self.rows}"


def is_seeds(text: str) -> bool:
    """Whether a text in the place of a path means seeds."""
    return set(text) <= set("0123456789-,")


def compact(seeds: Iterable[int]) -> str:
    """Seeds as a person would type them: 0-49,60."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1][1:] = [seed]
        elif not runs or seed != runs[-1][-1]:
            runs.append([seed])
    return ",".join(_typed(run[0], run[-1]) for run in runs)


def _typed(first: int, last: int) -> str:
    return f"{first}-{last}" if last > first else f"{first}"
