"""Where a face comes from: the facts that its file and its record have of it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from animetools.site.ledger import digest_of

LONGEST = 200  # characters of a fact
_SHOWN = ("seed", "psi", "class", "network")
# What images of one face at several psi have in common, by sggen or saved from live.html.
_SAME = (
    *("seed", "class", "labels", "cutoff", "noise", "truncate", "dtype", "network", "sha256"),
    *("translate", "rotate", "other_seed", "share", "fine_rows"),
)


@dataclass(frozen=True)
class Origin:
    """What may be known of a face: the facts that are shown, and what sets of several psi need.

    `kin` is equal for images that differ in psi alone, and empty if that is not known.
    """

    shown: dict[str, str | int | float]
    kin: bytes = b""

    @classmethod
    def of(cls, *sources: Mapping[str, Any]) -> "Origin":
        """From facts of any kind, those in the last mapping first."""
        facts: dict[str, Any] = {}
        for source in sources:
            facts |= source
        shown = {name: facts[name] for name in _SHOWN if _is_plain(facts.get(name))}
        if not (isinstance(shown.get("seed"), int) and isinstance(shown.get("psi"), int | float)):
            return cls(shown)
        same = json.dumps([facts.get(name) for name in _SAME], sort_keys=True)
        return cls(shown, digest_of(same.encode()))

    @property
    def seed(self) -> int | None:
        """The seed, if it is known."""
        seed = self.shown.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def psi(self) -> float | None:
        """Psi, if it is one number."""
        psi = self.shown.get("psi")
        return float(psi) if isinstance(psi, int | float) else None


def _is_plain(value: Any) -> bool:
    """Whether a fact can be shown: a short text, or a number that JSON has."""
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) < 1 << 53
