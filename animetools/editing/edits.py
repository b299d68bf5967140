"""Edits: how far w moves, along which directions, in which rows."""

from collections.abc import Sequence

import numpy as np

from animetools.editing.directions import Direction, Directions
from animetools.editing.grammar import Edit
from animetools.errors import ItemError
from animetools.sampling.latents import Floats
from animetools.sampling.layers import Rows

LEAST_LEFT = 1e-3  # of the length of a vector, without its part along what is kept


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
