"""How many cores this process may use."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath

share: int | None = None  # of a worker of a cluster, which others of this machine may stand beside


def cores() -> int:
    """The cores of its affinity, or fewer where a container has a share of the time only."""
    if share:
        return share
    if sys.platform != "linux":
        return os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0))
    return max(1, min(allowed, math.ceil(min(quotas(), default=allowed))))


def limit_libraries() -> None:
    """Have OpenMP, and with it torch and numpy, start no more threads than that.

    They see the affinity, but not a container's share. It counts for libraries loaded from here on.
    """
    # Its threads wait for each other in a loop, which takes the core from whom they wait for where
    # others use it too: two threads trained 15 times slower than one beside a load of 12, and with
    # a short loop as fast.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    if sys.platform == "linux" and cores() < len(os.sched_getaffinity(0)):
        os.environ.setdefault("OMP_NUM_THREADS", f"{cores()}")


def quotas(process: str = "/proc/self") -> Iterator[float]:
    """The shares, in cores, of the cgroups that a process is in, of version 1 and 2.

    Source: cgroups(7), and the kernel's cgroup-v2.rst and sched-bwc.rst.
    """
    with suppress(OSError, ValueError):
        with open(f"{process}/cgroup") as file:
            groups = dict(line.rstrip("\n").split(":", 2)[1:] for line in file)
        with open(f"{process}/mountinfo") as file:
            mounts = [line.split() for line in file]
        for fields in mounts:
            kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
            if kind == "cgroup2":
                path = groups.get("", "/")
            elif kind == "cgroup" and "cpu" in options:
                path = next((groups[each] for each in groups if "cpu" in each.split(",")), "/")
            else:
                continue
            # In a container the path may be the host's: then its own group is the mount itself.
            for group in (PurePosixPath(path), *PurePosixPath(path).parents):
                yield from _quota(fields[4] + str(group))


def _quota(folder: str) -> Iterator[float]:
    with suppress(OSError, ValueError, ZeroDivisionError):
        try:
            with open(f"{folder}/cpu.max") as file:
                quota, period = file.read().split()
        except FileNotFoundError:
            with open(f"{folder}/cpu.cfs_quota_us") as file:
                quota = file.read()
            with open(f"{folder}/cpu.cfs_period_us") as file:
                period = file.read()
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
