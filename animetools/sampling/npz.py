"""Arrays in .npz files of strangers: read only as far as their headers allow, and never executed."""

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from math import prod
from typing import IO

import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError

LARGEST = 1 << 30  # bytes of an array, which may be compressed a thousandfold
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What NumPy and zipfile raise for damaged files.
DAMAGE = (
    *(ValueError, EOFError, OverflowError, MemoryError, RuntimeError, OSError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


def members(path: str) -> Iterator[tuple[str, IO[bytes]]]:
    """The names of the arrays in an .npz, each with a file for `array_of`.

    Raises ItemError for a file that NumPy cannot have written, and what is in DAMAGE.
    """
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name == info.filename:
                continue
            if info.flag_bits & 1 or info.compress_type not in _PACKED:
                raise ItemError("an .npz file compressed in a way that NumPy does not use")
            with archive.open(info) as file:
                yield name, file


def array_of(file: IO[bytes], largest: int = LARGEST) -> NDArray[np.generic]:
    """An array of .npy format, read only after its header says that it is not too large.

    Raises ItemError if it is, for arrays of objects and unknown versions, and what is in DAMAGE.
    """
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ItemError("an array of an unknown version of the format")
    shape, fortran, dtype = read(file)
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ItemError("not an array of numbers")
    size = prod(shape) * dtype.itemsize
    if size > largest:
        raise ItemError(f"an array of {size} bytes, more than {largest}")
    data = file.read(size)
    if len(data) < size:
        raise ItemError("truncated")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def damage(why: Exception) -> str:
    """NumPy's and zipfile's words, but for those about pickles, which are refused."""
    text = " ".join(str(why).split())
    if "pickle" in text.lower() or "object" in text.lower():
        return "not an array of numbers"
    return f"damaged: {text[:1].lower()}{text[1:]}" if text else "damaged"
