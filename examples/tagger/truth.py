"""What a tagger should say of pictures."""

import numpy as np
from numpy.typing import NDArray

from examples.tagger.augment import GREYSCALE
from examples.tagger.pictures import Pictures
from examples.tagger.vocabulary import COLORS, NAMES, PEOPLE

Labels = NDArray[np.float32]

INDEX = {name: number for number, name in enumerate(NAMES)}


def labels_of(tags: list[str], ink: str = "") -> Labels:
    """1 for the tags of a picture, [tags]; a monochrome one has no colors."""
    names = {*tags} | ({"monochrome"} if ink else set()) | ({ink} & {GREYSCALE})
    if "monochrome" in names:
        names -= COLORS
    labels = np.zeros(len(NAMES), np.float32)
    labels[[INDEX[name] for name in names if name in INDEX]] = 1
    return labels


def known_of(counted: bool) -> Labels:
    """1 where it is known whether a picture has the tag, [tags]."""
    known = np.ones(len(NAMES), np.float32)
    if not counted:
        known[[INDEX[name] for name in PEOPLE]] = 0
    return known


def truth(pictures: Pictures) -> tuple[Labels, Labels]:
    """The labels of pictures and where they are known, [n, tags]."""
    labels = np.stack([labels_of(tags) for tags in pictures.tags])
    return labels, np.stack([known_of(counted) for counted in pictures.counted])
