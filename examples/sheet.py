"""Makes a contact sheet of the first images of a dataset: sheet.py DATASET SHEET.jpg"""

import sys

from animetools import atomic
from animetools.dataset.training_set import Images
from animetools.images.files import encode_jpeg
from animetools.images.fit import fit
from animetools.images.sheet import sheet

SIDE, ACROSS, DOWN = 160, 10, 6


def main() -> None:
    """Write the sheet."""
    images = Images(sys.argv[1])
    count = min(len(images), ACROSS * DOWN)
    small = (fit(images.read(n).transpose(1, 2, 0), SIDE)[0] for n in range(count))
    atomic.write(sys.argv[2], encode_jpeg(sheet(small, count, ACROSS, paper=255), 90))


if __name__ == "__main__":
    main()
