"""Latents in NumPy's files, .npy and .npz, of which nothing is ever executed."""

import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from animetools.errors import ItemError
from animetools.networks.fast import Generator
from animetools.sampling.latents import Latent

LARGEST = 1 << 30  # bytes of an array in an .npz, which may be packed a thousandfold
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What NumPy and zipfile raise for damaged files.
_DAMAGE = (
    *(ValueError, EOFError, OverflowError, MemoryError, RuntimeError, OSError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
_WORDS: dict[str, Literal["z", "w"]] = {
    "z": "z",
    "w": "w",
    "ws": "w",
    "w+": "w",
    "wplus": "w",
    "dlatent": "w",
    "dlatents": "w",
}


@dataclass(frozen=True)
class Latents:
    """The latents of a file: z [n, z_dim], w [n, w_dim] or w [n, rows, w_dim]."""

    kind: Literal["z", "w"]
    values: NDArray[np.floating | np.integer]

    def __iter__(self) -> Iterator[Latent]:
        for value in self.values:
            yield Latent(None, self.kind, np.array(value, np.float32, order="C"))


def read(path: str, generator: Generator) -> Latents:
    """The latents of a file, as many as there are; an .npy stays on the disk.

    Three axes are rows of w. Two, or one, are z or w: the name of the array says which, or for an
    .npy the name of the file ("w" or "projected_w" for w), then the width, then it is z.

    Raises ItemError for what is no such file, or not for this generator; OSError.
    """
    with open(path, "rb") as file:
        head = file.read(6)
    if head == b"\x93NUMPY":
        try:
            return _recognise(np.load(path, "r", allow_pickle=False), path, generator)
        except _DAMAGE as why:
            raise ItemError(_told(why)) from None
    if head[:4] == b"PK\x03\x04":
        return _one_of(path, generator)
    raise ItemError("neither an .npy nor an .npz file")


def _one_of(path: str, generator: Generator) -> Latents:
    """The only array of an .npz that can be latents."""
    found: dict[str, Latents] = {}
    refused: list[ItemError] = []
    try:
        with zipfile.ZipFile(path) as members:
            for info in members.infolist():
                name = info.filename.removesuffix(".npy")
                if name == info.filename:
                    continue
                if info.flag_bits & 1 or info.compress_type not in _PACKED:
                    raise ItemError("an .npz file packed in a way that NumPy does not use")
                with members.open(info) as file:
                    try:
                        found[name] = _recognise(_array(file), name, generator)
                    except ItemError as why:
                        refused.append(ItemError(f"array {name}: {why}"))
    except _DAMAGE as why:
        raise ItemError(_told(why)) from None
    if len(found) > 1:
        raise ItemError(f"latents in several arrays ({', '.join(found)}): keep one of them")
    if not found:
        raise refused[0] if refused else ItemError("an .npz file without arrays")
    return next(iter(found.values()))


def _array(file: IO[bytes]) -> NDArray[np.generic]:
    """An array out of an .npz, not before its header has told that it is of bearable size."""
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ItemError("an array of a format that is not known here")
    shape, fortran, dtype = read(file)
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ItemError("not an array of numbers")
    size = prod(shape) * dtype.itemsize
    if size > LARGEST:
        raise ItemError(f"an array of {size} bytes, more than {LARGEST}")
    data = file.read(size)
    if len(data) < size:
        raise ItemError("cut short")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _recognise(values: NDArray[np.generic], name: str, generator: Generator) -> Latents:
    config = generator.mapping.config
    if values.dtype.kind not in "fiu":
        raise ItemError("not an array of numbers")
    shape = values.shape
    if len(shape) == 3 and shape[1:] == (generator.num_ws, config.w_dim):
        kind: Literal["z", "w"] = "w"
    elif len(shape) in (1, 2) and shape[-1] in (config.z_dim, config.w_dim):
        words = re.split(r"[^a-z+]+", name.rsplit("/", 1)[-1].lower().removesuffix(".npy"))
        kind = next((_WORDS[word] for word in words if word in _WORDS), "z")
        if shape[-1] != (config.z_dim if kind == "z" else config.w_dim):
            kind = "w" if kind == "z" else "z"
        values = values.reshape(-1, shape[-1])
    else:
        raise ItemError(
            f"an array of shape {'x'.join(map(str, shape)) or '()'}; this network takes"
            f" z [n, {config.z_dim}] or w [n, {config.w_dim}] or"
            f" [n, {generator.num_ws}, {config.w_dim}]"
        )
    if not len(values):
        raise ItemError("no latents in it")
    return Latents(kind, values)  # type: ignore[arg-type]


def _told(why: Exception) -> str:
    """NumPy's and zipfile's words, but for those about pickles, which are a refusal of ours."""
    text = " ".join(str(why).split())
    if "pickle" in text.lower() or "object" in text.lower():
        return "not an array of numbers"
    return f"damaged: {text[:1].lower()}{text[1:]}" if text else "damaged"
