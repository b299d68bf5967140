"""Coarse, middle and fine layers of a network, as StyleGAN's figures divide them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

# Of the nine resolutions of 1024 pixels 4 and 8 are coarse, 16 and 32 middle, the others fine.
# Source: Karras et al. 2018 (StyleGAN), figure 3.
COARSE_END, MIDDLE_END, BLOCKS = 2, 4, 9


@dataclass(frozen=True)
class Rows:
    """Some rows of w, from the first to the last; `named` if they were typed as layers of a StyleGAN 3."""

    first: int
    last: int
    named: bool = field(default=False, compare=False, kw_only=True)

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last > self.first else f"{self.first}"

    def called(self, names: Sequence[str]) -> str:
        """The rows by the names that a network has for them, or by their numbers."""
        if not names:
            return f"w {self}"
        first, last = names[self.first], names[self.last]
        return f"{first}-{last}" if self.last > self.first else first


class Ranges(tuple[Rows, ...]):
    """Ranges of rows of w, in the order in which they were typed."""

    @classmethod
    def parse(cls, text: str) -> "Ranges":
        """The ranges of "0-3,4-7,8": both ends count.

        Raises ValueError, in one sentence, for anything else.
        """
        found = [
            re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", part, re.ASCII) for part in text.split(",")
        ]
        ranges = [Rows(int(m[1]), int(m[2] or m[1])) for m in found if m]
        if len(ranges) < len(found) or any(each.last < each.first for each in ranges):
            raise ValueError(f"'{text}' is not ranges of rows of w, such as 0-3,4-7,8-9")
        return cls(ranges)

    @classmethod
    def parse_layers(cls, text: str) -> "Ranges":
        """The same, where rows may also be layers of a StyleGAN 3: "input-L3,L4-L7".

        Raises ValueError as `parse`.
        """
        made: list[Rows] = []
        for part in text.split(","):
            match = re.fullmatch(rf"({_LAYER})(?:-({_LAYER}))?", part, re.ASCII)
            if not match:
                try:
                    made += cls.parse(part)
                except ValueError as why:
                    raise ValueError(
                        f"{why}, or of layers of a StyleGAN 3, such as input-L3,L4-L7"
                    ) from None
                continue
            first, last = _row_of(match[1]), _row_of(match[2] or match[1])
            if last < first:
                raise ValueError(f"'{text}' has a range that ends before it begins")
            made.append(Rows(first, last, named=True))
        return cls(made)

    def __str__(self) -> str:
        return ",".join(map(str, self))


LAYERS = ("input", *(f"L{n}" for n in range(100)))  # of a StyleGAN 3, by their rows of w
_LAYER = r"input|L\d{1,2}"


def _row_of(layer: str) -> int:
    return 0 if layer == "input" else int(layer[1:]) + 1


def thirds(sizes: Sequence[int]) -> tuple[Rows, Rows, Rows]:
    """The coarse, middle and fine ones of the rows of w, of whose layers these are the sizes.

    A smaller network than the paper's has proportionally fewer sizes of each kind, but at least one;
    of fewer than three sizes each row counts as one.

    Raises ValueError below three rows.
    """
    count = len(sizes)
    if count < 3:
        raise ValueError("a network with fewer than three rows of w has no ranges of them")
    blocks = sorted(set(sizes))
    if len(blocks) < 3:
        sizes = blocks = list(range(count))
    coarse = up(COARSE_END * len(blocks), BLOCKS)
    middle = max(up(MIDDLE_END * len(blocks), BLOCKS), coarse + 1)
    first_middle, first_fine = sizes.index(blocks[coarse]), sizes.index(blocks[middle])
    return (
        Rows(0, first_middle - 1),
        Rows(first_middle, first_fine - 1),
        Rows(first_fine, count - 1),
    )


def fine_from(sizes: list[int]) -> int:
    """The first of layers of these sizes that is fine, where there are only coarse and fine ones.

    Source: Karras et al. 2018 (StyleGAN), figure 5: 64 of 1024 pixels.
    """
    blocks = sorted(set(sizes))
    return sizes.index(blocks[min(up(MIDDLE_END * len(blocks), BLOCKS), len(blocks) - 1)])


def up(number: int, by: int) -> int:
    """The quotient, rounded up."""
    return -(-number // by)
