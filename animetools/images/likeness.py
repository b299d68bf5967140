"""Whether one picture is a copy of another."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from animetools.images.hashes import HASH_BITS, Fingerprint, has_same_colors
from animetools.images.overlap import is_cropped, is_same_view

Kind = Literal["listed twice", "same bytes", "same pixels", "near-duplicate", "mirrored", "cropped"]

LOOKS: tuple[Kind, ...] = ("near-duplicate", "mirrored", "cropped")  # which may be wrong


class Different:
    """Pairs of pictures, by the digests of their files, that are no copies whatever they look like."""

    def __init__(self, groups: Iterable[Iterable[bytes]] = ()) -> None:
        """The pictures of each group all differ from each other."""
        self.groups: dict[bytes, set[int]] = {}  # those that each picture is in
        for number, group in enumerate(groups):
            for content in group:
                self.groups.setdefault(content, set()).add(number)

    def __call__(self, one: Fingerprint, other: Fingerprint) -> bool:
        """Whether this is such a pair."""
        if one.content == other.content:
            return False
        ours, theirs = (self.groups.get(each.content, set()) for each in (one, other))
        return not ours.isdisjoint(theirs)


@dataclass(frozen=True)
class Likeness:
    """What counts as a copy.

    near is the share of equal hash bits from which pictures are near-duplicates; 0 switches that off,
    and then there are no mirrored and cropped ones either.
    Two pictures are near-duplicates if their hashes and colors agree; two crops, if the hashes of
    their sources, the places of the faces in them and their content agree, so two faces of one
    picture never are. Crops whose sources differ or are not known are compared as pictures.
    """

    near: float
    mirrored: bool = False
    cropped: bool = False
    different: Different = field(default_factory=Different)

    @property
    def most_bits(self) -> int:
        """In how many bits the hashes of near-duplicates may differ."""
        return int((1 - self.near) * HASH_BITS + 1e-9)

    def kind(self, one: Fingerprint, other: Fingerprint) -> Kind | None:
        """What one is to the other, if their pixels differ."""
        if not self.near or self.different(one, other):
            return None
        if self._is_near(one, other):
            return "near-duplicate"
        turned = one.mirrored() if self.mirrored else None
        if turned and self._is_near(turned, other):
            return "mirrored"
        for each in (one, turned):
            if self.cropped and each and self._is_cropped(each, other):
                return "cropped"
        return None

    def _is_near(self, one: Fingerprint, other: Fingerprint) -> bool:
        if self._is_of_one_source(one, other):
            assert one.origin
            assert other.origin
            return one.origin.is_same_place(other.origin) and is_same_view(one, other)
        return self._agree(one.shape, other.shape) and has_same_colors(one, other)

    def _is_cropped(self, one: Fingerprint, other: Fingerprint) -> bool:
        if self._is_of_one_source(one, other) or not (one.shape and other.shape):
            return False
        return is_cropped(one, other)

    def _is_of_one_source(self, one: Fingerprint, other: Fingerprint) -> bool:
        return bool(
            one.origin and other.origin and self._agree(one.origin.shape, other.origin.shape)
        )

    def _agree(self, one: bytes, other: bytes) -> bool:
        return bool(one and other) and differing(one, other) <= self.most_bits


def differing(one: bytes, other: bytes) -> int:
    """In how many bits two hashes differ."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()
