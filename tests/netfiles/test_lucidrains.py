"""The model_N.pt of lucidrains' stylegan2_pytorch."""

import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from animetools.errors import Advice, ItemError
from animetools.netfiles import checkpoints
from tests.netfiles import lucid
from tests.netfiles.goldens import error, generator

CLOSE = 1e-5


@pytest.mark.parametrize("name", lucid.NAMES)
def test_networks_compute_what_their_program_computed(tmp_path: Path, name: str) -> None:
    file = checkpoints.read(lucid.written(tmp_path, name))
    _, wanted = lucid.golden(name)
    assert file.layout == "lucidrains"
    g, other = generator(file), generator(file, "G")
    ws, noise = g.mapping(wanted["z"]), lucid.normal(wanted["noise"])
    assert error(ws[:, 0], wanted["w"]) < CLOSE
    first = [layer[:1] for layer in noise]
    found = {
        "image": g.synthesis(ws, noise),
        "mixed": g.synthesis(torch.cat([ws[:1, :2], ws[1:, 2:]], 1), first),
        "image_of_g": other.synthesis(other.mapping(wanted["z"][:1]), first),
    }
    for key, image in found.items():
        assert error((image + 1) / 2, wanted[key]) < CLOSE, key
    if "logits" in wanted:  # where real images get low ones
        scores = file.discriminator.build()(wanted["images"] * 2 - 1)
        assert error(-scores, wanted["logits"]) < CLOSE


def test_noise_is_of_one_image_and_the_same_every_time(tmp_path: Path) -> None:
    path = lucid.written(tmp_path, "plain")
    g, again = (generator(checkpoints.read(path)) for _ in range(2))
    assert g.noise_shapes == [(4, 4), (8, 8), (16, 16), (32, 32)]
    ws = g.mapping(torch.ones(1, 16))
    assert torch.equal(g.synthesis(ws), again.synthesis(ws))
    noises: Any = g.synthesis.noise_consts
    assert torch.equal(noises[0], noises[3][:4, :4])
    for noise in ("none", "random"):
        assert error(g.synthesis(ws, noise), g.synthesis(ws)) > 1e-3


def test_the_average_w_is_that_of_many_seeds(tmp_path: Path) -> None:
    g = generator(checkpoints.read(lucid.written(tmp_path, "rich")))
    average = g.mapping(torch.randn(20_000, 12))[:, 0].mean(0)
    assert error(g.mapping.w_avg, average) < 0.1
    assert g.config.truncation.psi == 0.75
    assert g.truncated == g.num_ws == 3


@pytest.mark.parametrize(
    "config", [None, "{", '{"image_size": 64, "lr_mlp": 9}', "[1]", os.mkdir, os.mkfifo]
)
def test_without_its_config_the_learning_rate_is_the_default(tmp_path: Path, config: Any) -> None:
    path = lucid.written(tmp_path, "plain")
    wanted = checkpoints.read(path).generator.config
    (tmp_path / ".config.json").unlink()
    if callable(config):
        config(tmp_path / ".config.json")
    elif config:
        (tmp_path / ".config.json").write_text(config)
    with pytest.warns(Advice, match=r"no \.config\.json of its run is beside it: lr_mlp 0\.1"):
        assert checkpoints.read(path).generator.config == wanted


def test_a_config_that_does_not_say_it_means_the_default(tmp_path: Path) -> None:
    path = lucid.written(tmp_path, "rich")
    (tmp_path / ".config.json").write_text('{"image_size": 16}')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checkpoints.read(path).generator.config.mapping.lrmul == 0.1  # type: ignore[attr-defined]


def test_an_invalid_learning_rate_is_refused(tmp_path: Path) -> None:
    path = lucid.written(tmp_path, "plain")
    for value in ('"a"', "-1", "0", "NaN"):
        (tmp_path / ".config.json").write_text(f'{{"image_size": 32, "lr_mlp": {value}}}')
        with pytest.raises(ItemError, match=r"in the \.config\.json beside it, lr_mlp is"):
            checkpoints.read(path)


