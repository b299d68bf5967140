"""Whether an image is worth keeping, by itself."""

import hashlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated

from animetools.images.containers import MAX_PIXELS
from animetools.options import Opt
from animetools.shared_options import MaxPixels

if TYPE_CHECKING:
    from animetools.images.hashes import Fingerprint


@dataclass(frozen=True)
class Limits:
    """What an image must be to be kept."""

    min_bytes: Annotated[int, Opt("Smallest file.", unit="BYTES", min=0)] = 1
    strict: Annotated[
        bool,
        Opt(
            "Also reject files that have all their pixels but violate their format: bytes after the"
            " end, no end marker, a wrong checksum of a text chunk."
        ),
    ] = False
    max_pixels: MaxPixels = MAX_PIXELS
    min_side: Annotated[int, Opt("Smallest width and height.", unit="PIXELS", min=1)] = 32
    min_colors: Annotated[int, Opt("Fewest distinct colors.", min=1)] = 257
    keep_grey: Annotated[bool, Opt("Keep grey and nearly grey images.")] = False


@dataclass(frozen=True)
class Unfit:
    """Why an image is not worth keeping."""

    reason: str
    evidence: str = ""


@dataclass(frozen=True)
class Measured:
    """An image that is worth keeping."""

    width: int
    height: int
    bytes: int
    colors: int
    fingerprint: "Fingerprint | None"


def digest(limits: Limits, *, all_colors: bool) -> int:
    """A number of 64 bits that tells how images are measured, for what is remembered of them."""
    values = [getattr(limits, field.name) for field in fields(Limits)]
    words = repr((values, all_colors)).encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), signed=True)


def measure(
    path: str,
    limits: Limits,
    *,
    all_colors: bool,
    with_fingerprint: bool,
    with_details: bool = False,
) -> Measured | Unfit:
    """Measure an image file; the cheap checks come first, and the first that fails decides.

    Unless `all_colors`, colors are counted only until there are enough. Details are counted
    `with_details`, and belong to the fingerprint.

    Raises PassedOver for a file that is not an image by name or content, ItemError for anything but
    a regular file, OSError.
    """
    from animetools.images.errors import EmptyFile, ImageError, TooManyPixels, Unsupported
    from animetools.images.files import check_file, decode_rgb, read_bytes
    from animetools.images.hashes import fingerprint
    from animetools.images.quality import count_colors, count_details, is_grey, shrunk

    try:
        data = read_bytes(path)
        if len(data) < limits.min_bytes:
            return Unfit("too few bytes", str(len(data)))
        deviation = check_file(data, limits.max_pixels) if limits.strict else ""
        rgb = decode_rgb(data, max_pixels=limits.max_pixels)
    except TooManyPixels as why:
        return Unfit("too many pixels", str(why))
    except Unsupported as why:
        return Unfit(why.kind, why.advice)
    except EmptyFile as why:
        return Unfit("empty", str(why))
    except ImageError as why:
        return Unfit("broken", str(why))
    if deviation:
        return Unfit("not strictly conforming", deviation)
    height, width = rgb.shape[:2]
    if min(height, width) < limits.min_side:
        return Unfit("too small", f"{width}x{height}")
    colors = count_colors(rgb, None if all_colors else limits.min_colors)
    if colors < limits.min_colors:
        return Unfit("too few colors", str(colors))
    small = shrunk(rgb)
    if not limits.keep_grey and is_grey(small):
        return Unfit("grey")
    found = None
    if with_fingerprint:
        details = count_details(rgb) + 1 if with_details else 0
        found = replace(fingerprint(data, rgb, small), details=details)
    return Measured(width, height, len(data), colors, found)
