"""Where a picture is among others of one face: at which psi, and how far along an edit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from animetools.editing.grammar import Edits, Strip

LONGEST = 200  # characters of a fact


@dataclass(frozen=True)
class Place:
    """Psi, and the amount of an edit; of pictures without one, no edit and 0."""

    psi: float | None = None
    edit: str = ""
    amount: float = 0


WHOLE = Place()


def place_of(facts: Mapping[str, Any]) -> Place | None:
    """The place of a picture with these facts of sggen or sgedit; None if it has none, or several."""
    edits, steps = _edits(facts), steps_of(facts)
    if edits is None or len(steps) != 1:
        return None
    psi = float(facts["psi"]) if is_number(facts.get("psi")) else None
    amount, name = steps[0], str(edits)
    if len(edits) == 1:
        (edit,) = edits
        name = f"{edit.name}@{edit.rows}" if edit.rows else edit.name
        amount = round(edit.amount * steps[0], 6)
    return Place(psi, name, amount) if edits and amount else Place(psi)


def edit_of(facts: Mapping[str, Any]) -> str:
    """The edit of a picture at its step of a strip, as it is typed; "" for none."""
    edits, steps = _edits(facts), steps_of(facts)
    if not edits or len(steps) != 1 or not steps[0]:
        return ""
    return str(Edits(replace(edit, amount=edit.amount * steps[0]) for edit in edits))


def steps_of(facts: Mapping[str, Any]) -> tuple[float, ...]:
    """What the edit is multiplied by in the pictures of a row, as sgedit --strip records it.

    A picture that is no row has one step; there is none if the facts are malformed, or of a sheet.
    """
    text = facts.get("strip", "1")
    if not isinstance(text, str) or "pictures" in facts or _edits(facts) is None:
        return ()
    try:
        return Strip.parse(text)
    except ValueError:
        return ()


def _edits(facts: Mapping[str, Any]) -> Edits | None:
    """The edits of a picture, maybe none; None if they are malformed."""
    text = facts.get("edit")
    if text is None:
        return Edits()
    try:
        return Edits.parse(text) if isinstance(text, str) else None
    except ValueError:
        return None


def is_number(value: Any) -> bool:
    """Whether a fact is a number that JSON has, and not a huge one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) < 1 << 53


def is_plain(value: Any) -> bool:
    """Whether a fact can be shown: a short text, or such a number."""
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST
    return is_number(value)
