"""StyleGAN 3's design and its layers, against golden numbers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from animetools.networks import fast
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan3 import cpu_synthesis
from animetools.networks.stylegan3.config import LayerConfig, StyleGAN3GeneratorConfig
from animetools.networks.stylegan3.design import config_of
from animetools.networks.stylegan3.filters import low_pass
from animetools.networks.stylegan3.modules import Generator, Input
from tests.netfiles import sg3
from tests.netfiles.goldens import error

CLOSE = 2e-5


@pytest.mark.parametrize("name", ["t32x", "r64"])
def test_layers_put_out_what_the_originals_did(name: str) -> None:
    file, _, wanted = sg3.read(name)
    g = file.generator.build()
    assert isinstance(g, Generator)
    found: list[Tensor] = []
    synthesis = g.synthesis
    for layer in (synthesis.input, *synthesis.layers):
        layer.register_forward_hook(lambda layer, given, made: found.append(made[0]))
    synthesis(g.mapping(wanted["z"][:1]))
    assert error(found[0][None, :, wanted["input_rows"].long()], wanted["input_psi1"]) < CLOSE
    for i, made in enumerate(found[1:]):
        middle = made.shape[1] // 2
        inner = made[:, middle - 3 : middle + 3, middle - 3 : middle + 3]
        assert error(inner, wanted[f"L{i}_centre"]) < CLOSE
        corners = torch.cat([made[:, :3, :3], made[:, -3:, -3:]], 2)
        assert error(corners, wanted[f"L{i}_corners"]) < CLOSE


@pytest.mark.parametrize("name", ["t32x", "m32", "r64", "t64c"])
def test_filters_are_designed_as_the_originals_were(name: str) -> None:
    file, _, _ = sg3.read(name)
    g = Generator(file.generator.config)  # type: ignore[arg-type]
    for key, value in file.generator.state.items():
        if key.endswith("_filter"):
            assert error(g.state_dict()[key], value) < 2e-7, key


@pytest.mark.parametrize("name", ["t32x", "m32", "r64"])
def test_the_fast_form_is_the_modules(name: str) -> None:
    file, _, wanted = sg3.read(name)
    g = file.generator.build()
    assert isinstance(g, Generator)
    ws = g.mapping(wanted["z"])[:2]
    moved = torch.eye(3).repeat(len(ws), 1, 1)
    moved[-1, 0, 2] = 0.3
    with fast.thread_pool(3) as pool:
        draw = fast.synthesis(g, torch.device("cpu"), torch.float32, pool)
        found = draw(ws, "const", moved)
    assert error(found, g.synthesis(ws, transform=moved)) < CLOSE
    alone = fast.synthesis(g, torch.device("cpu"), torch.float32)
    assert torch.equal(alone(ws[1:], "none", moved[1:]), found[1:])


def test_bfloat16_stays_close() -> None:
    file, _, wanted = sg3.read("m32")
    g = file.generator.build()
    assert isinstance(g, Generator)
    ws = g.mapping(wanted["z"][:1])
    rough = cpu_synthesis.Synthesis(g.config, g.state_dict(), torch.bfloat16)(ws)
    assert error(rough, g.synthesis(ws)) < 0.1


@pytest.mark.parametrize("size", [128, 256, 512, 1024])
@pytest.mark.parametrize("radial", [False, True])
def test_a_new_design_is_the_papers(size: int, radial: bool) -> None:
    config = config_of(size, MappingConfig(layers=2), radial=radial)
    assert config.contradiction() == ""
    assert config.image_size == (size, size)
    with torch.device("meta"):
        count = sum(p.numel() for p in Generator(config).parameters())
    known = {
        256: (28_472_133, 18_816_387),
        512: (24_873_519, 16_665_594),
        1024: (22_313_167, 15_093_151),
    }
    assert count == known.get(size, (count, count))[radial]
    sides = [36, 36, 36, 52, 52, 84, 84, 148, 148, 148, 276, 276, 276, 256, 256]
    assert size != 256 or [layer.size for layer in config.layers[:0:-1]] == sides[:0:-1]


def small(**changes: object) -> StyleGAN3GeneratorConfig:
    """A generator of two layers at one rate."""
    layers = (
        LayerConfig(36, 16, 2.0, 6.0),
        LayerConfig(16, 16, 2.0, 6.0),
        LayerConfig(16, 16, 8.0, 1.0, 1, 1, 1, 1),
    )
    mapping = MappingConfig(z_dim=4, w_dim=4, width=4, layers=2)
    return StyleGAN3GeneratorConfig(mapping, (4, 4, 3), layers, 36, 16.0, 2.0, **changes)  # type: ignore[arg-type]


def test_a_new_network_has_the_usual_numbers() -> None:
    g = Generator(small())
    assert isinstance(g.synthesis.input, Input)
    assert g.synthesis.input.freqs.norm(dim=1).max() <= 2
    images = g(torch.randn(2, 4))
    assert images.shape == (2, 3, 16, 16)
    assert small().architecture == "config T"
    assert not torch.equal(*(g.synthesis(ws) for ws in (torch.zeros(1, 4, 4), torch.ones(1, 4, 4))))
    loss = images.square().sum()
    loss.backward()
    for key, parameter in g.named_parameters():
        assert parameter.grad is not None, key


def test_a_turn_of_a_radial_network_turns_its_picture() -> None:
    file, _, _ = sg3.read("r64")
    g = file.generator.build()
    assert isinstance(g, Generator)
    with torch.no_grad():
        ws = g.mapping(torch.randn(1, 32, generator=torch.Generator().manual_seed(1)))
        turned = g.synthesis(ws, transform=torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]]))
        assert error(turned, torch.rot90(g.synthesis(ws), 1, [2, 3])) < CLOSE


def test_filters_have_a_sum_of_one_even_with_a_middle_tap() -> None:
    for taps in (5, 12):
        made = low_pass(taps, 2.0, 6.0, 32.0, radial=True)
        assert np.isfinite(made).all()
        assert abs(made.sum() - 1) < 1e-6
