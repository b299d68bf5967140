"""The ends of a ranking to look at: a contact sheet, a histogram."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from animetools.images.fit import fit

Pixels = NDArray[np.uint8]

TILE = 128  # pixels a side
LINE = 16  # pixels for the words below a tile
COLUMNS = 8
BINS = 12
WIDEST = 40  # characters of a bar
PAPER, INK = (255, 255, 255), (0, 0, 0)

Shown = tuple[str, Pixels]  # words, uint8 [H, W, 3]


def contact_sheet(tails: Sequence[tuple[str, Sequence[Shown]]]) -> Pixels:
    """Pictures in rows of eight below each heading, with words below each: uint8 [H, W, 3]."""
    font = ImageFont.load_default(LINE * 3 // 4)
    rows = sum(-(-len(pictures) // COLUMNS) for _, pictures in tails)
    height = 2 * LINE * len(tails) + rows * (TILE + LINE)
    sheet = Image.new("RGB", (COLUMNS * TILE, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    top = 0
    for heading, pictures in tails:
        pen.text((4, top + LINE // 2), heading, INK, font)
        top += 2 * LINE
        for i, (words, pixels) in enumerate(pictures):
            left = i % COLUMNS * TILE
            down = top + i // COLUMNS * (TILE + LINE)
            sheet.paste(Image.fromarray(fit(pixels, TILE)[0]), (left, down))
            pen.text((left + 2, down + TILE), words, INK, font)
        top += -(-len(pictures) // COLUMNS) * (TILE + LINE)
    return np.asarray(sheet)


def histogram(scores: NDArray[np.float64]) -> list[str]:
    """How the scores are spread, as lines of text, the best at the top."""
    counts, edges = np.histogram(scores, BINS)
    lines = []
    for i in reversed(range(BINS)):
        bar = "█" * round(WIDEST * counts[i] / counts.max())
        lines.append(f"{edges[i]:9.2f} {bar or '▏' * bool(counts[i])} {counts[i]}")
    return lines
