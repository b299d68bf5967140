"""Networks for larger images that begin as those for smaller ones."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from animetools.networks import ops
from animetools.networks.stylegan2.modules import Discriminator, Generator
from animetools.training.config import TrainConfig
from animetools.training.doubling import draw_enlarged, score_reduced
from animetools.training.gan import GAN
from animetools.training.networks import new_networks
from animetools.training.transfer import take
from tests.training import pairs


def doubled(old: Any, upper: tuple[int, ...], **wishes: Any) -> tuple[Generator, Discriminator]:
    """Networks that have taken over a small pair, with blocks of so many channels above."""
    g, d = (replace(each.config, channels=(8, 8, 8, *upper)) for each in old)
    generator, discriminator = new_networks(g, replace(d, **wishes), 1)
    take(generator, old[0].state_dict())
    take(discriminator, old[1].state_dict())
    draw_enlarged(generator, 3)
    score_reduced(discriminator, 3, old[1].state_dict())
    return generator, discriminator  # type: ignore[return-value]


def smooth(count: int, size: int) -> Tensor:
    """Images without fine detail, whose colors differ."""
    rough = pairs.uniform(0, count, 3, 4, 4).float()
    return interpolate(rough, size=(size, size), mode="bicubic")


def test_a_generator_draws_the_same_pictures_enlarged() -> None:
    old = pairs.small_pair()
    new, _ = doubled(old, (8, 4))
    z = pairs.normal(0, 4, 8).float()
    wanted = old[0](z)
    for _ in range(2):
        wanted = ops.upsample(wanted, new.synthesis.up)
    torch.testing.assert_close(new(z), wanted)


@pytest.mark.parametrize(
    ("upper", "likeness"), [((8,), 0.99), ((5,), 0.95), ((8, 8), 0.98), ((8, 5), 0.95)]
)
def test_a_discriminator_scores_about_the_same(upper: tuple[int, ...], likeness: float) -> None:
    old = pairs.small_pair(group=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.nn.init.normal_(old[1].b16.fromrgb.bias)  # type: ignore[union-attr, arg-type]
    _, new = doubled(old, upper)
    images = smooth(16, 16 << len(upper))
    small = images
    for _ in upper:
        small = ops.downsample(small, new.down)
    scores = torch.stack([new(images), old[1](small)])
    assert torch.corrcoef(scores)[0, 1] > likeness


def test_a_discriminator_of_skips_scores_exactly_the_same() -> None:
    old = pairs.small_pair(group=1, architecture="skip")
    _, new = doubled(old, (4,))
    images = pairs.uniform(0, 4, 3, 32, 32).float()
    torch.testing.assert_close(new(images), old[1](ops.downsample(images, new.down)))


def test_new_blocks_learn_at_once() -> None:
    gan = GAN(*doubled(pairs.small_pair(), (8, 4)), TrainConfig(gamma=1.0))
    before = {name: value.clone() for name, value in gan.generator.named_parameters()}
    judged = {name: value.clone() for name, value in gan.discriminator.named_parameters()}
    for number in range(2):
        gan.step(pairs.uniform(number, 8, 3, 64, 64).float())
    for name, value in gan.generator.named_parameters():
        assert not torch.equal(value, before[name]), name
    for name, value in gan.discriminator.named_parameters():
        assert not torch.equal(value, judged[name]), name


def test_what_cannot_pass_its_convolutions_stays_as_it_is() -> None:
    old = pairs.small_pair(architecture="orig")
    _, new = doubled(old, (8,))
    assert new.b32.conv1.weight.all()  # type: ignore[union-attr, operator]
    grey = pairs.small_pair()
    _, new = doubled(grey, (8,), image_channels=1)
    assert new.b32.conv1.weight.all()  # type: ignore[union-attr, operator]
