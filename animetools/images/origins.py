"""Which part of which picture a crop shows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

HASH_BYTES = 32

_SAME_PLACE = 0.5  # intersection over union; of two faces in one picture it is at most 0.1


@dataclass(frozen=True)
class Origin:
    """Where a crop comes from, as fractions of its source's width and height."""

    shape: bytes  # the source's hash
    box: tuple[float, ...]  # x, y, width, height of the face
    affine: tuple[float, ...]  # [2, 3] by rows, from the unit square of the crop to the source's

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self | None:
        """From animecrop's record fields; None if they are missing or malformed."""
        try:
            shape = bytes.fromhex(facts["source_hash"])
            width, height = map(float, facts["source_size"])
            x, y, w, h = map(float, facts["box"])
            left, top, across, down = map(float, facts["crop"])
            turn = math.radians(facts.get("degrees", 0))
            cosine, sine = math.cos(turn), math.sin(turn)  # about the center of the crop
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        if len(shape) != HASH_BYTES or not min(width, height, w, h, across, down) > 0:
            return None
        to_source = (
            cosine * across / width,
            -sine * down / width,
            (left + (across - cosine * across + sine * down) / 2) / width,
            sine * across / height,
            cosine * down / height,
            (top + (down - sine * across - cosine * down) / 2) / height,
        )
        box = (x / width, y / height, w / width, h / height)
        if not all(map(math.isfinite, (*box, *to_source))):
            return None
        return cls(shape, box, to_source)

    def mirrored(self, shape: bytes) -> "Origin":
        """The origin of the mirrored crop, in the mirrored source, which has this hash."""
        (x, y, w, h), (a, b, c, d, e, f) = self.box, self.affine
        return Origin(shape, (1 - x - w, y, w, h), (a, -b, 1 - a - c, -d, e, d + f))

    def is_same_place(self, other: "Origin") -> bool:
        """Whether both show the same face, given that their sources are copies of each other."""
        (x, y, w, h), (u, v, a, b) = self.box, other.box
        across = min(x + w, u + a) - max(x, u)
        down = min(y + h, v + b) - max(y, v)
        shared = max(0.0, across) * max(0.0, down)
        return shared > _SAME_PLACE * (w * h + a * b - shared)
