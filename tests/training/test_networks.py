"""Networks of a new run, and their layers."""

import pytest
import torch

from animetools.training.networks import layers_from_image, new_networks
from tests.training import pairs


@pytest.mark.parametrize(
    ("architecture", "order"),
    [
        ("resnet", "16.fromrgb 16.conv0 16.conv1 16.skip 8.conv0 8.conv1 8.skip"),
        ("skip", "16.fromrgb 16.conv0 16.conv1 8.fromrgb 8.conv0 8.conv1"),
        ("orig", "16.fromrgb 16.conv0 16.conv1 8.conv0 8.conv1"),
    ],
)
def test_layers_freeze_from_the_image_side(architecture: str, order: str) -> None:
    _, discriminator = pairs.small_pair(architecture=architecture)
    names = {id(layer): name for name, layer in discriminator.named_modules()}
    found = [names[id(layer)] for layer in layers_from_image(discriminator)]
    assert found == [f"b{name}" for name in order.split()]


def test_new_networks_are_drawn_as_the_papers_say() -> None:
    config = pairs.small_pair(c_dim=3)[0].config, pairs.small_pair(c_dim=3)[1].config
    before = torch.get_rng_state()
    one, other, third = (new_networks(*config, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    for mine, same, different in zip(one, other, third, strict=True):
        yours, theirs = same.state_dict(), different.state_dict()
        for name, value in mine.state_dict().items():
            assert torch.equal(value, yours[name])
            if name.endswith(("bias", "noise_strength", "w_avg")):
                constant = 1.0 if name.endswith("affine.bias") else 0.0
                assert torch.equal(value, torch.full_like(value, constant))
            else:
                assert not torch.equal(value, theirs[name])
                deviation = 100 if "mapping.fc" in name else 1
                assert 0.5 < value.square().mean().sqrt() / deviation < 1.6, name
