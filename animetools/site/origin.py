"""Where a face comes from: the facts that its file and its record have of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from animetools.site.ledger import digest_of
from animetools.site.place import WHOLE, Place, edit_of, is_number, is_plain, place_of

_SHOWN = ("seed", "psi", "class", "edit", "network")
# What images of one face at several psi or edits have in common, by sggen, sgedit or live.html.
_SAME = (
    *("class", "tags", "labels", "cutoff", "noise", "truncate", "dtype", "network", "sha256"),
    *("translate", "rotate", "other_seed", "share", "fine_rows", "keep"),
)


@dataclass(frozen=True)
class Origin:
    """What may be known of a face: the facts that are shown, and what sets of several need.

    `kin` is equal for images that differ in their `place` alone, and empty if that is not known.
    """

    shown: dict[str, str | int | float]
    kin: bytes = b""
    place: Place = WHOLE

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Origin":
        """From facts of any kind."""
        # What sgedit drew is of a seed, which alone would give the image before the edit, or of a file.
        source = facts.get("seed", facts.get("of"))
        known = {**facts, "seed": source if is_number(source) else None, "edit": edit_of(facts)}
        shown = {name: known[name] for name in _SHOWN if is_plain(known.get(name))}
        place = place_of(facts)
        if place is None or place.psi is None or not is_plain(source):
            return cls(shown)
        same = json.dumps([source, *(facts.get(name) for name in _SAME)], sort_keys=True)
        return cls(shown, digest_of(same.encode()), place)

    @property
    def seed(self) -> int | None:
        """The seed, if it is known."""
        seed = self.shown.get("seed")
        return seed if isinstance(seed, int) else None
