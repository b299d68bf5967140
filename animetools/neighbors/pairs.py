"""The closest pairs of a picture and its nearest reference."""

import heapq
import os
from contextlib import suppress

from animetools.errors import ItemError, PassedOver
from animetools.images.described import encode_described
from animetools.images.sheet import Pixels, contact_sheet
from animetools.neighbors.reference import Picture, read_rgb

SHOWN = 32  # pairs on a sheet


class Closest:
    """The closest of many pairs; of equally close ones the first."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Picture, Picture]] = []
        self.count = 0

    def add(self, distance: float, picture: Picture, nearest: Picture) -> None:
        """Add a pair."""
        self.count += 1
        entry = (-distance, -self.count, picture, nearest)
        if len(self.heap) < SHOWN:
            heapq.heappush(self.heap, entry)
        else:
            heapq.heappushpop(self.heap, entry)

    def sheet(self, name: str) -> bytes:
        """A contact sheet of the closest, each picture left of its nearest reference.

        A PNG, or a JPEG, as the `name` of the file ends. Pairs of which a file has gone since are
        left out.
        """
        tiles: list[tuple[str, Pixels]] = []
        for distance, _, picture, nearest in sorted(self.heap, reverse=True, key=lambda e: e[:2]):
            captions = f"{-distance:.5f}", os.path.basename(nearest[0])
            with suppress(ItemError, PassedOver, OSError):  # it was there a moment ago
                pixels = [read_rgb(*each) for each in (picture, nearest)]
                tiles += zip(captions, pixels, strict=True)
        heading = f"the closest of {self.count}, each left of its nearest reference"
        made = contact_sheet([(heading, tiles)])
        return encode_described(made, "png" if name.endswith(".png") else "jpg", 90)
