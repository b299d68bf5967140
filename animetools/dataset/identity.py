"""How a dataset is recognized, wherever it is stored: by the images in it."""

from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

SAMPLED = 32  # images
SCRAMBLE = np.uint64(0x9E3779B97F4A7C15)  # odd: different fingerprints stay different

Fingerprints = NDArray[np.uint64]


def fingerprints(crcs: NDArray[Any], lengths: NDArray[Any]) -> Fingerprints:
    """A number for each image: the checksum of its bytes, or else of its name, and its length."""
    return crcs.astype(np.uint64) << np.uint64(32) | lengths.astype(np.uint64) & np.uint64(
        2**32 - 1
    )


@dataclass(frozen=True)
class Identity:
    """The images of a dataset: how many, a digest of all in their order, and a sample.

    The sample holds the first fingerprints in a scrambled order that is the same for all datasets
    (a MinHash), so two samples estimate how many images two datasets share.

    Source of the sample: Broder 1997 (On the resemblance and containment of documents).
    """

    count: int
    digest: str
    sample: tuple[str, ...]

    @classmethod
    def of(cls, fingerprints: Fingerprints) -> Self:
        """The identity of images with these fingerprints, in this order."""
        scrambled = fingerprints * SCRAMBLE
        scrambled = np.unique(scrambled ^ scrambled >> np.uint64(32))[:SAMPLED]
        digest = blake2b(fingerprints.astype("<u8").tobytes(), digest_size=16).hexdigest()
        return cls(len(fingerprints), digest, tuple(f"{one:016x}" for one in scrambled.tolist()))

    @classmethod
    def from_plain(cls, record: Any) -> Self | None:
        """The identity in a record that `plain` gave; None if it is malformed."""
        match record:
            case {"count": int(count), "digest": str(digest), "sample": list(sample)}:
                return cls(count, digest, tuple(map(str, sample)))
        return None

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"sample": list(self.sample)}

    def shared(self, other: "Identity") -> float:
        """The estimated share of the images of either dataset that are in both, 0 to 1."""
        mine, theirs = set(self.sample), set(other.sample)
        first = sorted(mine | theirs)[:SAMPLED]
        return sum(one in mine and one in theirs for one in first) / max(1, len(first))
