"""What a network was built with, as a stranger's file says it: every argument is checked.

Each function takes arguments by name, the name of one and what it is when nobody gave it, and
raises ItemError, naming the argument, if it is none of its kind.
"""

import math
from typing import Any

from animetools.netfiles.machine import refuse
from animetools.networks.config import Activation

Settings = dict[str, Any]
MOST = 1 << 30  # of anything that is counted
LONGEST_KERNEL = 16
ACTIVATIONS: tuple[Activation, ...] = ("lrelu", "relu")


def number(settings: Settings, name: str, default: float) -> float:
    """A finite number."""
    value = settings.get(name, default)
    if type(value) not in (int, float) or not math.isfinite(value):
        refuse(f"the network's argument {name} is no number")
    return float(value)


def whole(settings: Settings, name: str, default: int) -> int:
    """A count, or a size."""
    value = settings.get(name, default)
    if type(value) is not int or not 0 <= value <= MOST:
        refuse(f"the network's argument {name} is no count")
    return value


def flag(settings: Settings, name: str, default: bool) -> bool:
    """Yes or no."""
    value = settings.get(name, default)
    if type(value) is not bool:
        refuse(f"the network's argument {name} is neither True nor False")
    return value


def activation(settings: Settings, name: str) -> Activation:
    """An activation that the networks have; lrelu when nobody gave it."""
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
        refuse(f"the network's argument {name} is no filter")
    return tuple(value)
