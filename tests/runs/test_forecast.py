"""What a person is told before a run starts."""

from pathlib import Path

import pytest
import torch

from animetools.errors import FatalError
from animetools.estimate import size
from animetools.runs import forecast
from animetools.runs.forecast import Needs
from animetools.runs.pace import Pace

CPU, PACE = torch.device("cpu"), Pace(200)
NEEDS = Needs(2_500_000, 10**8, 10**9, 10**8)
FREE = "free_disk", "free_memory", "free_swap"


def said(path: Path, needs: Needs = NEEDS, pace: Pace = PACE) -> str:
    return "\n".join(forecast.forecast(needs, pace, 100, str(path), CPU, 10**9, "use less"))


def test_memory_and_disk_are_told(tmp_path: Path) -> None:
    first, *_ = said(tmp_path / "not/yet/there").splitlines()
    assert first.startswith("2.5 million parameters, about ")
    assert f"about {size(10**9 + 10**9 + forecast.LOADED_LATER)} of memory" in first
    assert "snapshots of 100 MB, up to 6 of them" in first


def test_what_does_not_fit_is_told_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def have(disk: int, memory: int, swap: int = 0) -> None:
        for name, count in zip(FREE, (disk, memory, swap), strict=True):
            monkeypatch.setattr(forecast, name, lambda _, count=count: count)

    have(10**10, 10**9)
    assert said(tmp_path).count("\n") == 0
    have(10**10, 10**9 - 1)
    assert "it may need more memory than is free: use less" in said(tmp_path)
    have(10**10, 10**8 - 10, 10)
    assert "it may need" in said(tmp_path)
    have(10**10, 10**8 - 10, 9)
    with pytest.raises(FatalError, match="it needs more memory than is free: use less"):
        said(tmp_path)
    have(3 * 10**8, 10**9)
    assert "room for 3 snapshots only: make room, or lower --keep" in said(tmp_path)
    assert "room for" not in said(tmp_path, pace=Pace(200, keep=2))
    have(10**8 - 1, 10**9)
    with pytest.raises(FatalError, match="no room for a snapshot: make room, or choose another -o"):
        said(tmp_path)


@pytest.mark.parametrize(
    ("pace", "kimg", "count"),
    [
        (Pace(200, keep=5), 25000, 6),  # the old ones go when the new one is there
        (Pace(200, keep=5, keep_every=1000), 25000, 31),
        (Pace(200, keep=0), 25000, 126),
    ],
)
def test_snapshots_are_counted(pace: Pace, kimg: float, count: int) -> None:
    assert pace.count(kimg) == count
