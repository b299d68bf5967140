"""What the process does with memory on a CPU."""

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource
import sys
import torch
from animetools.networks.cpu import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

torch.set_num_threads(1)
if sys.argv[1] == "keep":
    keep_freed_memory()
def step():  # several sizes, as in a step of training
    some = [torch.ones(count << 20) for count in (16, 10, 12, 3)]
    return sum(float(each[0]) for each in some)

for _ in range(4):
    step()
before = faults()
for _ in range(8):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_freed_memory_is_used_again_without_new_pages() -> None:
    plain, kept = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS, how])) for how in ("", "keep")
    )
    assert 10 * kept < plain
