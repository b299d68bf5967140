"""Latents in files of NumPy (.npy, .npz) and torch (.pt); nothing in them is ever executed."""

import json
import os
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from animetools.errors import Advice, FatalError, ItemError
from animetools.netfiles.pickles import (
    is_torch_legacy,
    load_torch_legacy,
    load_torch_zip,
    mapped,
    refuse_shared,
)
from animetools.networks.generator import Generator
from animetools.sampling.latent_kinds import Kind, Numbers, hint_of, recognized
from animetools.sampling.latents import Floats, Latent
from animetools.sampling.npz import DAMAGE, array_of, damage, members

_NO_LATENTS = (
    "a .pt file without latents, which are a tensor, or a list or dict of tensors; perhaps it is a"
    " network"
)
_KEYS: dict[str, tuple[Kind, ...]] = {
    **dict.fromkeys(["latent", "latents", "w", "ws", "w_plus", "dlatents"], ("w", "w+")),
    "z": ("z",),
}


@dataclass(frozen=True)
class Latents:
    """The latents of a file: z [n, z_dim], w [n, w_dim] or w [n, rows, w_dim].

    `noise` are the maps [H, W] of its pictures, one a layer, if it has any.
    """

    kind: Literal["z", "w"]
    values: Sequence[Numbers] | Numbers
    noise: tuple[Floats, ...] = ()

    def __iter__(self) -> Iterator[Latent]:
        for value in self.values:
            row = np.array(value, np.float32, order="C")
            yield Latent(None, self.kind, row, noise=self.noise, in_file=True)


def read(path: str, generator: Generator, wanted: Kind | None = None) -> Latents:
    """The latents of a file, as many as there are; an .npy stays on the disk.

    Their kind is the one `wanted`, or what the shape says, or the name of the array, for an .npy or a
    tensor the name of the file ("w" or "projected_w" for w). A .pt is a tensor, or a list or dict of
    tensors, one a picture, as e4e, pSp and rosinality's projector write them.

    Raises ItemError for a file of another type, or not for this generator; FatalError where only a
    person can say which kind they are; OSError.
    """
    try:
        return _read(path, generator, wanted)
    except FatalError as why:
        raise FatalError(f"{path}: {why}") from None


