"""Groups of duplicates, for a person to look through."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from animetools import tsv
from animetools.errors import ItemError, PassedOver
from animetools.images.described import encode_described
from animetools.images.duplicates import Duplicate
from animetools.images.files import read_rgb
from animetools.images.likeness import LOOKS
from animetools.images.sheet import COLUMNS, Pixels, contact_sheet

SHOWN = 100  # groups of a sheet: as many as a person looks through
_MEMBERS = 2 * COLUMNS  # of a group on a sheet


@dataclass(frozen=True)
class Member:
    """A duplicate in a group."""

    path: str
    duplicate: Duplicate


class Groups:
    """Images that were kept, each with its duplicates, numbered in the order of their first ones."""

    def __init__(self) -> None:
        self.groups: dict[str, list[Member]] = {}

    def add(self, path: str, duplicate: Duplicate) -> None:
        """Add an image to the group of the one that it duplicates, unless it is that."""
        if duplicate.kind != "listed twice":
            self.groups.setdefault(duplicate.path, []).append(Member(path, duplicate))

    def lines(self, *, as_json: bool) -> Iterator[str]:
        """A line for each group: the paths with tabs between them, that of the kept image first."""
        for kept, members in self.groups.items():
            if as_json:
                found = [
                    {"path": each.path, "reason": each.duplicate.kind, "bits": each.duplicate.bits}
                    for each in members
                ]
                yield json.dumps({"path": kept, "duplicates": found})
            else:
                yield tsv.line(kept, *(each.path for each in members))

    def doubtful(self) -> list[tuple[int, str, list[Member]]]:
        """Number, kept image and inexact members of groups, the least alike first."""
        found = [
            (number, kept, [each for each in members if each.duplicate.kind in LOOKS])
            for number, (kept, members) in enumerate(self.groups.items(), 1)
        ]
        doubtful = [group for group in found if group[2]]
        return sorted(doubtful, key=lambda group: -max(each.duplicate.bits for each in group[2]))

    def sheet_file(self, name: str) -> bytes | None:
        """A contact sheet of the doubtful groups; None if there are none.

        A PNG, or a JPEG, as the `name` of the file ends. Images that are gone are left out.
        """
        sections = []
        for number, kept, members in self.doubtful()[:SHOWN]:
            pictures = [("kept", kept)]
            for each in members[: _MEMBERS - 1]:
                pictures.append((f"{each.duplicate.kind}, {each.duplicate.bits}", each.path))
            sections.append((f"{number}: {kept}", [*_read(pictures)]))
        if not sections:
            return None
        pixels = contact_sheet(sections)
        return encode_described(pixels, "png" if name.endswith(".png") else "jpg", 90)


def _read(pictures: list[tuple[str, str]]) -> Iterator[tuple[str, Pixels]]:
    for caption, path in pictures:
        with suppress(ItemError, PassedOver, OSError):
            pixels = read_rgb(path)
            height, width = pixels.shape[:2]
            yield f"{caption}: {width}x{height}", pixels
