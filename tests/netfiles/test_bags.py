"""Networks whose labels go through a bag, as others have them."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from animetools.netfiles.bags import with_bag, without_bag
from animetools.netfiles.networkfile import SavedNetwork
from animetools.netfiles.onnx import encode
from animetools.networks.config import MappingConfig
from animetools.networks.families import kind_of
from animetools.networks.layers import Bag
from animetools.networks.stylegan1.config import StyleGAN1GeneratorConfig
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

MAPPING = MappingConfig(z_dim=6, w_dim=5, layers=2, width=7, c_dim=9, bag=3)
OF_LABELS = MappingConfig(z_dim=0, w_dim=5, layers=2, width=7, c_dim=9, bag=4)


def saved(config: Any) -> SavedNetwork:
    """A network of random weights, whose biases show."""
    torch.manual_seed(1)
    state = kind_of(config).module(config).state_dict()
    biases = {name: torch.randn_like(x) for name, x in state.items() if name.endswith("embed.bias")}
    return SavedNetwork(config, state | biases)


def labels(count: int = 4) -> Tensor:
    """Lists of tags, the first one empty and the last one with weights."""
    c = (torch.rand(count, 9, generator=torch.Generator().manual_seed(2)) < 0.5).float()
    c[0], c[-1, :3] = 0, torch.tensor([0.5, 0.0, 0.25])
    return c


def mapping_of(network: SavedNetwork) -> nn.Module:
    return network.build().get_submodule("mapping")


@pytest.mark.parametrize(
    "config",
    [
        StyleGAN2GeneratorConfig(MAPPING, (4, 4)),
        StyleGAN1GeneratorConfig(
            MappingConfig(6, 9, 5, 2, 7, labels="concat", bag=3, bag_learns=False), (4, 4)
        ),
        StyleGAN2DiscriminatorConfig((4, 4), dense=5, c_dim=9, mapping=OF_LABELS),
    ],
)
def test_one_matrix_is_both(config: Any) -> None:
    network = saved(config)
    plain = without_bag(network)
    assert "mapping.bag.weight" not in plain.state
    z = None if config.mapping.z_dim == 0 else torch.randn(4, 6)
    before, after = (mapping_of(each)(z, labels()) for each in (network, plain))
    assert before.std() > 1e-3
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    assert without_bag(plain) is plain
    for width, is_exact in [(3, config.mapping.bag == 3), (6, True), (1, False)]:
        again = mapping_of(with_bag(plain, width))(z, labels())
        assert torch.allclose(again, before, rtol=1e-4, atol=1e-5) is is_exact


def test_a_bag_adds_up_the_rows_of_its_tags() -> None:
    bag = Bag(9, 3, learns=True)
    torch.testing.assert_close(bag(labels()), labels() @ bag.weight / 4)
    sums = bag(labels()), labels() @ bag.weight / 4
    slopes = [torch.autograd.grad(each.square().sum(), bag.weight) for each in sums]
    torch.testing.assert_close(slopes[0], slopes[1])
    assert not list(Bag(9, 3, learns=False).parameters())


@pytest.mark.slow
def test_a_model_for_other_programs_has_no_bag() -> None:
    network = saved(StyleGAN2GeneratorConfig(MAPPING, (4, 4)))
    session = onnxruntime.InferenceSession(encode(network), providers=["CPUExecutionProvider"])
    z, c = torch.randn(4, 6), labels()
    given = {"z": z.numpy(), "c": c.numpy(), "psi": np.asarray(1, np.float32)}
    (found,) = session.run(None, given)
    torch.testing.assert_close(torch.from_numpy(found), network.build()(z, c), rtol=1e-3, atol=1e-3)
