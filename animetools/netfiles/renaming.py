"""Tensors of other programs on their way to the names that they have here."""

import re
from collections.abc import Iterable, Iterator

from torch import Tensor

from animetools.netfiles.foreign import refuse_foreign
from animetools.netfiles.machine import refuse

MOST_PARTS = 64  # blocks, or layers of a mapping network

# A tensor's name there and here, and how many more axes of 1 it has there, before and after its own.
Renamed = tuple[str, str, int, int]


def both(there: str, here: str) -> Iterator[Renamed]:
    """Weight and bias of a layer that has them here and there."""
    for leaf in ("weight", "bias"):
        yield f"{there}.{leaf}", f"{here}.{leaf}", 0, 0


def taken(left: dict[str, Tensor], names: Iterable[Renamed]) -> dict[str, Tensor]:
    """The tensors by their names here, taken out of `left`.

    Raises ItemError for one that is missing, or has other axes.
    """
    state = {}
    for theirs, ours, before, behind in names:
        if theirs not in left:
            refuse(f"the network lacks the tensor {theirs}")
        value = left.pop(theirs)
        shape = tuple(value.shape)
        inner = shape[before : len(shape) - behind]
        if shape != (1,) * before + inner + (1,) * behind:
            refuse(f"the tensor {theirs} is {shape}, which its layout does not allow")
        state[ours] = value.reshape(inner)
    return state


def counted(left: dict[str, Tensor], pattern: str) -> int:
    """How many tensors there are whose whole name matches.

    Raises ItemError, which says what else the file is, if there are none, or too many.
    """
    found = sum(1 for name in left if re.fullmatch(pattern, name))
    if not 0 < found <= MOST_PARTS:
        refuse_foreign(left, "a PyTorch checkpoint without a StyleGAN")
    return found


def check_all_tensors(state: dict[str, object]) -> None:
    """Raise ItemError for a state that has other values than tensors."""
    if not all(isinstance(part, Tensor) for part in state.values()):
        refuse("the file has a network that is not a dict of tensors")


def check_equal_widths(z_dim: int, w_dim: int) -> None:
    """Raise ItemError where z and w differ in size: a small file could ask for very many numbers."""
    if z_dim != w_dim:
        refuse(f"z has {z_dim} numbers and w has {w_dim}: in this layout they must be equally many")


def check_none_left(left: dict[str, Tensor]) -> None:
    """Raise ItemError, with the first one's name, if tensors are left over."""
    if left:
        refuse(f"the network has the tensor {next(iter(left))!a:.80}, which its layout lacks")
