"""Which of many images are kept, by their scores."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Some of many: a part of them, or so many."""

    part: float = 0.0
    count: int = 0

    @classmethod
    def parse(cls, text: str) -> "Share":
        """The share of "10%", or "0.1", or of a whole number of images.

        Raises ValueError, in one sentence, for anything else.
        """
        if re.fullmatch(r"\d{1,12}", text, re.ASCII) and int(text):
            return cls(count=int(text))
        found = re.fullmatch(r"(\d{1,12}\.?\d{0,12}|\.\d{1,12})(%?)", text, re.ASCII)
        part = float(found[1]) / (100 if found[2] else 1) if found else 0
        if not found or not 0 < part <= 1 or (part == 1 and not found[2]):
            raise ValueError(
                f"'{text}' is neither a share of the images, such as 10%, nor a number of them"
            )
        return cls(part)

    def of(self, total: int) -> int:
        """How many of `total` that is: of a part at least one, and never more than all."""
        return min(total, self.count or max(1, round(total * self.part)))


@dataclass(frozen=True)
class Choice:
    """What an image must be to be kept: among the best, among the worst, above a threshold."""

    best: Share | None = None
    worst: Share | None = None
    threshold: float | None = None

    def objection(self, score: float, rank: int, total: int) -> tuple[str, str] | None:
        """Why the image of that rank among `total` is not kept, and the evidence; None if it is."""
        if self.best and rank > self.best.of(total):
            return "not among the best", f"rank {rank} of {total}"
        if self.worst and rank <= total - self.worst.of(total):
            return "not among the worst", f"rank {rank} of {total}"
        if self.threshold is not None and score < self.threshold:
            return "below the threshold", f"{score:.5f}"
        return None


def ranks_of(scores: Sequence[float]) -> list[int]:
    """The rank of each score: 1 is the highest; of equal ones the first comes first."""
    ranks = [0] * len(scores)
    best_first = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
    for rank, number in enumerate(best_first, start=1):
        ranks[number] = rank
    return ranks
