"""The .pt layout of rosinality, GANSpace, e4e and StyleCLIP: names, shapes and pictures."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from animetools.errors import Advice, ItemError
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)

MAPPING = MappingConfig(z_dim=6, w_dim=6, layers=2, width=6)
GENERATOR = StyleGAN2GeneratorConfig(MAPPING, (5, 4))
DISCRIMINATOR = StyleGAN2DiscriminatorConfig((5, 4), dense=7)
# As the layout is described, by hand, for an image of 8 x 8.
G_EMA = {
    "style.1.weight": (6, 6),
    "style.1.bias": (6,),
    "style.2.weight": (6, 6),
    "style.2.bias": (6,),
    "input.input": (1, 5, 4, 4),
    "conv1.conv.weight": (1, 5, 5, 3, 3),
    "conv1.conv.modulation.weight": (5, 6),
    "conv1.conv.modulation.bias": (5,),
    "conv1.noise.weight": (1,),
    "conv1.activate.bias": (5,),
    "to_rgb1.bias": (1, 3, 1, 1),
    "to_rgb1.conv.weight": (1, 3, 5, 1, 1),
    "to_rgb1.conv.modulation.weight": (5, 6),
    "to_rgb1.conv.modulation.bias": (5,),
    "convs.0.conv.weight": (1, 4, 5, 3, 3),
    "convs.0.conv.blur.kernel": (4, 4),
    "convs.0.conv.modulation.weight": (5, 6),
    "convs.0.conv.modulation.bias": (5,),
    "convs.0.noise.weight": (1,),
    "convs.0.activate.bias": (4,),
    "convs.1.conv.weight": (1, 4, 4, 3, 3),
    "convs.1.conv.modulation.weight": (4, 6),
    "convs.1.conv.modulation.bias": (4,),
    "convs.1.noise.weight": (1,),
    "convs.1.activate.bias": (4,),
    "to_rgbs.0.bias": (1, 3, 1, 1),
    "to_rgbs.0.upsample.kernel": (4, 4),
    "to_rgbs.0.conv.weight": (1, 3, 4, 1, 1),
    "to_rgbs.0.conv.modulation.weight": (4, 6),
    "to_rgbs.0.conv.modulation.bias": (4,),
    "noises.noise_0": (1, 1, 4, 4),
    "noises.noise_1": (1, 1, 8, 8),
    "noises.noise_2": (1, 1, 8, 8),
}
D = {
    "convs.0.0.weight": (4, 3, 1, 1),
    "convs.0.1.bias": (4,),
    "convs.1.conv1.0.weight": (4, 4, 3, 3),
    "convs.1.conv1.1.bias": (4,),
    "convs.1.conv2.0.kernel": (4, 4),
    "convs.1.conv2.1.weight": (5, 4, 3, 3),
    "convs.1.conv2.2.bias": (5,),
    "convs.1.skip.0.kernel": (4, 4),
    "convs.1.skip.1.weight": (5, 4, 1, 1),
    "final_conv.0.weight": (5, 6, 3, 3),
    "final_conv.1.bias": (5,),
    "final_linear.0.weight": (7, 80),
    "final_linear.0.bias": (7,),
    "final_linear.1.weight": (1, 7),
    "final_linear.1.bias": (1,),
}


def snapshot(
    generator: StyleGAN2GeneratorConfig = GENERATOR,
    discriminator: StyleGAN2DiscriminatorConfig = DISCRIMINATOR,
) -> NetworkFile:
    """Networks whose every tensor has numbers of its own."""
    torch.manual_seed(0)
    networks = {}
    for name, config, module in (
        ("G_ema", generator, stylegan2.Generator(generator)),
        ("D", discriminator, stylegan2.Discriminator(discriminator)),
    ):
        state = {key: value + torch.randn_like(value) for key, value in module.state_dict().items()}
        networks[name] = SavedNetwork(config, state)
    return NetworkFile("animetools", networks, {})


def written(path: Path, content: Any = None, **options: Any) -> dict[str, Any]:
    """The content of a .pt of ours, or a .pt of this content."""
    if content is None:
        checkpoints.write(str(path), snapshot())
        content = torch.load(path, weights_only=True)
    else:
        torch.save(content, path, **options)
    loaded: dict[str, Any] = content
    return loaded


def images(network: SavedNetwork) -> Tensor:
    generator = network.build()
    found: Tensor = generator(
        torch.randn(2, 6, generator=torch.Generator().manual_seed(1)), psi=0.5
    )
    return found


def test_names_and_shapes_are_those_of_the_layout(tmp_path: Path) -> None:
    content = written(tmp_path / "a.pt")
    assert content["latent_avg"].shape == (6,)
    assert {name: tuple(value.shape) for name, value in content["g_ema"].items()} == G_EMA
    assert {name: tuple(value.shape) for name, value in content["d"].items()} == D
    taps = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
    assert torch.equal(content["g_ema"]["to_rgbs.0.upsample.kernel"], 4 * taps)
    assert torch.equal(content["d"]["convs.1.conv2.0.kernel"], taps)


def test_it_comes_back_as_it_went(tmp_path: Path) -> None:
    wanted = snapshot()
    checkpoints.write(str(tmp_path / "a.pt"), wanted)
    found = checkpoints.read(str(tmp_path / "a.pt"))
    assert found.layout == "rosinality"
    for name, network in wanted.networks.items():
        assert found.networks[name].config == network.config
        for key, value in network.state.items():
            assert torch.equal(found.networks[name].state[key], value), key


def test_another_learning_rate_gives_the_same_images(tmp_path: Path) -> None:
    mapping = replace(MAPPING, lrmul=0.5)
    wanted = snapshot(replace(GENERATOR, mapping=mapping))
    checkpoints.write(str(tmp_path / "a.pt"), wanted)
    found = checkpoints.read(str(tmp_path / "a.pt"))
    torch.testing.assert_close(images(found.generator), images(wanted.generator))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_training_checkpoint_is_read(tmp_path: Path, legacy: bool) -> None:
    content = written(tmp_path / "a.pt")
    content |= {"g": content["g_ema"], "args": argparse.Namespace(size=8, iter=3)}
    del content["latent_avg"]
    torch.save(content, tmp_path / "b.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.warns(Advice, match="lacks the average w: it is computed from 4096 seeds"):
        found = checkpoints.read(str(tmp_path / "b.pt"))
    assert set(found.networks) == {"G_ema", "G", "D"}
    module = found.generator.build()
    assert isinstance(module, stylegan2.Generator)
    average = module.mapping(torch.randn(50_000, 6))[:, 0].mean(0)
    torch.testing.assert_close(module.mapping.w_avg, average, rtol=0.1, atol=0.1)


def test_the_decoder_of_e4e_is_read(tmp_path: Path) -> None:
    content = written(tmp_path / "a.pt")
    state = {f"decoder.{name}": value for name, value in content["g_ema"].items()}
    state["encoder.input_layer.0.weight"] = torch.zeros(3)
    average = content["latent_avg"].expand(4, 6).clone()
    written(tmp_path / "e4e.pt", {"state_dict": state, "latent_avg": average, "opts": {"lr": 1.0}})
    found = checkpoints.read(str(tmp_path / "e4e.pt"))
    assert set(found.networks) == {"G_ema"}
    assert torch.equal(images(found.generator), images(snapshot().generator))


@pytest.mark.parametrize("prefix", ["", "module.", "g_ema."])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_bare_state_is_read(tmp_path: Path, prefix: str, suffix: str) -> None:
    content = written(tmp_path / "a.pt")
    state = {f"{prefix}{name}": value for name, value in content["g_ema"].items()}
    path = str(tmp_path / f"b{suffix}")
    if suffix == ".pt":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    with pytest.warns(Advice, match="lacks the average w"):
        found = checkpoints.read(path)
    assert set(found.networks) == {"G_ema"}
    wanted = snapshot().generator.state
    for key in wanted.keys() - {"mapping.w_avg"}:
        assert torch.equal(found.generator.state[key], wanted[key]), key


@pytest.mark.parametrize("names", [("generator",), ("params", "params_ema"), ("EMA", "netG")])
def test_a_state_under_another_name_is_read_and_the_average_first(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    state = written(tmp_path / "a.pt")["g_ema"]
    other = {name: tensor + 1 for name, tensor in state.items()}
    content = {name: state if name == names[-1] or "E" in name else other for name in names}
    if "netG" in names:
        content["netG"] = other
    torch.save({"epoch": 3, "config": {}, **content}, tmp_path / "b.pt")
    with pytest.warns(Advice, match="lacks the average w"):
        found = checkpoints.read(str(tmp_path / "b.pt"))
    key = "synthesis.b4.const"
    assert torch.equal(found.generator.state[key], snapshot().generator.state[key])


def test_a_bare_discriminator_is_read(tmp_path: Path) -> None:
    content = written(tmp_path / "a.pt")
    torch.save(content["d"], tmp_path / "d.pt")
    found = checkpoints.read(str(tmp_path / "d.pt"))
    assert set(found.networks) == {"D"}
    assert found.discriminator.config == DISCRIMINATOR


def test_noise_maps_that_are_lacking_are_drawn_and_that_is_said(tmp_path: Path) -> None:
    content = written(tmp_path / "a.pt")
    for name in [name for name in content["g_ema"] if name.startswith("noises.")]:
        del content["g_ema"][name]
    torch.save(content, tmp_path / "b.pt")
    states = []
    for _ in range(2):
        with pytest.warns(Advice, match="lacks its noise maps: new ones are drawn"):
            states.append(checkpoints.read(str(tmp_path / "b.pt")).generator.state)
    for key, value in snapshot().generator.state.items():
        assert torch.equal(states[0][key], states[1][key])
        if "noise_const" not in key:
            assert torch.equal(states[0][key], value), key
    assert states[0]["synthesis.b8.conv1.noise_const"].std() > 0.5


def test_noise_maps_of_a_hostile_size_are_not_drawn(tmp_path: Path) -> None:
    content = written(tmp_path / "a.pt")
    state = {n: v for n, v in content["g_ema"].items() if not n.startswith("noises.")}
    state |= {f"to_rgbs.{i}.bias": torch.zeros(1, 3, 1, 1) for i in range(40)}
    torch.save({"g_ema": state}, tmp_path / "b.pt")
    with pytest.raises(ItemError, match="the network lacks the tensor"):
        checkpoints.read(str(tmp_path / "b.pt"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"g_ema": {"x": 1}}, "not a dict of tensors"),
        ({"g_ema": {}}, "without a StyleGAN; it has no tensors"),
        ({"g_ema": None, "d": None}, "without a StyleGAN"),
        ({"+": ("spam", torch.zeros(1))}, "the tensor 'spam', which its layout lacks"),
        ({"+": ("input.input", torch.zeros(5, 4, 4))}, "the tensor input.input is (5, 4, 4)"),
        ({"+": ("style.1.weight", torch.zeros(6))}, "mapping.fc0.weight has 1 axes, not 2"),
        (
            {"+": ("to_rgbs.0.upsample.kernel", torch.ones(4, 4))},
            "a resample filter other than [1, 3, 3, 1]",
        ),
        ({"-": "noises.noise_1"}, "the network lacks the tensor noises.noise_1"),
    ],
)
def test_what_is_not_of_this_layout_is_refused(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    content = written(tmp_path / "a.pt")
    if "+" in change:
        name, value = change.pop("+")
        content["g_ema"][name] = value
    if "-" in change:
        del content["g_ema"][change.pop("-")]
    written(tmp_path / "b.pt", content | change)
    with pytest.raises(ItemError) as caught:
        checkpoints.read(str(tmp_path / "b.pt"))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"base": (4, 3)}, "images of 6 x 8 pixels"),
        ({"image_channels": 1}, "images of 1 channels"),
        ({"kernel": (1, 1)}, "a resample filter other than [1, 3, 3, 1]"),
        ({"activation": "relu"}, "the activation relu"),
        ({"architecture": "resnet"}, "the architecture resnet, only skip"),
        ({"mapping": replace(MAPPING, c_dim=2)}, "labels"),
        ({"mapping": replace(MAPPING, normalize=False)}, "latents that are not normalized"),
        ({"mapping": replace(MAPPING, z_dim=5)}, "layers differ in width"),
    ],
)
def test_what_the_layout_cannot_hold_is_told(
    tmp_path: Path, other: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ItemError) as caught:
        checkpoints.write(str(tmp_path / "a.pt"), snapshot(replace(GENERATOR, **other)))
    assert str(caught.value).startswith("a .pt cannot hold ")
    assert reason in str(caught.value)


def test_a_discriminator_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    unfit = snapshot(discriminator=replace(DISCRIMINATOR, mbstd_group=None))
    with pytest.warns(Advice, match="left out: a .pt cannot hold a minibatch deviation"):
        checkpoints.write(str(tmp_path / "a.pt"), unfit)
    assert set(checkpoints.read(str(tmp_path / "a.pt")).networks) == {"G_ema"}


def test_a_clamp_that_is_lost_is_told(tmp_path: Path) -> None:
    with pytest.warns(Advice, match="the clamp, which only matters in float16"):
        checkpoints.write(str(tmp_path / "a.pt"), snapshot(replace(GENERATOR, clamp=256.0)))
