"""What the forms of networks on a CPU share: memory that stays, and threads."""

import ctypes
import math
import mmap
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

GROUP = 4  # images that are cheapest to draw together
LARGE = 1 << 24  # bytes of a block of memory; bands of maps are smaller, and maps mostly larger
PAGE_OUT = 21  # Linux's MADV_PAGEOUT, which Python does not name
LOT = 4 * GROUP  # small ones that are cheapest to ask for at once

State = dict[str, Tensor]
Part = TypeVar("Part")
Made = TypeVar("Made")


class Space:
    """Maps that each thread reuses: new memory is slow."""

    def __init__(self) -> None:
        self.own = threading.local()

    def map(self, use: str, shape: Sequence[int]) -> Tensor:
        """A map of this shape: zeros, or what the thread left in it."""
        kept: dict[str, Tensor] = self.own.__dict__
        name = f"{use} {shape}"
        if name not in kept:
            kept[name] = torch.zeros(*shape)
        return kept[name]

    def padded(
        self,
        use: str,
        shape: Sequence[int],
        border: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """A map of this shape [n, H, W, C] and around it the border, which is zero and must stay so.

        The next one of the same use and n takes its memory.
        """
        count, height, width, channels = shape
        full = (count, height + 2 * border, width + 2 * border, channels)
        kept: dict[str, tuple[Tensor, Tensor]] = self.own.__dict__
        name = f"{use} {count}"
        memory, last = kept.get(name, (torch.empty(0), torch.empty(0)))
        if last.shape == full:
            return last
        if len(memory) < math.prod(full):
            del memory, last
            kept.pop(name, None)
            memory = torch.empty(math.prod(full), dtype=dtype)
        made = memory[: math.prod(full)].view(full)
        for edge in (
            made[:, :border],
            made[:, -border:],
            made[:, :, :border],
            made[:, :, -border:],
        ):
            edge.zero_()
        kept[name] = memory, made
        return made


def keep_freed_memory() -> None:
    """Have this process use large blocks again that it frees, where its C library is glibc.

    It would give them back at once, and each step of training would wait for new, zeroed ones.
    """
    _libc("mallopt", -4, 0)  # M_MMAP_MAX: no block is a mapping of its own
    _libc("mallopt", -1, -1)  # M_TRIM_THRESHOLD: the heap does not shrink


def share_freed_memory() -> None:
    """Have the threads of this process use blocks again that others freed, where its C library is glibc.

    Each would have a heap of its own, full of holes by the large blocks that come and go in it.
    """
    _libc("mallopt", -8, 1)  # M_ARENA_MAX: one heap
    _libc("mallopt", -3, LARGE)  # M_MMAP_THRESHOLD: larger blocks are mappings of their own


def give_back(module: nn.Module) -> None:
    """Give back memory once a module's weights are in another form, where the system is Linux.

    What was freed, and its tensors in mapped files: whoever reads them again reads the file.
    """
    for tensor in module.state_dict().values():
        first = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        size = tensor.data_ptr() + tensor.nbytes - first
        _libc("madvise", ctypes.c_void_p(first), ctypes.c_size_t(max(size, 0)), PAGE_OUT)
    _libc("malloc_trim", 0)


def _libc(name: str, *arguments: object) -> None:
    """Call a function of the C library of Linux, if it has it."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(library, name):
        getattr(library, name)(*arguments)


@contextmanager
def alone() -> Iterator[None]:
    """Have torch's operations run in the calling thread only.

    Such small ones lose more by synchronizing than they gain, and their last bits depend on how
    many threads share the sums.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def each(work: Callable[[Part], Made], parts: Iterable[Part], pool: Executor | None) -> list[Made]:
    """What the work makes of each part; the threads of the pool share them."""

    def one(part: Part) -> Made:
        with torch.inference_mode():  # each thread has its own
            return work(part)

    return list((pool.map if pool else map)(one, parts))
