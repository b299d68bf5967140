"""The fast forms against the plain modules."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from animetools.networks import fast
from animetools.networks.config import MappingConfig
from animetools.networks.cpu import Space
from animetools.networks.stylegan1 import modules as stylegan1
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)
from animetools.networks.stylegan2 import cpu, cpu_synthesis, cpu_trunk
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

CPU = torch.device("cpu")
SMALL = MappingConfig(z_dim=8, w_dim=8, width=8, layers=2)
IN_GROUPS = replace(SMALL, w_dim=16)
ODD = replace(SMALL, w_dim=17)
PLAIN = StyleGAN2GeneratorConfig(
    SMALL, (8, 8, 6, 6, 4)
)  # 64 px: layers of every kind but the widest
HEAD = StyleGAN2DiscriminatorConfig((8, 8, 6, 6, 4), dense=8)


def lively(module: nn.Module) -> nn.Module:
    """The same with no parameter left at the zero it begins with."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return module.eval().requires_grad_(False)


@pytest.fixture(autouse=True, params=["", "winograd", "pairs", "bands"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small networks take the ways of wide and of large layers too."""
    if request.param == "winograd":
        monkeypatch.setattr(cpu, "WIDE", dict.fromkeys(cpu.WIDE, 1))
    elif request.param == "pairs":  # of the largest maps
        monkeypatch.setattr(cpu, "GROUPED", 1 << 15)
    elif request.param == "bands":
        monkeypatch.setattr(cpu, "BAND", 1)
        monkeypatch.setattr(cpu, "GROUPED", 1)


@pytest.mark.parametrize(
    "config",
    [
        PLAIN,
        replace(PLAIN, architecture="orig"),
        replace(PLAIN, clamp=0.5),
        replace(PLAIN, base=(5, 3), image_channels=1),
        replace(PLAIN, base=(4, 8), channels=(8, 12, 4, 8, 8)),
        replace(PLAIN, kernel=(1, 2, 3, 5)),
        replace(PLAIN, kernel=(1, 2, 1)),
        replace(PLAIN, architecture="resnet"),
        replace(PLAIN, channels=(8,)),
        replace(PLAIN, channels=(1, 8, 1)),
        replace(PLAIN, channels=(8, 8), base=(17, 16)),  # no map is small
        replace(PLAIN, mapping=IN_GROUPS, channels=(16,) * 5),
    ],
)
@pytest.mark.parametrize("noise", ["const", "none", "given"])
def test_images_are_those_of_the_module(config: StyleGAN2GeneratorConfig, noise: str) -> None:
    generator = lively(stylegan2.Generator(config))
    assert isinstance(generator, stylegan2.Generator)
    ws = torch.randn(3, generator.num_ws, config.mapping.w_dim)
    given: Any = noise
    if noise == "given":
        given = [torch.randn(3, 1, *shape) for shape in generator.noise_shapes]
    expected = generator.synthesis(ws, given)

    images = fast.synthesis(generator, CPU, torch.float32)(ws, given)

    torch.testing.assert_close(images, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        PLAIN,
        replace(PLAIN, architecture="resnet", mapping=ODD, channels=(33, 7, 20)),
        replace(PLAIN, channels=(160, 8, 8)),
        replace(PLAIN, mapping=IN_GROUPS, channels=(160, 48, 16, 32, 16)),
    ],
    ids=["", "resnet", "deep", "in-groups"],
)
def test_an_image_does_not_depend_on_its_batch_or_threads(config: StyleGAN2GeneratorConfig) -> None:
    generator = lively(stylegan2.Generator(config))
    assert isinstance(generator, stylegan2.Generator)
    ws = torch.randn(5, generator.num_ws, config.mapping.w_dim)
    noise = [torch.randn(5, 1, *shape) for shape in generator.noise_shapes]

    with ThreadPoolExecutor(3) as pool:
        together = fast.synthesis(generator, CPU, torch.float32, pool)(ws, noise)
    draw = fast.synthesis(generator, CPU, torch.float32)

    for n, image in enumerate(together):
        (alone,) = draw(ws[[n]], [maps[[n]] for maps in noise])  # elsewhere in memory too
        assert torch.equal(image, alone)


def test_maps_of_one_use_share_memory_and_have_an_empty_border() -> None:
    space = Space()
    large = space.padded("map", (1, 5, 4, 3), border=2).fill_(7)
    small = space.padded("map", (1, 3, 6, 2))
    assert small.data_ptr() == large.data_ptr()
    assert small[:, 1:-1, 1:-1].fill_(0).count_nonzero() == small.count_nonzero() == 0
    assert space.padded("map", (2, 3, 6, 2)).data_ptr() != small.data_ptr()


def test_random_noise_is_drawn_anew() -> None:
    generator = lively(stylegan2.Generator(PLAIN))
    assert isinstance(generator, stylegan2.Generator)
    draw = fast.synthesis(generator, CPU, torch.float32)
    ws = torch.randn(1, generator.num_ws, 8)

    assert not torch.equal(draw(ws, "random"), draw(ws, "random"))


@pytest.mark.parametrize(
    "config",
    [
        HEAD,
        replace(HEAD, clamp=0.5),
        replace(HEAD, base=(5, 3), image_channels=1),
        replace(HEAD, base=(4, 8), channels=(8, 12, 4, 8, 8)),
        replace(HEAD, kernel=(1, 2, 3, 5)),
        replace(HEAD, architecture="skip"),
        replace(HEAD, architecture="orig"),
        replace(HEAD, channels=(8,)),
        replace(HEAD, channels=(48, 16, 32, 16, 16)),  # in groups
    ],
)
def test_features_are_those_of_the_module(config: StyleGAN2DiscriminatorConfig) -> None:
    discriminator = lively(stylegan2.Discriminator(config))
    assert isinstance(discriminator, stylegan2.Discriminator)
    scale = 1 << len(config.channels) - 1
    images = torch.rand(4, config.image_channels, config.base[0] * scale, config.base[1] * scale)
    look = fast.features(discriminator, CPU, torch.float32)

    found = look(images)

    torch.testing.assert_close(found, discriminator.features(images), rtol=1e-4, atol=1e-4)
    assert torch.equal(look(images[1:2]), found[1:2])
    torch.testing.assert_close(discriminator.score(found), discriminator(images))


def test_stylegan_1_goes_one_by_one() -> None:
    generator = lively(stylegan1.Generator(StyleGAN1GeneratorConfig(SMALL, (8, 8, 6))))
    discriminator = lively(
        stylegan1.Discriminator(StyleGAN1DiscriminatorConfig((8, 8, 6), dense=8))
    )
    assert isinstance(generator, stylegan1.Generator)
    assert isinstance(discriminator, stylegan1.Discriminator)
    ws = torch.randn(3, generator.num_ws, 8)

    images = fast.synthesis(generator, CPU, torch.float32)(ws, "const")
    found = fast.features(discriminator, CPU, torch.float32)(images)

    torch.testing.assert_close(images, generator.synthesis(ws, "const"), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found, discriminator.features(images), rtol=1e-4, atol=1e-4)


def test_bfloat16_stays_close() -> None:
    generator = lively(stylegan2.Generator(PLAIN))
    discriminator = lively(stylegan2.Discriminator(HEAD))
    assert isinstance(generator, stylegan2.Generator)
    assert isinstance(discriminator, stylegan2.Discriminator)
    half = torch.bfloat16  # by hand: on a CPU that lacks it, `fast` takes float32
    ws = torch.randn(2, generator.num_ws, 8)
    exact = generator.synthesis(ws, "const")

    rough = cpu_synthesis.Synthesis(PLAIN, generator.state_dict(), half)(ws)
    seen = cpu_trunk.Trunk(HEAD, discriminator.state_dict(), half)(exact)

    assert (rough - exact).square().mean().sqrt() < 0.06 * exact.std()  # 40 dB of 6 deviations
    features = discriminator.features(exact)
    assert (seen - features).square().mean().sqrt() < 0.06 * features.std()
