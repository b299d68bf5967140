"""Coarse, middle and fine layers of a network, as StyleGAN's figures divide them."""

import re
from dataclasses import dataclass

# Of the nine resolutions of 1024 pixels 4 and 8 are coarse, 16 and 32 middle, the others fine.
# Source: Karras et al. 2018 (StyleGAN), figure 3.
COARSE_END, MIDDLE_END, BLOCKS = 2, 4, 9


@dataclass(frozen=True)
class Rows:
    """Some rows of w, from the first to the last."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last > self.first else f"{self.first}"


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

    def __str__(self) -> str:
        return ",".join(map(str, self))


def thirds(count: int) -> tuple[Rows, Rows, Rows]:
    """The coarse, middle and fine ones of `count` rows of w; two belong to a resolution.

    A smaller network than the paper's has proportionally fewer of each kind, but at least one.

    Raises ValueError below three rows.
    """
    if count < 3:
        raise ValueError("a network with fewer than three rows of w has no ranges of them")
    of_block = 2 if count >= 6 else 1
    coarse = of_block * up(COARSE_END * (count // of_block), BLOCKS)
    middle = of_block * up(MIDDLE_END * (count // of_block), BLOCKS)
    middle = max(middle, coarse + 1)
    return Rows(0, coarse - 1), Rows(coarse, middle - 1), Rows(middle, count - 1)


def fine_from(sizes: list[int]) -> int:
    """The first of layers of these sizes that is fine, where there are only coarse and fine ones.

    Source: Karras et al. 2018 (StyleGAN), figure 5: 64 of 1024 pixels.
    """
    blocks = sorted(set(sizes))
    return sizes.index(blocks[min(up(MIDDLE_END * len(blocks), BLOCKS), len(blocks) - 1)])


def up(number: int, by: int) -> int:
    """The quotient, rounded up."""
    return -(-number // by)
