"""lucidrains' StyleGAN 2 as a family: what holds of every one. Its numbers are in tests/netfiles."""

from dataclasses import replace

import pytest
import torch

from animetools.errors import ItemError
from animetools.netfiles.networkfile import SavedNetwork
from animetools.networks import fast
from animetools.networks.config import MappingConfig
from animetools.networks.lucidrains.config import (
    LucidrainsDiscriminatorConfig,
    LucidrainsGeneratorConfig,
)
from animetools.networks.lucidrains.modules import Discriminator, Generator, blurred, uniform
from tests.networks.conftest import idle_layers

MAPPING = MappingConfig(z_dim=6, w_dim=6, layers=2, width=6, lrmul=0.1, normalize=False)
GENERATOR = LucidrainsGeneratorConfig(MAPPING, (8, 6, 4), attention=(1,))
DISCRIMINATOR = LucidrainsDiscriminatorConfig(
    (8, 8, 6, 4), attention=(1,), quantized=(0, 3), codes=4
)


@pytest.mark.parametrize("constant", [True, False])
def test_a_step_of_training_changes_every_layer(constant: bool) -> None:
    torch.manual_seed(0)
    pair = Generator(replace(GENERATOR, constant=constant)), Discriminator(DISCRIMINATOR)
    for parameter in (p for network in pair for p in network.parameters()):
        parameter.data += 0.1 * torch.randn(parameter.shape)
    assert idle_layers(*pair, None) == []


def test_an_image_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    g = Generator(GENERATOR).requires_grad_(False)
    d = Discriminator(DISCRIMINATOR).requires_grad_(False)
    cpu = torch.device("cpu")
    draw, judge = fast.synthesis(g, cpu, torch.float32), fast.features(d, cpu, torch.float32)
    ws = torch.randn(3, g.num_ws, 6)
    images = draw(ws, "const")
    assert images.shape == (3, 3, 16, 16)
    torch.testing.assert_close(images, g.synthesis(ws))
    assert torch.equal(draw(ws[1:2], "const"), images[1:2])
    features = judge(images)
    assert features.shape == (3, 8, 2, 2)
    assert torch.equal(judge(images[1:2]), features[1:2])
    torch.testing.assert_close(d.score(features), d(images))


def test_normal_noise_is_taken_as_uniform() -> None:
    found = uniform(torch.randn(100_000, generator=torch.Generator().manual_seed(0)))
    assert isinstance(found, torch.Tensor)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert abs(float(found.mean()) - 0.5) < 0.01
    assert abs(float(found.var()) - 1 / 12) < 0.01
    assert uniform(None) == 0.5


def test_a_blur_keeps_what_is_flat() -> None:
    flat = torch.full((1, 2, 5, 4), 3.0)
    torch.testing.assert_close(blurred(flat), flat)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (replace(GENERATOR, attention=(3,)), "attention"),
        (replace(GENERATOR, attention=(1, 1)), "attention"),
        (replace(DISCRIMINATOR, quantized=(4,)), "quantized"),
        (replace(DISCRIMINATOR, channels=(8,) * 14), "size"),
    ],
)
def test_configs_that_contradict_themselves_are_refused(
    config: LucidrainsGeneratorConfig | LucidrainsDiscriminatorConfig, field: str
) -> None:
    with pytest.raises(ItemError, match=f"an invalid {field}"):
        SavedNetwork(config, {})
