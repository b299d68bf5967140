"""Lays the first pictures of a dataset out on one sheet: sheet.py DATASET SHEET.jpg"""

import sys

import cv2
import numpy as np

from animetools.dataset.training_set import Images

SIDE, ACROSS, DOWN = 160, 10, 6


def main() -> None:
    """Write the sheet."""
    images = Images(sys.argv[1])
    sheet = np.full((DOWN * SIDE, ACROSS * SIDE, 3), 255, np.uint8)
    for n in range(min(len(images), ACROSS * DOWN)):
        y, x = n // ACROSS * SIDE, n % ACROSS * SIDE
        small = cv2.resize(
            images.read(n).transpose(1, 2, 0), (SIDE, SIDE), interpolation=cv2.INTER_AREA
        )
        sheet[y : y + SIDE, x : x + SIDE] = small
    rows = min(-(-len(images) // ACROSS), DOWN)
    cv2.imwrite(sys.argv[2], sheet[: rows * SIDE, :, ::-1])


if __name__ == "__main__":
    main()
