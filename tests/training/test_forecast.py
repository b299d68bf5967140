"""What a run of sgtrain needs."""

import time
from dataclasses import replace

import pytest
import torch

from animetools.training import forecast
from animetools.training.config import TrainConfig
from animetools.training.forecast import Leg
from animetools.training.gan import GAN
from tests.training.pairs import small_pair

CONFIG = TrainConfig(kimg=100)


def test_the_length_is_said() -> None:
    assert list(forecast.length(CONFIG, [Leg(16, 100, 36)])) == [
        "100 kimg take about 60 minutes: 36.0 s/kimg"
    ]
    _, long = forecast.length(CONFIG, [Leg(16, 10**5, 36)])
    assert "that is long: --preset tiny is faster; with --transfer default, which" in long
    _, long = forecast.length(replace(CONFIG, preset="tiny"), [Leg(16, 10**5, 36)])
    assert "that is long: a smaller --channel-base is faster; with" in long


@pytest.mark.parametrize(("limit", "repeats"), [(0.0, 1), (1e9, 1), (1e9, 3)])
def test_the_time_of_a_kimg_is_measured(
    monkeypatch: pytest.MonkeyPatch, limit: float, repeats: int
) -> None:
    monkeypatch.setattr(forecast, "LONG", limit)  # by one image, or by whole batches
    config = TrainConfig(batch="8", accumulate=2, d_repeats=repeats)
    measured = forecast.seconds_per_kimg(GAN(*small_pair(), config), 8)
    gan = GAN(*small_pair(), config)
    start = time.perf_counter()
    gan.step(torch.zeros(8, 3, 16, 16))
    truly = (time.perf_counter() - start) / 8 * 1000
    assert truly / 50 < measured < truly * 50  # the machine may be busy
