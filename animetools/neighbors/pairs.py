"""The closest pairs of a picture and its nearest reference."""

import heapq
import os
from contextlib import suppress

from animetools.errors import ItemError, PassedOver
from animetools.images.sheet import Pixels, sheet_file
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
        """A contact sheet, see sheet_file, of the closest, each left of its nearest reference.

        Pairs of which a file has gone since are left out.
        """
        tiles: list[tuple[str, Pixels]] = []
        for distance, _, picture, nearest in sorted(self.heap, reverse=True, key=lambda e: e[:2]):
            captions = f"{-distance:.5f}", os.path.basename(nearest[0])
            with suppress(ItemError, PassedOver, OSError):  # it was there a moment ago
                pixels = [read_rgb(*each) for each in (picture, nearest)]
                tiles += zip(captions, pixels, strict=True)
        heading = f"the closest of {self.count}, each left of its nearest reference"
        return sheet_file([(heading, tiles)], name)