def saved(folder: Path, name: str, change: Any) -> str:
    """A file whose content was changed."""
    lucid.written(folder, name)
    content = lucid.content(name)
    change(content, content["GAN"])
    torch.save(content, folder / "model_1.pt")
    return str(folder / "model_1.pt")


def without(name: str) -> Any:
    return lambda content, state: [state.pop(key) for key in [*state] if key.startswith(name)]


def put(name: str, tensor: Any) -> Any:
    return lambda content, state: state.update({name: tensor})


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("plain", without("GE.initial_conv"), "before version 0.20 of stylegan2_pytorch"),
        ("rich", lambda c, s: c.update(version="1.8.6"), "attention from before version 1.8.7"),
        ("rich", lambda c, s: c.pop("version"), "attention from before version 1.8.7"),
        ("rich", lambda c, s: c.update(version="nine"), "attention from before version 1.8.7"),
        ("plain", without("GE.blocks.1.to_noise2"), r"lacks the tensor GE\.blocks\.1\.to_noise2"),
        ("plain", without("GE.blocks.1.to_rgb.upsample"), "filters in only some of its blocks"),
        ("plain", put("GE.blocks.0.to_rgb.upsample.1.f", torch.ones(3)), r"other than \[1, 2, 1\]"),
        ("plain", put("GE.new", torch.ones(3)), r"the tensor 'GE\.new', which its layout lacks"),
        ("plain", put("H.new", torch.ones(3)), r"the tensor 'H\.new', which its layout lacks"),
        ("plain", put("GE.new", "text"), "not a dict of tensors"),
        ("plain", put("SE.net.0.weight", torch.ones(16, 99)), "z has 99 numbers and w has 16"),
        ("plain", without("SE."), "a part of a StyleGAN2 of lucidrains, which is not"),
        ("rich", put("D.quantize_blocks.0.fn.embed", torch.ones(8, 3)), "different sizes"),
    ],
)
def test_what_is_not_of_the_layout_is_refused(
    tmp_path: Path, name: str, change: Any, sentence: str
) -> None:
    path = saved(tmp_path, name, change)
    with pytest.raises(ItemError, match=sentence):
        for network in checkpoints.read(path).networks.values():
            network.build()


def test_a_discriminator_without_blur_is_read(tmp_path: Path) -> None:
    def change(content: Any, state: dict[str, Tensor]) -> None:
        for key in [key for key in state if ".downsample." in key]:
            value = state.pop(key)
            if not key.endswith(".f"):
                state[key.replace("downsample.1", "downsample")] = value

    images = lucid.golden("plain")[1]["images"]
    scores = checkpoints.read(lucid.written(tmp_path, "plain")).discriminator.build()(images)
    plain = checkpoints.read(saved(tmp_path, "plain", change)).discriminator
    assert error(plain.build()(images), scores) > 1e-3


def test_a_discriminator_is_read_without_generators(tmp_path: Path) -> None:
    def change(content: Any, state: dict[str, Tensor]) -> None:
        for key in [key for key in state if not key.startswith("D.")]:
            del state[key]

    _, wanted = lucid.golden("plain")
    file = checkpoints.read(saved(tmp_path, "plain", change))
    assert file.networks.keys() == {"D"}
    scores = file.discriminator.build()(wanted["images"] * 2 - 1)
    assert error(-scores, wanted["logits"]) < CLOSE


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
def test_it_comes_back_from_our_own_files(tmp_path: Path, suffix: str) -> None:
    file = checkpoints.read(lucid.written(tmp_path, "rich"))
    path = str(tmp_path / f"a{suffix}")
    checkpoints.write(path, file)
    back = checkpoints.read(path)
    for name, network in file.networks.items():
        assert back.networks[name].config == network.config
        for key, value in network.state.items():
            assert torch.equal(back.networks[name].state[key], value), key
    with pytest.raises(ItemError, match=r"a \.pt cannot hold a StyleGAN 2 of lucidrains"):
        checkpoints.write(str(tmp_path / "a.pt"), file)
