"""Settings that change during a run, as they are typed: 0.002,1000:0.001 or 0.001,128px:0.002.

The first number holds from the start, each other one from so many kimg, or from so many pixels that
the networks are trained at (which change where they grow). Of those that have begun the last counts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

MOST_IMAGES = 4096  # per step


@dataclass(frozen=True)
class Step:
    """A number, and where it begins."""

    start: float
    by_size: bool  # in pixels; else in kimg
    number: float


def value_at(schedule: str, kimg: float, size: int) -> float:
    """The number of a schedule after so many kimg, for networks trained at so many pixels.

    Raises ValueError if it is malformed.
    """
    steps = _steps(schedule)
    return [each.number for each in steps if each.start <= (size if each.by_size else kimg)][-1]


def values(schedule: str, size: int) -> list[float]:
    """The numbers that a schedule may have as long as training is at no more pixels.

    Raises ValueError if it is malformed.
    """
    return [each.number for each in _steps(schedule) if not each.by_size or each.start <= size]


def rates(schedule: str) -> str:
    """A schedule of learning rates, checked.

    Raises ValueError if it is malformed.
    """
    what = (
        "neither a rate nor rates by kimg or by size such as 0.002,1000:0.001 or 0.001,128px:0.002"
    )
    return _checked(schedule, lambda step: 0 <= step.number < 1, what)


def shares(schedule: str) -> str:
    """A schedule of shares, checked.

    Raises ValueError if it is malformed.
    """
    what = "neither a share from 0 to 1 nor shares by kimg such as 1,1000:0.5"
    return _checked(schedule, lambda step: 0 <= step.number <= 1, what)


def counts(schedule: str) -> str:
    """A schedule of numbers of images, checked.

    Raises ValueError if it is malformed.
    """
    what = f"neither a whole number from 1 to {MOST_IMAGES} nor such numbers by kimg or by size such as 64,64px:32"

    def fits(step: Step) -> bool:
        return step.number.is_integer() and 1 <= step.number <= MOST_IMAGES

    return _checked(schedule, fits, what)


def lengths(schedule: str) -> str:
    """A schedule of lengths in kimg, which can only depend on the size, checked.

    Raises ValueError if it is malformed.
    """
    what = "neither a number of kimg nor such numbers by size such as 600,256px:1200"

    def fits(step: Step) -> bool:
        return 0 <= step.number < math.inf and (step.by_size or step.start == -math.inf)

    return _checked(schedule, fits, what)


def _checked(schedule: str, fits: Callable[[Step], bool], what: str) -> str:
    try:
        if all(map(fits, _steps(schedule))):
            return schedule
    except ValueError:
        pass
    raise ValueError(f"'{schedule}' is {what}")


def _steps(schedule: str) -> list[Step]:
    first, *others = schedule.split(",")
    steps, before = [Step(-math.inf, False, float(first))], {False: 0.0, True: 0.0}
    for other in others:
        start, colon, number = other.partition(":")
        step = Step(float(start.removesuffix("px")), start.endswith("px"), float(number))
        if not colon or not before[step.by_size] < step.start < math.inf:
            raise ValueError(f"'{schedule}' does not go upwards")
        before[step.by_size] = step.start
        steps.append(step)
    return steps
