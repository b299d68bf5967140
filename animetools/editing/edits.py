"""Edits: how far w moves, along which directions, in which rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from animetools.editing.directions import Direction, Directions
from animetools.errors import ItemError
from animetools.sampling.latents import Floats
from animetools.sampling.layers import Ranges, Rows

MOST = 1000.0  # spreads: far beyond what any network draws
LEAST_LEFT = 1e-3  # of the length of a vector, without its part along what is kept

_NUMBER = r"-?(?:\d{1,4}\.?\d{0,9}|\.\d{1,9})"
# A name may have any of these signs in it, as the tags =_= and @_@ have.
_EDIT = re.compile(rf"(.+?)(?:=({_NUMBER}))?(?:@(\d{{1,3}}(?:-\d{{1,3}})?))?", re.ASCII)


@dataclass(frozen=True)
class Edit:
    """A step along the direction of a name: `amount` of its spreads, in some rows of w.

    Without rows, in those that the direction is for.
    """

    name: str
    amount: float = 1.0
    rows: Rows | None = None

    def __str__(self) -> str:
        text = f"{self.amount:.9f}".rstrip("0").rstrip(".")
        return f"{self.name}={text}" + (f"@{self.rows}" if self.rows else "")


class Edits(tuple[Edit, ...]):
    """Several edits, in the order in which they were typed."""

    @classmethod
    def parse(cls, text: str) -> "Edits":
        """The edits of "smile=1.5,blue_hair=-2@0-7,hat": without a number the amount is 1.

        Raises ValueError, in one sentence, for anything else.
        """
        return cls(_edit(part.strip()) for part in text.split(","))

    def __str__(self) -> str:
        return ",".join(map(str, self))


def _edit(text: str) -> Edit:
    found = _EDIT.fullmatch(text)
    if not found:
        raise ValueError(f"'{text}' is not an edit, such as smile=1.5 or blue_hair=-2@0-7")
    name, number, rows = found.groups()
    amount = float(number or 1) + 0.0  # -0 is 0
    if abs(amount) > MOST:
        raise ValueError(f"the amount of {text} is beyond {MOST:g} spreads")
    return Edit(name, amount, Ranges.parse(rows)[0] if rows else None)


def shift_of(
    edits: Sequence[Edit], directions: Directions, num_ws: int, keep: Sequence[str] = ()
) -> Floats:
    """What the edits add to w: float32 [num_ws, w_dim], to be multiplied for a part of them.

    Each vector is first made orthogonal to those of the directions to `keep`, but its own.

    Raises ItemError for an unknown direction, for rows that the network does not have, and where
    nothing of a direction is orthogonal to what is kept.
    Source: Shen et al. 2020 (InterFaceGAN), sections 2.2 and 2.3 (conditional manipulation).
    """
    kept = [directions.named(name) for name in keep]
    width = len(directions.found[0].vector)
    shift = np.zeros((num_ws, width), np.float64)
    for edit in edits:
        direction = directions.named(edit.name)
        rows = edit.rows or direction.rows or Rows(0, num_ws - 1)
        if rows.last >= num_ws:
            raise ItemError(f"{edit}: this network has the rows 0-{num_ws - 1} of w")
        vector = orthogonal(direction, [each for each in kept if each.name != edit.name])
        shift[rows.first : rows.last + 1] += edit.amount * direction.spread * vector
    return shift.astype(np.float32)


def orthogonal(direction: Direction, kept: Sequence[Direction]) -> Floats:
    """The unit vector [w_dim] nearest to a direction's that is orthogonal to others.

    Raises ItemError if there is none.
    """
    if not kept:
        return direction.vector
    # Directions that hardly differ would leave a vector of rounding errors.
    _, sizes, axes = np.linalg.svd(np.array([each.vector for each in kept], np.float64), False)
    axes = axes[sizes > LEAST_LEFT]
    left = direction.vector - axes.T @ (axes @ direction.vector)
    length = float(np.linalg.norm(left))
    if length < LEAST_LEFT:
        names = ", ".join(each.name for each in kept)
        raise ItemError(f"{direction.name} cannot change while these are kept: {names}")
    return np.asarray(left / length, np.float32)
