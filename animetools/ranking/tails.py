"""The two ends of a ranking to look at, and how its scores are spread."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from animetools.errors import ItemError, PassedOver
from animetools.images.files import read_rgb
from animetools.images.sheet import sheet_file

SHOWN = 32  # images of each end
BINS = 12
WIDEST = 40  # characters of a bar


def tails_file(ranked: Sequence[tuple[int, float, str]], name: str) -> bytes:
    """A contact sheet, see sheet_file, of the best and the worst images, each a (rank, score, path).

    Images that have gone since are left out.
    """
    best_first = sorted(ranked)
    sections = []
    for heading, some in (
        (f"the best of {len(ranked)}", best_first[:SHOWN]),
        (f"the worst of {len(ranked)}, the very worst first", best_first[::-1][:SHOWN]),
    ):
        pictures = []
        for rank, score, path in some:
            with suppress(ItemError, PassedOver, OSError):  # it was there a moment ago
                pictures.append((f"{rank}: {score:.2f}", read_rgb(path)))
        sections.append((heading, pictures))
    return sheet_file(sections, name)


def histogram(scores: Sequence[float]) -> list[str]:
    """How the scores are spread, as lines of text, the highest at the top."""
    counts, edges = np.histogram(scores, BINS)
    lines = []
    for i in reversed(range(BINS)):
        bar = "█" * round(WIDEST * counts[i] / counts.max())
        lines.append(f"{edges[i]:9.2f} {bar or '▏' * bool(counts[i])} {counts[i]}")
    return lines
