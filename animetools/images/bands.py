"""Work through a picture a few rows at a time, so that what is computed stays in the cache."""

from collections.abc import Iterator
from typing import NamedTuple

_PIXELS = 1 << 14  # of a band


class Band(NamedTuple):
    """Rows of a picture, and where they are in the rows around them."""

    rows: slice
    around: slice  # with up to `halo` more rows on both sides, as far as there are any
    inside: slice  # the band's own rows among those


def bands(height: int, width: int, halo: int = 0) -> Iterator[Band]:
    """The bands of a picture, from its top."""
    step = max(1, _PIXELS // width, 4 * halo)  # or the halo would be most of the work
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first = max(0, top - halo)
        around = slice(first, min(bottom + halo, height))
        yield Band(slice(top, bottom), around, slice(top - first, bottom - first))
