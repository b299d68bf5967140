"""Lists of numbers as people type them: seeds, psi, rows and columns. No list is ever laid out."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

LARGEST_SEED = 2**32 - 1  # that numpy's RandomState takes
MOST_PSI = 1000
MOST_ON_A_SHEET = 4096  # so that a sheet's file can tell the seeds of all
LEAST_BOUND = 0.01  # of |z|: below, hundreds of redraws find nothing


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


def _range(text: str) -> range:
    found = re.fullmatch(r"\s*(\d{1,12})(?:-(\d{1,12}))?\s*", text, re.ASCII)
    if not found:
        raise ValueError(f"seeds are whole numbers and ranges, such as 0-99,120, not '{text}'")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise ValueError(f"seeds {text.strip()} end before they begin")
    if last > LARGEST_SEED:
        raise ValueError(f"seeds end at {LARGEST_SEED}, before {last}")
    return range(first, last + 1)


def parse_psis(text: str) -> tuple[float, ...]:
    """The values of "0.8", of "0.5,0.8,1.2", or of "0:1.2:0.1": from, to and step, both ends count.

    Raises ValueError, in one sentence, for anything else, and for a value that is there twice.
    """
    values = [value for part in text.split(",") for value in _sweep(part, text)]
    if len(values) > MOST_PSI:
        raise ValueError(f"--psi gives {len(values)} values, more than {MOST_PSI}")
    if len(set(values)) < len(values):
        raise ValueError(f"--psi {text} has a value twice")
    return tuple(float(value) + 0.0 for value in values)  # -0 is 0


def _sweep(part: str, text: str) -> list[Decimal]:
    numbers = part.split(":")
    for number in numbers:
        if len(numbers) not in (1, 3) or not re.fullmatch(
            r"-?(\d{1,6}(\.\d{0,6})?|\.\d{1,6})(e[-+]?\d)?", number, re.ASCII | re.IGNORECASE
        ):
            raise ValueError(
                f"--psi takes numbers, such as 0.8 or 0.5,0.8 or 0:1.2:0.1, not '{text}'"
            )
    values = list(map(Decimal, numbers))  # exact: three steps of 0.1 are 0.3
    if any(value != round(value, 6) or abs(value) >= 10**6 for value in values):
        raise ValueError(f"--psi {text}: a psi is below a million and has at most six decimals")
    if len(numbers) == 1:
        return values
    first, last, step = values
    if step <= 0 or last < first:
        raise ValueError(f"--psi {part} goes from a number up to a larger one in steps above 0")
    count = int((last - first) / step) + 1
    return [first + n * step for n in range(min(count, MOST_PSI + 1))]


def parse_grid(text: str) -> tuple[int, int]:
    """Columns and rows of "10x10".

    Raises ValueError, in one sentence, for anything else.
    """
    found = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text, re.ASCII)
    if not found or "0" in found.groups():
        raise ValueError(f"--grid takes columns and rows, such as 10x10, not '{text}'")
    columns, rows = int(found[1]), int(found[2])
    if columns * rows > MOST_ON_A_SHEET:
        raise ValueError(f"--grid {text} is more than {MOST_ON_A_SHEET} pictures")
    return columns, rows


def compact(seeds: Iterable[int]) -> str:
    """Seeds as a person would type them: 0-49,60."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1][1:] = [seed]
        elif not runs or seed != runs[-1][-1]:
            runs.append([seed])
    return ",".join("-".join(map(str, run)) for run in runs)
