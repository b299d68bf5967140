"""What a run of sgtrain needs."""

import time
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from animetools.training import forecast
from animetools.training.architecture import networks
from animetools.training.config import TrainConfig, preset
from animetools.training.forecast import Leg
from animetools.training.gan import GAN
from animetools.training.growth import stages
from animetools.training.networks import new_networks
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
    for name in ("s1", "s3t"):  # none of these ships
        _, long = forecast.length(preset(name, 16), [Leg(16, 10**5, 36)])
        assert "--channel-base is faster; with --transfer FILE, which" in long


def test_a_classifier_of_many_tags_counts() -> None:
    plain = replace(CONFIG, cond=True, tag_embedding="bag", channel_base=256)
    learned = replace(plain, classify=1.0)
    few, more = (
        forecast.needs(each, networks(each, 16, 16, 3, 10**5)) for each in (plain, learned)
    )
    numbers = (64 + 1) * 10**5  # 64 channels at 4 px
    assert more.parameters - few.parameters == numbers
    assert more.memory - few.memory >= 4 * 4 * numbers  # gradients and moments too


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


def test_what_a_stylegan_3_holds_is_counted() -> None:
    config = replace(preset("s3r", 32), channel_base=256, channel_max=8, latent=8, batch="4")
    configs = networks(config, 32, 32, 3, 0)
    gan = GAN(*new_networks(*configs, 0), config)
    held: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        held[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    gan.g.begin()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        gan.phases.generator_gradients(gan.draw(4))
    fixed = sum(
        p.numel() for network in (gan.generator, gan.discriminator) for p in network.parameters()
    )
    (stage,) = stages(config, 32)
    counted = 4 * forecast._held(config, configs, stage)
    # What is held, and what backward needs for a moment beside it.
    assert 0.4 * counted < sum(held.values()) - 4 * fixed < counted
