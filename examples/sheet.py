"""Makes a contact sheet of the first images of a dataset: sheet.py DATASET SHEET.jpg"""

import sys

import cv2
import numpy as np

from animetools.dataset.training_set import Images
from animetools.images.sheet import sheet

SIDE, ACROSS, DOWN = 160, 10, 6


def main() -> None:
    """Write the sheet."""
    images = Images(sys.argv[1])
    count = min(len(images), ACROSS * DOWN)
    pictures = (images.read(n).transpose(1, 2, 0) for n in range(count))
    small = (cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for rgb in pictures)
    made = sheet((np.asarray(each, np.uint8) for each in small), count, ACROSS, paper=255)
    cv2.imwrite(sys.argv[2], made[..., ::-1])


if __name__ == "__main__":
    main()
