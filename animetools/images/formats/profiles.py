"""Color spaces of image files: ICC profiles, and profiles made from other fields."""

import struct
from functools import lru_cache
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from animetools.images.errors import Unsupported

Primaries = tuple[float, ...]  # x and y of white, red, green and blue

SRGB: Primaries = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
SRGB_GAMMA = 1 / 2.2
# The supported code points of ITU-T H.273, tables 2 and 3; the curves' parameters are those of
# ICC.1:2022, section 10.18. All programs show video's own curve as sRGB.
_PRIMARIES = {
    1: SRGB,
    2: SRGB,  # unspecified
    5: (0.3127, 0.3290, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_CURVES: dict[int, tuple[float, ...]] = {
    **dict.fromkeys((1, 2, 6, 13, 14, 15), _SRGB_CURVE),
    4: (2.2,),
    5: (2.8,),
    8: (1.0,),
}
_HDR = {16: "PQ", 18: "HLG"}
_D50 = (0.9642, 1.0, 0.8249)
# Bradford's cone responses. Source: ICC.1:2022, annex E.3.
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # Pillow's mode: the ICC color space


def profile_of_gamma(gamma: float, primaries: Primaries, *, grey: bool) -> bytes:
    """An ICC profile for a PNG's gAMA (samples are light to this power) and cHRM; empty for sRGB.

    Impossible values count as sRGB, as in libpng.
    Source: PNG third edition, sections 11.3.2.1 and 11.3.2.2.
    """
    curve: tuple[float, ...] = _SRGB_CURVE
    if 0.05 < gamma < 5 and abs(gamma / SRGB_GAMMA - 1) > 0.05:
        curve = (1 / gamma,)
    if grey or max(abs(one - other) for one, other in zip(primaries, SRGB, strict=True)) < 0.01:
        primaries = SRGB
    if (curve, primaries) == (_SRGB_CURVE, SRGB):
        return b""
    try:
        return _profile(curve, primaries, grey=grey)
    except ValueError:
        return _profile(curve, SRGB)


def profile_of_cicp(primaries: int, transfer: int, image_format: str) -> bytes:
    """An ICC profile for the code points of primaries and transfer; empty for sRGB.

    Raises Unsupported for high dynamic range and for unknown code points.
    """
    if transfer in _HDR:
        raise Unsupported(f"{image_format} of high dynamic range ({_HDR[transfer]})")
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        raise Unsupported(f"{image_format} with color code points {primaries}/{transfer}")
    curve, colors = _CURVES[transfer], _PRIMARIES[primaries]
    return b"" if (curve, colors) == (_SRGB_CURVE, SRGB) else _profile(curve, colors)


@lru_cache(maxsize=8)
def _profile(curve: tuple[float, ...], primaries: Primaries, *, grey: bool = False) -> bytes:
    """An ICC profile of a curve and primaries. Source: ICC.1:2022, sections 7 to 10."""
    table = b"para" + struct.pack(f">IHH{len(curve)}i", 0, 3 * (len(curve) > 1), 0, *_fixed(curve))
    tags = [(b"wtpt", _xyz(_D50))]
    if grey:
        tags += [(b"kTRC", table)]
    else:
        columns = _matrix(primaries).T
        tags += [
            (name, _xyz(column))
            for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
        ]
        tags += [(name, table) for name in (b"rTRC", b"gTRC", b"bTRC")]
    directory, bodies, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, body in tags:
        directory += name + struct.pack(">II", offset + len(bodies), len(body))
        bodies += body
    size = offset + len(bodies)
    space = b"GRAY" if grey else b"RGB "
    head = struct.pack(">I4xI4s4s4s", size, 0x04300000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    return (head + struct.pack(">3i", *_fixed(_D50))).ljust(128, b"\0") + directory + bodies


def _fixed(numbers: Primaries) -> list[int]:
    return [round(65536 * number) for number in numbers]


def _xyz(numbers: Primaries | NDArray[np.float64]) -> bytes:
    return b"XYZ " + struct.pack(">I3i", 0, *_fixed(tuple(numbers)))


def _matrix(primaries: Primaries) -> NDArray[np.float64]:
    """The matrix from linear RGB with these primaries to XYZ under D50.

    Raises ValueError if the primaries are degenerate.
    """
    x, y = np.array(primaries).reshape(4, 2).T
    if min(y) <= 0 or max(x + y) > 1:
        raise ValueError("no colors")
    white, *columns = np.stack([x / y, np.ones(4), (1 - x - y) / y], axis=1)
    matrix = np.stack(columns, axis=1)
    matrix = matrix * np.linalg.solve(matrix, white)  # LinAlgError is a ValueError
    cones = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ white)
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ matrix, np.float64)


def to_srgb(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Convert an image of up to 8 bits to sRGB in mode RGB; and its alpha in mode L, or None."""
    profile = image.info.get("icc_profile")
    alpha = None
    if image.has_transparency_data:
        if image.mode == "La":  # Pillow converts it to no other mode
            image = image.convert("LA")
        with_alpha = image if image.mode == "RGBA" else image.convert("RGBA")
        alpha = with_alpha.getchannel("A")
        image = image.convert("L") if image.mode in ("L", "LA") else with_alpha.convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")
    transform = transform_to_srgb(profile, image.mode)
    if transform is not None:
        image = transform.apply(image)
    elif image.mode != "RGB":
        image = image.convert("RGB")
    return image, alpha


@lru_cache(maxsize=8)
def transform_to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform of an image of this mode and ICC profile to sRGB; None if none is needed.

    A broken profile, or one of another color space than the image's mode, is ignored.
    """
    srgb = ImageCms.createProfile("sRGB")
    if mode == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, mode, "RGB")
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES.get(mode):
            return None
        transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode == "RGB":
        # Most profiles equal sRGB; rounding must not change those pixels.
        levels = np.arange(0, 256, 15, dtype=np.uint8)
        samples = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(len(levels), -1, 3)
        moved = np.asarray(transform.apply(Image.fromarray(samples)))
        if cv2.norm(moved, samples, cv2.NORM_INF) <= 2:
            return None
    return transform
