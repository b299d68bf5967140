"""From pictures to what a network is compared with, and how near it came."""

import math

import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError
from animetools.images.crop import Frame, aligned_crop_of, crop_of
from animetools.images.faces import Detector, with_landmarks
from animetools.networks.config import Config
from animetools.ranking.scores import prepare

Pixels = NDArray[np.uint8]

SKEW = 0.02  # relative difference of the proportions that is only rounding


def face_of(rgb: Pixels, detector: Detector, frame: Frame) -> Pixels:
    """The largest face of a picture uint8 [H, W, 3], with level eyes if they are found.

    The same pixels as of `animecrop --align --largest`.

    Raises ItemError if there is no face.
    """
    faces = detector(rgb)
    if not faces:
        raise ItemError("no face found: without --align the whole picture is projected")
    size = rgb.shape[1], rgb.shape[0]
    face = with_landmarks(rgb, max(faces, key=lambda face: face.box[2] * face.box[3]))
    crop = aligned_crop_of(face, frame, size) or crop_of(face.box, frame, size)
    return crop.pixels(rgb, "blur")


def target_of(rgb: Pixels, config: Config) -> Pixels:
    """A picture uint8 [H, W, 3] resized to what a network draws: uint8 [C, height, width].

    Raises ItemError for a picture of other proportions.
    """
    (high, wide), (height, width) = rgb.shape[:2], config.image_size
    if abs(math.log(wide * height / (high * width))) > SKEW:
        raise ItemError(
            f"{wide}x{high} pixels, the network draws {width}x{height}: crop it to the same"
            " proportions, or its face with --align"
        )
    return prepare(rgb, config, "stretch")


def psnr(one: Pixels, other: Pixels) -> float:
    """The peak signal-to-noise ratio of two pictures of one shape, in dB; 100 if they are equal."""
    error = np.square(one.astype(np.float64) - other).mean()
    return 100.0 if not error else min(100.0, 10 * math.log10(255**2 / error))
