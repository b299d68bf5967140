"""Groups of duplicates, for a person to look through."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from animetools import tsv
from animetools.errors import ItemError, PassedOver
from animetools.images.duplicates import Duplicate
from animetools.images.files import read_rgb
from animetools.images.likeness import LOOKS
from animetools.images.sheet import COLUMNS, Pixels, sheet_file

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

    def sheet_file(self, name: str) -> bytes | None:
        """A contact sheet, see sheet_file, of groups that are not exact copies, the least alike first.

        A heading is the number of the group's line and the kept image; a caption begins with the
        number of the image's field in that line. None if all are exact. Images that are gone are
        left out.
        """
        numbered = [
            (number, kept, list(enumerate(members, 2)))
            for number, (kept, members) in enumerate(self.groups.items(), 1)
        ]
        doubtful = [group for group in numbered if _doubt(group[2])]
        sections = []
        for number, kept, members in sorted(doubtful, key=lambda group: -_doubt(group[2]))[:SHOWN]:
            unsure = [each for each in members if each[1].duplicate.kind in LOOKS]
            pictures = [(kept, "1: {}, kept")]
            for field, each in unsure[: _MEMBERS - 1]:
                found = each.duplicate
                bits = f"{found.bits} bit{'s' * (found.bits != 1)}"
                what = bits if found.kind == "near-duplicate" else found.kind
                pictures.append((each.path, f"{field}: {{}}, {what}"))
            sections.append((f"{number}: {kept}", [*_read(pictures)]))
        return sheet_file(sections, name) if sections else None


def _doubt(members: list[tuple[int, Member]]) -> int:
    """How unlike the least alike of a group are; 0 if all are exact."""
    found = [each.duplicate for _, each in members]
    return max((each.bits + 1 for each in found if each.kind in LOOKS), default=0)


def _read(pictures: list[tuple[str, str]]) -> Iterator[tuple[str, Pixels]]:
    """Captions, with the size where there is {}, and pictures."""
    for path, caption in pictures:
        with suppress(ItemError, PassedOver, OSError):
            pixels = read_rgb(path)
            height, width = pixels.shape[:2]
            yield caption.format(f"{width}x{height}"), pixels
