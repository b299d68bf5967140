"""Kinds of TIFF that decoders do not support or decode wrongly, recognized by their tags."""

from io import BytesIO
from typing import Any

from PIL import TiffImagePlugin

_USUAL_COMPRESSION = (1, 2, 3, 4, 5, 7, 8, 32773, 32946)
_COMPRESSION = {6: "old JPEG", 34887: "LERC", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}
# By the photometric interpretation; in grey of kind 0 white is zero.
_COLORS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}
_RAW = (32803, 34892)  # a camera's color filter array, and linear raw
UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def tags_of(data: bytes) -> dict[int, Any]:
    """The tags of a TIFF's first picture; empty if they cannot be read."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if data[2:3] == b"\x2b" else 8])
        file = BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        return dict(tags)
    except Exception:  # noqa: BLE001  Pillow raises nearly every type
        return {}


def refusal(tags: dict[int, Any]) -> str | None:
    """The kind of this TIFF, if it is not supported or not known to be decoded correctly."""
    photometric, samples = _number(tags, 262, 0), _number(tags, 277, 1)
    bits, numbers = _numbers(tags, 258, (1,)), _numbers(tags, 339, (UNSIGNED,))
    compression, is_planar = _number(tags, 259, 1), _number(tags, 284, 1) == 2
    if 50706 in tags:
        return "DNG"
    if photometric in _RAW or (_number(tags, 254, 0) & 1 and 330 in tags):
        return "camera raw"
    if 0xBC01 in tags:
        return "JPEG XR"
    if len({*bits}) > 1 or len({*numbers}) > 1:
        return "TIFF of mixed depths"
    if photometric not in _COLORS:
        return f"TIFF of color kind {photometric}"
    if bits[0] not in (1, 2, 4, 8, 16, 32):
        return f"TIFF of {bits[0]} bits"
    is_grey = photometric == 1 and samples == 1
    if numbers[0] != UNSIGNED and not (numbers[0] in (SIGNED, FLOAT) and is_grey and bits[0] == 32):
        kind = {SIGNED: "signed numbers", FLOAT: "floating-point numbers"}
        return f"TIFF of {kind.get(numbers[0], 'undefined numbers')}"
    if is_planar and samples > 1 and bits[0] != 8 and compression == 1:  # libtiff reads the others
        return f"TIFF of separate {bits[0]}-bit planes"
    if photometric == 3 and max(_numbers(tags, 320, (256,))) < 256:
        return "TIFF of an 8-bit palette"
    if photometric == 5 and _number(tags, 332, 1) != 1:
        return "TIFF of other inks than CMYK"
    if photometric == 6 and compression not in (6, 7) and _numbers(tags, 530, (2, 2)) != (1, 1):
        return "TIFF of subsampled colors"
    return None


def kind_of(tags: dict[int, Any]) -> str:
    """The kind of a TIFF that could not be decoded, in words."""
    compression = _number(tags, 259, 1)
    if compression not in _USUAL_COMPRESSION:
        return f"TIFF with {_COMPRESSION.get(compression, f'compression {compression}')}"
    samples = _number(tags, 277, 1)
    kind = f"TIFF of {_numbers(tags, 258, (1,))[0]}-bit {_COLORS.get(_number(tags, 262, 0))}"
    return kind + f" in {samples} samples" * (samples > 1)


def must_decode(tags: dict[int, Any], length: int) -> bool:
    """Whether a TIFF of this length has all its pixels, so that the decoder does not support it.

    That is certain only if they are not compressed.
    """
    compression = _number(tags, 259, 1)
    if compression != 1:
        return compression not in _USUAL_COMPRESSION
    starts, counts = (
        _numbers(tags, strips, _numbers(tags, tiles, ()))
        for strips, tiles in ((273, 324), (279, 325))
    )
    if not starts or len(starts) != len(counts):
        return False
    return all(start + count <= length for start, count in zip(starts, counts, strict=True))


def _number(tags: dict[int, Any], tag: int, usual: int) -> int:
    value = tags.get(tag, usual)
    return value if isinstance(value, int) else usual


def _numbers(tags: dict[int, Any], tag: int, usual: tuple[int, ...]) -> tuple[int, ...]:
    value = tags.get(tag, usual)
    is_list = isinstance(value, tuple) and value and all(isinstance(one, int) for one in value)
    return value if is_list else usual
