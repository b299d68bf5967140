"""What a dataset is known by, wherever it lies: the images that are in it."""

from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

SAMPLED = 32  # images
SCRAMBLE = np.uint64(0x9E3779B97F4A7C15)  # odd: no two marks become the same

Marks = NDArray[np.uint64]


def marks(crcs: NDArray[Any], lengths: NDArray[Any]) -> Marks:
    """A number for each image: the checksum of its bytes, or else of its name, and its length."""
    return crcs.astype(np.uint64) << np.uint64(32) | lengths.astype(np.uint64) & np.uint64(
        2**32 - 1
    )


@dataclass(frozen=True)
class Identity:
    """The images of a dataset: how many, a digest of all in their order, and a sample.

    The sample is of those whose marks come first when they are scrambled, in any dataset the same:
    so two samples tell how many images two datasets share.

    Source of the sample: Broder 1997 (On the resemblance and containment of documents).
    """

    count: int
    digest: str
    sample: tuple[str, ...]

    @classmethod
    def of(cls, marks: Marks) -> Self:
        """The identity of images with these marks, in this order."""
        scrambled = marks * SCRAMBLE
        scrambled = np.unique(scrambled ^ scrambled >> np.uint64(32))[:SAMPLED]
        digest = blake2b(marks.astype("<u8").tobytes(), digest_size=16).hexdigest()
        return cls(len(marks), digest, tuple(f"{mark:016x}" for mark in scrambled.tolist()))

    @classmethod
    def from_plain(cls, told: Any) -> Self | None:
        """The identity that `plain` gave; None if it is none."""
        match told:
            case {"count": int(count), "digest": str(digest), "sample": list(sample)}:
                return cls(count, digest, tuple(map(str, sample)))
        return None

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"sample": list(self.sample)}

    def shared(self, other: "Identity") -> float:
        """About which share of the images of both is in both."""
        mine, theirs = set(self.sample), set(other.sample)
        first = sorted(mine | theirs)[:SAMPLED]
        return sum(mark in mine and mark in theirs for mark in first) / max(1, len(first))
