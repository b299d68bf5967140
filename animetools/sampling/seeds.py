"""Numbers as people type them: seeds, psi, rows and columns, shares. No list is ever laid out."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

LARGEST_SEED = 2**32 - 1  # that numpy's RandomState takes
MOST_PSI = 1000
LARGEST_PSI, DECIMALS = 10**6, 6  # of a psi, as names of files show it
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
    number = r"-?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][-+]?\d{1,2})?"
    if len(numbers) not in (1, 3) or not all(re.fullmatch(number, n, re.ASCII) for n in numbers):
        raise ValueError(f"--psi takes numbers, such as 0.8 or 0.5,0.8 or 0:1.2:0.1, not '{text}'")
    values = [Decimal(number) for number in numbers]  # exact: three steps of 0.1 are 0.3
    if any(abs(value) >= LARGEST_PSI or value != round(value, DECIMALS) for value in values):
        raise ValueError(
            f"--psi {text}: psi is below {LARGEST_PSI} and has at most {DECIMALS} decimals"
        )
    if len(values) == 1:
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
    found = re.fullmatch(r"(\d{1,9})x(\d{1,9})", text, re.ASCII)
    columns, rows = (int(found[1]), int(found[2])) if found else (0, 0)
    if not columns * rows:
        raise ValueError(f"--grid takes columns and rows, such as 10x10, not '{text}'")
    if columns * rows > MOST_ON_A_SHEET:
        raise ValueError(
            f"--grid {text} is {columns * rows:,} pictures a sheet, more than {MOST_ON_A_SHEET:,}"
        )
    return columns, rows


def share_of(option: str, text: str, total: int) -> int:
    """How many of `total` are meant by 10%, or 0.1, at least one; or by a whole number.

    Raises ValueError, in one sentence with the option's name, for anything else.
    """
    if re.fullmatch(r"\d{1,12}", text, re.ASCII) and int(text):
        return min(total, int(text))
    found = re.fullmatch(r"(\d{1,12}\.?\d{0,12}|\.\d{1,12})(%?)", text, re.ASCII)
    share = float(found[1]) / (100 if found[2] else 1) if found else 0
    if not found or not 0 < share <= 1 or (share == 1 and not found[2]):
        raise ValueError(f"{option} is a share, such as 10%, or a number of images, not '{text}'")
    return min(total, max(1, round(total * share)))


def compact(seeds: Iterable[int]) -> str:
    """Seeds as a person would type them: 0-49,60."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1][1:] = [seed]
        elif not runs or seed != runs[-1][-1]:
            runs.append([seed])
    return ",".join("-".join(map(str, run)) for run in runs)
