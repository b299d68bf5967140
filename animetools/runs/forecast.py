"""What a run will need, said before it starts; and what it has used."""

import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animetools.errors import FatalError
from animetools.estimate import free_disk, size
from animetools.runs.pace import Pace

if TYPE_CHECKING:
    import torch

LOADED_LATER = 130_000_000  # bytes: torch's optimizers and TensorBoard; measured on Linux


@dataclass(frozen=True)
class Needs:
    """How many parameters a run has, and bytes."""

    parameters: int
    snapshot: int  # of the disk
    memory: int  # about, at the most, beside what the process holds already
    least: int  # of that, as long as it trains


def forecast(
    needs: Needs,
    pace: Pace,
    total: float,
    folder: str,
    device: "torch.device",
    process: int,
    cure: str,
    processes: int = 1,
) -> Iterator[str]:
    """Say what a run of this length needs that saves in a folder, where the process has so many bytes.

    Each of `processes` on this machine needs as much. `cure` is what lowers the need of memory.
    Raises FatalError where it cannot fit.
    """
    count, memory, disk = pace.count(total), free_memory(device), free_disk(folder)
    own = process + LOADED_LATER if device.type == "cpu" else 0  # a GPU holds nothing of it
    sharing = processes if device.type == "cpu" else 1  # each has a GPU of its own
    free = "" if memory is None else f" ({size(memory)} are free)"
    yield (
        f"{needs.parameters / 1e6:.1f} million parameters, about"
        f" {size(sharing * (needs.memory + own))} of"
        f" memory{free}; snapshots of {size(needs.snapshot)}, up to {count} of them"
        f" ({size(disk)} are free)"
    )
    if memory is not None and sharing * needs.least > memory + free_swap(device):
        raise FatalError(f"it needs more memory than is free: {cure}")
    if memory is not None and sharing * needs.memory > memory:
        yield f"it may need more memory than is free: {cure}"
    if needs.snapshot > disk:
        raise FatalError(f"{folder}: no room for a snapshot: make room, or choose another -o")
    if needs.snapshot * count > disk:
        yield f"there is room for {disk // needs.snapshot} snapshots only: make room, or lower --keep"


def free_memory(device: "torch.device") -> int | None:
    """The bytes that nobody uses; None where that cannot be known."""
    if device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device)[0]
    return _memory("MemAvailable")


def free_swap(device: "torch.device") -> int:
    """The bytes that memory may be swapped out to."""
    return _memory("SwapFree") or 0 if device.type == "cpu" else 0


def resident() -> int:
    """The bytes of memory that this process has now; on other systems than Linux, had at most."""
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak(device: "torch.device") -> int:
    """The bytes that this process has had at most, on the GPU if it trains on one."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _memory(name: str) -> int | None:
    """A line of /proc/meminfo, in bytes."""
    if sys.platform != "linux":
        return None
    with open("/proc/meminfo", encoding="ascii") as file:
        facts = dict(line.split(":") for line in file)
    return int(facts[name].split()[0]) * 1024 if name in facts else None
