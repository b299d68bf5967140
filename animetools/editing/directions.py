"""Files of directions: along which w changes one thing in a picture, and how far pictures differ in it."""

import json
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from animetools.errors import Advice, FatalError, ItemError
from animetools.sampling.latents import Floats
from animetools.sampling.layers import Ranges, Rows
from animetools.sampling.npz import DAMAGE, array_of, damage, members
from animetools.sampling.sampler import OpenNetwork

LARGEST = 1 << 28  # bytes of an array in a file of directions
MOST = 100_000  # directions in a file: taggers know fewer tags
LONGEST_NAME = 500  # characters
LISTED = 50  # names in a message
CLOSE = 4  # of those that an unknown one resembles

_NAMES = ("names", "vectors", "spreads", "rows", "accuracies", "facts")


@dataclass(frozen=True)
class Direction:
    """One direction: a unit `vector` [w_dim] float32 in w.

    `spread` is the standard deviation of the network's own w along it, the unit of amounts. `rows`
    are those of w that it is for, None for all. `accuracy`, 0.5 to 1, says how well w along it tells
    examples that were not learned from, if that was measured: the area under the ROC curve.
    """

    name: str
    vector: Floats
    spread: float
    rows: Rows | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class Directions:
    """Several directions of one network, and what is known of how they were learned."""

    found: tuple[Direction, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def named(self, name: str) -> Direction:
        """The direction of this name.

        Raises ItemError, with similar names, if there is none.
        """
        names = [each.name for each in self.found]
        if name in names:
            return self.found[names.index(name)]
        if len(names) > LISTED and (close := get_close_matches(name, names, CLOSE)):
            raise ItemError(f"there is no direction '{name}'; similar ones are {', '.join(close)}")
        listed = ", ".join(names[:LISTED]) + ", ..." * (len(names) > LISTED)
        raise ItemError(f"there is no direction '{name}' among {listed}")

    def check(self, network: OpenNetwork) -> None:
        """Raise ItemError unless they fit a network; those of another of the same shape are warned of."""
        generator = network.generator
        width = generator.config.mapping.w_dim
        for each in self.found:
            if len(each.vector) != width:
                raise ItemError(
                    f"directions in w of {len(each.vector)} numbers; this network has {width}"
                )
            if each.rows and each.rows.last >= generator.num_ws:
                raise ItemError(
                    f"{each.name} is for the rows {each.rows} of w; this network has 0-{generator.num_ws - 1}"
                )
        learned = self.facts.get("sha256")
        if isinstance(learned, str) and learned != network.sha256:
            text = f"directions of another network, {self.facts.get('network')}: they hold for this one if it was trained from it"
            warnings.warn(text, Advice, stacklevel=1)

    def encode(self) -> bytes:
        """An .npz that `read` reads: an array of each field, and facts, a text of JSON."""
        file = BytesIO()
        np.savez(
            file,
            names=np.array([each.name for each in self.found]),
            vectors=np.array([each.vector for each in self.found], np.float32),
            spreads=np.array([each.spread for each in self.found], np.float32),
            rows=np.array([str(each.rows or "") for each in self.found]),
            accuracies=np.array(
                [math.nan if each.accuracy is None else each.accuracy for each in self.found],
                np.float32,
            ),
            facts=np.array(json.dumps(self.facts)),
        )
        return file.getvalue()


def read(path: str) -> Directions:
    """The directions of a file.

    Raises ItemError for another or a damaged file; OSError.
    """
    with open(path, "rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise ItemError("not a file of directions, which sgedit --learn makes")
    try:
        arrays = {name: array_of(file, LARGEST) for name, file in members(path) if name in _NAMES}
    except DAMAGE as why:
        raise ItemError(damage(why)) from None
    if missing := [name for name in _NAMES if name not in arrays]:
        raise ItemError(f"not a file of directions: it has no array {missing[0]}")
    names, rows = (_texts(arrays[name], name) for name in ("names", "rows"))
    vectors, spreads, accuracies = (
        _numbers(arrays[name], name) for name in ("vectors", "spreads", "accuracies")
    )
    if not names or len(names) > MOST or len(set(names)) < len(names):
        raise ItemError("its directions have no names, or the same ones")
    if vectors.ndim != 2 or any(each.shape[:1] != (len(names),) for each in (vectors, spreads)):
        raise ItemError("its vectors are not [directions, w_dim]")
    if spreads.ndim != 1 or accuracies.shape != spreads.shape or len(rows) != len(names):
        raise ItemError("not all of its directions have a spread, rows and an accuracy")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if not (np.isfinite(vectors).all() and np.allclose(lengths, 1, atol=1e-3)):
        raise ItemError("its vectors do not have the length 1")
    if not (np.isfinite(spreads).all() and (spreads > 0).all()):
        raise ItemError("a spread in it is not a positive number")
    return Directions(
        tuple(
            Direction(checked_name(name), vector, float(spread), _rows(text), _accuracy(accuracy))
            for name, vector, spread, text, accuracy in zip(
                names, vectors, spreads, rows, accuracies, strict=True
            )
        ),
        _facts(arrays["facts"]),
    )


def joined(files: Iterable[tuple[str, Directions]]) -> Directions:
    """The directions of several files, each behind its path; facts are those of the first.

    Raises FatalError if two have one name.
    """
    owners: dict[str, str] = {}
    found: list[Direction] = []
    facts: dict[str, Any] | None = None
    for path, directions in files:
        facts = directions.facts if facts is None else facts
        for each in directions.found:
            if each.name in owners:
                raise FatalError(f"{each.name} is in {owners[each.name]} and in {path}")
            owners[each.name] = path
            found.append(each)
    return Directions(tuple(found), facts or {})


def checked_name(name: str) -> str:
    """The name of a direction, if it can be typed in a list of edits.

    Raises ItemError if it cannot.
    """
    if not name or len(name) > LONGEST_NAME or "," in name or not name.isprintable():
        raise ItemError(f"{name[:60]!r} cannot be the name of a direction")
    return name


def _texts(values: NDArray[np.generic], name: str) -> list[str]:
    if values.dtype.kind != "U" or values.ndim != 1:
        raise ItemError(f"its array {name} is not a list of texts")
    return [str(text) for text in values]


def _numbers(values: NDArray[np.generic], name: str) -> Floats:
    if values.dtype.kind != "f":
        raise ItemError(f"its array {name} is not of floating-point numbers")
    return np.array(values, np.float32, order="C")


def _rows(text: str) -> Rows | None:
    try:
        ranges: Sequence[Rows] = Ranges.parse(text) if text else ()
    except ValueError as why:
        raise ItemError(f"its rows: {why}") from None
    if len(ranges) > 1:
        raise ItemError(f"its rows {text} are more than one range")
    return ranges[0] if ranges else None


def _accuracy(value: float) -> float | None:
    if math.isnan(value):
        return None
    if not 0 <= value <= 1:
        raise ItemError("an accuracy in it is not from 0 to 1")
    return float(value)


def _facts(values: NDArray[np.generic]) -> dict[str, Any]:
    try:
        if values.dtype.kind != "U" or values.ndim:
            raise ValueError
        facts = json.loads(str(values))
    except (ValueError, RecursionError):
        raise ItemError("its facts are not a text of JSON") from None
    if not isinstance(facts, dict):
        raise ItemError("its facts are not a JSON object")
    return facts
