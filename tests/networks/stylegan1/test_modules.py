"""StyleGAN 1: the old images and scores, and a network that can be trained."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from animetools.netfiles import pickles, tensorflow
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan1 import modules as stylegan1
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)
from tests.netfiles import goldens
from tests.netfiles.goldens import error
from tests.networks.conftest import idle_layers

CLOSE = 1e-5  # a tenth of what is promised, three times what was found
MAPPING = MappingConfig(z_dim=6, w_dim=5, layers=2, width=7)
SMALL = StyleGAN1GeneratorConfig(MAPPING, (4, 4, 3))
JUDGE = StyleGAN1DiscriminatorConfig((4, 4, 2), dense=6)


@pytest.mark.parametrize("name", [name for name in goldens.TF if name.startswith("s1_")])
def test_golden_networks_of_tensorflow(name: str) -> None:
    snapshot = tensorflow.read(pickles.load_pickle(goldens.tf_file(name)))
    _, results = goldens.tf(name)
    generator, discriminator = snapshot.generator.build(), snapshot.discriminator.build()
    assert isinstance(generator, stylegan1.Generator)
    for key, found in goldens.tf_images(generator, results):
        assert error(found, results[key]) < CLOSE, key
    for key, found in goldens.tf_scores(discriminator, results):
        assert torch.allclose(found, torch.tensor(results[key]), rtol=0, atol=CLOSE), key


def test_golden_layers() -> None:
    generator = tensorflow.read(pickles.load_pickle(goldens.tf_file("s1_32"))).generator.build()
    assert isinstance(generator, stylegan1.Generator)
    with np.load(goldens.GOLDEN / "tf/layers_s1_32.npz") as file:
        wanted = dict(file)
    found = {}
    for block in generator.synthesis.blocks:
        for layer in (block.conv0, block.conv1):
            layer.register_forward_hook(lambda module, _, output: found.update({module: output}))
    image = generator.synthesis(torch.tensor(wanted["dlatents"]))
    scopes = [key for key in wanted if "|" in key]
    assert len(scopes) == len(found)
    for scope, output in zip(scopes, found.values(), strict=True):
        assert error(output, wanted[scope]) < CLOSE, scope
    assert error(image, wanted["image"]) < CLOSE


def test_sizes_are_the_published_ones() -> None:
    widths = (*[512] * 4, 256, 128, 64, 32, 16)
    with torch.device("meta"):
        generator = stylegan1.Generator(StyleGAN1GeneratorConfig(MappingConfig(), widths))
        discriminator = stylegan1.Discriminator(StyleGAN1DiscriminatorConfig(widths))
    counts = [sum(p.numel() for p in m.parameters()) for m in (generator, discriminator)]
    assert counts == [26_219_627, 23_087_249]


@pytest.mark.parametrize("lod", [0.0, 0.5, 2.0])
def test_one_step_changes_every_parameter_in_use(lod: float) -> None:
    torch.manual_seed(0)
    generator, discriminator = stylegan1.Generator(SMALL), stylegan1.Discriminator(JUDGE)
    generator.synthesis.lod.fill_(lod)
    discriminator.lod.fill_(lod)
    idle = set(idle_layers(generator, discriminator, None))
    colors = {f"{end}.{rgb}" for end in ("b4", "b8", "b16") for rgb in ("torgb", "fromrgb")}
    layers = {f"{name}.conv{i}" for name in ("b8", "b16") for i in (0, 1)}
    short = {name.removeprefix("G.synthesis.").removeprefix("D.") for name in idle}
    used = {0.0: ("b16",), 0.5: ("b16", "b8"), 2.0: ("b4",)}[lod]
    unused = {name for name in colors if not name.startswith(used)}
    assert short == unused | (layers if lod == 2 else set())


def test_a_finished_network_needs_no_other_colors() -> None:
    torch.manual_seed(0)
    grown = stylegan1.Generator(SMALL).requires_grad_(False)
    fixed = stylegan1.Generator(replace(SMALL, progressive=False)).requires_grad_(False)
    missing, unexpected = fixed.load_state_dict(grown.state_dict(), strict=False)
    assert missing == []
    assert set(unexpected) == {"synthesis.lod"} | {
        f"synthesis.{block}.torgb.{leaf}" for block in ("b4", "b8") for leaf in ("weight", "bias")
    }
    z = torch.randn(2, 6)
    assert torch.equal(fixed(z), grown(z))


@pytest.mark.parametrize(
    "other",
    [
        {"constant": False},
        {"noise": False},
        {"styles": False},
        {"pixel_norm": True},
        {"instance_norm": False},
        {"wscale": False},
        {"kernel": ()},
        {"fused_from": 0},
        {"base": (4, 3)},
        {"activation": "relu"},
    ],
)
def test_every_setting_matters(other: dict[str, Any]) -> None:
    torch.manual_seed(0)
    usual = stylegan1.Generator(SMALL).requires_grad_(False)
    unusual = stylegan1.Generator(replace(SMALL, **other)).requires_grad_(False)
    for block in usual.synthesis.blocks:
        for layer in (block.conv0, block.conv1):
            layer.noise_strength.fill_(1.0)
    if "base" not in other:
        kept = unusual.state_dict()
        kept |= {name: value for name, value in usual.state_dict().items() if name in kept}
        unusual.load_state_dict(kept)
    z = torch.randn(2, 6)
    images = unusual(z)
    assert images.shape == (2, 3, unusual.height, unusual.width)
    assert bool(images.isfinite().all())
    assert not torch.equal(images, usual(z))


def test_a_cutoff_is_needed_for_truncation() -> None:
    generator = stylegan1.Generator(SMALL).requires_grad_(False)
    ws = torch.randn(2, generator.num_ws, 5)
    assert torch.equal(generator.truncate(ws, 0.5), ws)
    assert torch.equal(generator.truncate(ws, 0.5, 0), ws)
    assert torch.equal(generator.truncate(ws, 0.5, -1), ws)
    half = generator.truncate(ws, 0.5, 2)
    torch.testing.assert_close(half[:, :2], ws[:, :2] / 2)  # a new network's average is 0
    assert torch.equal(half[:, 2:], ws[:, 2:])
