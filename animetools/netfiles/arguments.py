"""The arguments that a network was built with, as a stranger's file gives them: each is checked.

Each function takes the arguments by name, the name of one and its default, and raises an ItemError
that names the argument if its value is not valid.
"""

import math
from typing import Any

from animetools.netfiles.machine import refuse
from animetools.networks.config import MOST, Activation

Settings = dict[str, Any]
LONGEST_KERNEL = 16
ACTIVATIONS: tuple[Activation, ...] = ("lrelu", "relu")


def number(settings: Settings, name: str, default: float) -> float:
    """A finite number."""
    value = settings.get(name, default)
    if type(value) not in (int, float) or not math.isfinite(value):
        refuse(f"the network's argument {name} is not a number")
    return float(value)


def clamp(settings: Settings) -> float | None:
    """How large PyTorch's layers let numbers become; None is any size."""
    return None if settings.get("conv_clamp") is None else number(settings, "conv_clamp", 0)


def whole(settings: Settings, name: str, default: int) -> int:
    """A whole number, not negative."""
    value = settings.get(name, default)
    if type(value) is not int or not 0 <= value <= MOST:
        refuse(f"the network's argument {name} is not a whole number of 0 or more")
    return value


def flag(settings: Settings, name: str, default: bool) -> bool:
    """True or False."""
    value = settings.get(name, default)
    if type(value) is not bool:
        refuse(f"the network's argument {name} is neither True nor False")
    return value


def activation(settings: Settings, name: str) -> Activation:
    """An activation; lrelu by default."""
    value = settings.get(name, "lrelu")
    for known in ACTIVATIONS:
        if type(value) is str and value == known:
            return known
    refuse(f"the network's argument {name} is neither lrelu nor relu")


def kernel(
    settings: Settings, name: str, default: tuple[float, ...], none: tuple[float, ...]
) -> tuple[float, ...]:
    """The taps of a filter, or `none` where the file says None."""
    value = settings.get(name, default)
    if value is None:
        return none
    if (
        type(value) not in (list, tuple)
        or not 0 < len(value) <= LONGEST_KERNEL
        or not all(type(tap) in (int, float) and abs(tap) <= MOST for tap in value)
        or not sum(value)
    ):
        refuse(f"the network's argument {name} is a malformed filter")
    return tuple(value)
