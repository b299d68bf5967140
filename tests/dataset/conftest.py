"""What the tests of this room share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Where a file need not wait for a disk: none of these tests is about one.
QUICK = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture(scope="module")
def quick() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        yield Path(folder)