def encode(name: str, values: Floats, noise: Sequence[Floats], facts: dict[str, Any]) -> bytes:
    """An .npz of latents, named z or w; of noise maps, noise0, noise1 ...; and facts, a text of JSON."""
    arrays: dict[str, Any] = {name: values, "facts": np.array(json.dumps(facts))}
    arrays |= {f"noise{number}": one for number, one in enumerate(noise)}
    file = BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _read(path: str, generator: Generator, wanted: Kind | None) -> Latents:
    with open(path, "rb") as file:
        head = file.read(6)
    if head == b"\x93NUMPY":
        try:
            values = np.load(path, "r", allow_pickle=False)
            return Latents(
                *recognized(values, hint_of(_stem(path)), wanted, generator, z_is_usual=True)
            )
        except DAMAGE as why:
            raise ItemError(damage(why)) from None
    if head[:4] == b"PK\x03\x04" and not _is_of_torch(path):
        return _one_of(path, generator, wanted)
    data = mapped(path)
    if head[:4] == b"PK\x03\x04":
        return _of_torch(load_torch_zip(data), path, generator, wanted)
    if is_torch_legacy(data):
        return _of_torch(load_torch_legacy(data), path, generator, wanted)
    raise ItemError("neither an .npy, an .npz nor a .pt file")


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _is_of_torch(path: str) -> bool:
    """Whether a zip file is one of torch.save."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(f"/{name}".endswith("/data.pkl") for name in archive.namelist())
    except DAMAGE as why:
        raise ItemError(damage(why)) from None


def _of_torch(value: Any, path: str, generator: Generator, wanted: Kind | None) -> Latents:
    """The latents in what `pickles` made of a .pt file."""
    parts, hint = _parts(value)
    refuse_shared(part for part in parts if _is_bfloat(part))  # they are copied
    found: list[tuple[Literal["z", "w"], Numbers]] = []
    for part in parts:
        if not isinstance(part, Tensor | np.ndarray):
            raise ItemError(_NO_LATENTS)
        is_one = part is not value
        if isinstance(part, Tensor):
            part = (part.float() if _is_bfloat(part) else part).detach().numpy()
        hint = hint or hint_of(_stem(path))
        found.append(recognized(part, hint, wanted, generator, one_picture=is_one))
    if len({kind for kind, _ in found}) != 1:
        raise ItemError("it holds both z and w" if found else _NO_LATENTS)
    return Latents(found[0][0], [row for _, rows in found for row in rows])


def _is_bfloat(part: Any) -> bool:
    """Whether these are numbers that NumPy does not know."""
    return isinstance(part, Tensor) and part.dtype == torch.bfloat16


def _parts(value: Any) -> tuple[list[Any], tuple[Kind, ...]]:
    """What may be latents in the object of a .pt file, and what the names in it hint at."""
    hint: tuple[Kind, ...] = ()
    has_noise = type(value) is dict and "noise" in value
    if key := _key_in(value):
        value, hint = value[key], _KEYS[key]
    if type(value) not in (dict, list, tuple):
        parts = [value]
    else:  # a picture each
        parts = list(value.values() if type(value) is dict else value)
        keys = list(filter(None, map(_key_in, parts)))
        if parts and len(keys) == len(parts):
            has_noise |= any("noise" in part for part in parts)  # as of rosinality's projector
            parts = [part[key] for part, key in zip(parts, keys, strict=True)]
            hint = _KEYS[keys[0]]
    if has_noise:
        warnings.warn("noise maps in .pt files are not used", Advice, stacklevel=1)
    return parts, hint


def _key_in(value: Any) -> str | None:
    """Under which of the usual names a dict has latents."""
    return next((key for key in _KEYS if key in value), None) if type(value) is dict else None


def _one_of(path: str, generator: Generator, wanted: Kind | None) -> Latents:
    """The only array of an .npz that can be latents, with noise0, noise1 ... as its noise maps."""
    found: dict[str, Latents] = {}
    noise: dict[str, Floats] = {}
    refused: list[ItemError] = []
    try:
        for name, file in members(path):
            if re.fullmatch(r"noise\d{1,3}", name, re.ASCII):
                noise[name] = _noise_map(array_of(file))
                continue
            try:
                values, hint = array_of(file), hint_of(name)
                found[name] = Latents(*recognized(values, hint, wanted, generator, z_is_usual=True))
            except ItemError as why:
                refused.append(ItemError(f"array {name}: {why}"))
    except DAMAGE as why:
        raise ItemError(damage(why)) from None
    if len(found) > 1:
        raise ItemError(f"latents in several arrays ({', '.join(found)}): keep one of them")
    if not found:
        raise refused[0] if refused else ItemError("an .npz file without arrays")
    return replace(next(iter(found.values())), noise=_layers(noise, generator))


def _noise_map(values: NDArray[np.generic]) -> Floats:
    """An array as a noise map [H, W]."""
    if values.dtype.kind not in "fiu" or values.ndim != 2:
        raise ItemError("a noise map that is not [height, width] numbers")
    return np.array(values, np.float32, order="C")


def _layers(noise: dict[str, Floats], generator: Generator) -> tuple[Floats, ...]:
    """Noise maps in the order of the layers, if there are any."""
    if not noise:
        return ()
    shapes = generator.noise_shapes
    maps = [noise.get(f"noise{number}") for number in range(len(shapes))]
    if len(noise) != len(shapes) or any(
        one is None or one.shape != shape for one, shape in zip(maps, shapes, strict=True)
    ):
        raise ItemError("its noise maps are not those of this network's layers")
    return tuple(one for one in maps if one is not None)
