"""What a person is told before a run starts."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from animetools.errors import FatalError
from animetools.estimate import size
from animetools.training import forecast
from animetools.training.config import TrainConfig, networks
from animetools.training.snapshots import Pace
from animetools.training.step import Trainer
from tests.training.pairs import small_pair

CPU, PACE = torch.device("cpu"), Pace()
CONFIG = TrainConfig(channel_base=256, channel_max=16, latent=16, map_layers=2, batch=8, kimg=100)


def told(path: Path, config: TrainConfig = CONFIG, pace: Pace = PACE, seconds: float = 36) -> str:
    pair = networks(config, 16, 16, 3, 0)
    lines = forecast.told(config, pair, pace, str(path), CPU, process=10**9, seconds=seconds)
    return "\n".join(lines)


def test_memory_disk_and_hours_are_told(tmp_path: Path) -> None:
    lines = told(tmp_path / "not/yet/there").splitlines()
    assert len(lines) == 2
    needed = forecast.forecast(*networks(CONFIG, 16, 16, 3, 0), 8)
    own = 10**9 + forecast.LOADED_LATER
    assert f"about {size(needed.memory + own)} of memory" in lines[0]
    assert f"snapshots of {size(needed.snapshot)}, up to 6 of them" in lines[0]
    assert lines[1] == "100 kimg take about 60 minutes: 36.0 s/kimg"
    assert "take" not in told(tmp_path, seconds=0)  # a run that goes on has been told


def test_what_does_not_fit_is_told_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = told(tmp_path, replace(CONFIG, kimg=10**5))
    assert "that is long: --preset tiny is faster; with --transfer default, which" in long
    long = told(tmp_path, replace(CONFIG, kimg=10**5, preset="tiny"))
    assert "that is long: a smaller --channel-base is faster; with" in long
    assert "compares 3 images at a time: so 6 divide" in told(tmp_path, replace(CONFIG, batch=6))
    found = forecast.forecast(*networks(CONFIG, 16, 16, 3, 0), 8)
    monkeypatch.setattr(forecast, "free_memory", lambda device: found.memory - 1)
    assert "may not fit into memory: --accumulate" in told(tmp_path)
    assert "may not fit" not in told(tmp_path, replace(CONFIG, accumulate=2))
    needed = found.snapshot
    monkeypatch.setattr(forecast, "free_disk", lambda folder: 3 * needed)
    assert "room for 3 snapshots only: make room, or lower --keep" in told(tmp_path)
    assert "room for" not in told(tmp_path, pace=Pace(keep=2))
    monkeypatch.setattr(forecast, "free_disk", lambda folder: needed - 1)
    with pytest.raises(FatalError, match="no room for a snapshot: make room, or choose another -o"):
        told(tmp_path)


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


@pytest.mark.parametrize("limit", [0.0, 1e9])
def test_the_time_of_a_kimg_is_measured(monkeypatch: pytest.MonkeyPatch, limit: float) -> None:
    monkeypatch.setattr(forecast, "LONG", limit)  # by one image, or by whole batches
    config = TrainConfig(batch=8, accumulate=2)
    measured = forecast.seconds_per_kimg(Trainer(*small_pair(), config.rules(0)), 8)
    trainer = Trainer(*small_pair(), config.rules(0))
    start = time.perf_counter()
    trainer.step(torch.zeros(8, 3, 16, 16))
    truly = (time.perf_counter() - start) / 8 * 1000
    assert truly / 50 < measured < truly * 50  # the machine may be busy
