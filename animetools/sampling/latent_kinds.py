"""Which kind of latents an array holds: z, w, or w+ (all rows of one picture's w)."""

import re
import warnings
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from animetools.errors import Advice, FatalError, ItemError
from animetools.networks.generator import Generator

Kind = Literal["z", "w", "w+"]
Numbers = NDArray[np.floating | np.integer]

_WORDS: dict[str, tuple[Kind, ...]] = {
    "z": ("z",),
    **dict.fromkeys(["w", "ws", "w+", "wplus", "dlatent", "dlatents"], ("w", "w+")),
}


def hint_of(name: str) -> tuple[Kind, ...]:
    """The kinds that the name of a file or an array hints at; empty if it says nothing."""
    words = re.split(r"[^a-z+]+", name.rsplit("/", 1)[-1].lower())
    return next((_WORDS[word] for word in words if word in _WORDS), ())


def kinds_of(shape: tuple[int, ...], generator: Generator) -> tuple[Kind, ...]:
    """What an array of this shape can be to a generator, the likeliest first.

    Raises ItemError if it can be nothing.
    """
    mapping, rows = generator.mapping.config, generator.num_ws
    is_full = shape[-2:] == (rows, mapping.w_dim)
    if is_full and len(shape) > 2:
        return ("w+",)
    found: list[Kind] = ["w+"] if is_full else []
    if shape and prod(shape[:-1]) == max(shape[:-1], default=1):  # one row of numbers a picture
        found += ["z"] if shape[-1] == mapping.z_dim else []
        found += ["w"] if shape[-1] == mapping.w_dim else []
    if not found:
        raise ItemError(
            f"an array of shape {'x'.join(map(str, shape)) or '()'}; this network takes"
            f" z [n, {mapping.z_dim}] or w [n, {mapping.w_dim}] or [n, {rows}, {mapping.w_dim}]"
        )
    return tuple(found)


def recognized(
    values: NDArray[np.generic],
    hint: tuple[Kind, ...],
    wanted: Kind | None,
    generator: Generator,
    *,
    one_picture: bool = False,
    z_is_usual: bool = False,
) -> tuple[Literal["z", "w"], Numbers]:
    """The latents of an array, z [n, z_dim] or w [n, w_dim] or [n, rows, w_dim].

    `wanted` decides; else the shape, as far as it can, then the `hint` of a name. An array of
    `one_picture` has all rows of its w. With `z_is_usual` it is z where nothing hints at w, which is
    warned of.

    Raises ItemError for what cannot be latents of this generator, or of the kind that is wanted;
    FatalError where only a person can say which kind they are.
    """
    if values.dtype.kind not in "fiu":
        raise ItemError("not an array of numbers")
    if not values.size:
        raise ItemError("no latents in it")
    shape = values.shape
    kinds = kinds_of(shape, generator)
    if wanted == "w" and kinds == ("w+",):
        wanted = "w+"  # there is no other w that it can be
    if wanted and wanted not in kinds:
        raise ItemError(f"an array of shape {list(shape)} is {' or '.join(kinds)}, not {wanted}")
    hinted = tuple(kind for kind in kinds if kind in hint) or kinds
    kind = wanted or hinted[0]
    if not wanted and len(hinted) > 1:
        if kind == "w+" and "z" in hinted and not one_picture:
            count = shape[0]
            raise FatalError(
                f"an array of shape {list(shape)} is all rows of one picture's w, or z or w of"
                f" {count} pictures: give --latents w+, z or w"
            )
        if kind == "z" and not z_is_usual:
            raise FatalError(f"an array of shape {list(shape)} is z or w: give --latents z or w")
        if kind == "z":
            text = f"latents [n, {shape[-1]}] are taken as z: if they are w, give --latents w"
            warnings.warn(text, Advice, stacklevel=1)
        elif not one_picture:
            text = f"latents {list(shape)} are taken as one picture's: if each row is one, give --latents w"
            warnings.warn(text, Advice, stacklevel=1)
    rows = shape[len(shape) - (2 if kind == "w+" else 1) :]
    return ("z" if kind == "z" else "w"), values.reshape(-1, *rows)  # type: ignore[return-value]
