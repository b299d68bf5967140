"""Lays the first pictures of a dataset out on one sheet: sheet.py DATASET SHEET.jpg"""

import sys

import cv2
import numpy as np

from animetools.dataset.reading import Dataset
from animetools.images.sheet import sheet

SIDE, ACROSS, DOWN = 160, 10, 6


def main() -> None:
    """Write the sheet."""
    dataset = Dataset(sys.argv[1])
    count = min(len(dataset), ACROSS * DOWN)
    small = (
        cv2.resize(dataset[n], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for n in range(count)
    )
    made = sheet((np.asarray(each, np.uint8) for each in small), count, ACROSS, paper=255)
    cv2.imwrite(sys.argv[2], made[..., ::-1])


if __name__ == "__main__":
    main()
