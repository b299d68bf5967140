"""What the process does with memory on a CPU."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from animetools.netfiles import pickles
from animetools.networks.cpu import give_back

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


def test_weights_of_a_file_leave_memory_and_can_be_read_again(tmp_path: Path) -> None:
    numbers = torch.arange(1 << 22, dtype=torch.float32)  # 16 MiB
    torch.save({"weight": numbers.view(1 << 11, -1)}, tmp_path / "file")
    module = nn.Linear(1 << 11, 1 << 11, bias=False, device="meta")
    state = pickles.load_torch_zip(pickles.mapped(str(tmp_path / "file")))
    module.load_state_dict(state, assign=True)
    module.requires_grad_(False).weight[7, 7] = -1  # in memory only
    assert module.weight.sum().isfinite()
    before = resident()

    give_back(module)

    if sys.platform == "linux":
        assert before - resident() > numbers.nbytes // 2
    assert module.weight[7, 7] == -1
    module.weight[7, 7] = numbers.view(1 << 11, -1)[7, 7]
    assert torch.equal(module.weight.flatten(), numbers)


def resident() -> int:
    """Bytes of this process that are in memory, where the system tells."""
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return pages * os.sysconf("SC_PAGESIZE")
