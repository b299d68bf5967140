"""A StyleGAN 1 trained here and written under the names of the original program is the same network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from animetools.netfiles import checkpoints
from animetools.networks.discriminator import Discriminator
from animetools.networks.generator import Generator
from animetools.networks.stylegan1.config import StyleGAN1DiscriminatorConfig
from animetools.training.config import preset
from animetools.training.gan import GAN
from tests.netfiles import goldens
from tests.training import pairs

GOLDEN = "s1_32"  # whose files say names and shapes
CONFIG = replace(preset("s1", 32), batch="4", stable_kimg="0.008", fade_kimg="0.012", ema_kimg=0.01)


def original_value(name: str, state: dict[str, Tensor]) -> Tensor:
    """A variable of the original from our state, as stylegan-tf-pickles.md names and lays it out."""
    scope, _, leaf = name.rpartition("/")
    if leaf == "lod":
        return state.get("lod", state.get("synthesis.lod"))  # type: ignore[return-value]
    if leaf == "dlatent_avg":
        return state["mapping.w_avg"]
    if scope.startswith("G_mapping"):
        value = state[f"mapping.fc{scope[-1]}.{leaf}"]
        return value.t() if leaf == "weight" else value
    scope = scope.removeprefix("G_synthesis/").removeprefix("G_synthesis")
    if leaf.startswith("noise"):
        number = int(leaf.removeprefix("noise"))
        return state[f"synthesis.b{4 << number // 2}.conv{number % 2}.noise_const"][None, None]
    is_judge = "b4.out.weight" in state
    if "_lod" in scope:  # ToRGB_lod2, FromRGB_lod2
        block = f"b{32 >> int(scope[-1])}"
        ours = f"{block}.fromrgb" if is_judge else f"synthesis.{block}.torgb"
    else:
        size, layer, *part = scope.split("/")
        block = f"b{size.partition('x')[0]}"
        layers = {"Const": "conv0", "Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1"}
        if is_judge:
            layers = {"Conv": "conv", "Dense0": "fc", "Dense1": "out"}
            layers |= {"Conv0": "conv0", "Conv1_down": "conv1"}
        ours = f"{block}.{layers[layer]}" if is_judge else f"synthesis.{block}.{layers[layer]}"
        if leaf == "const":
            return state["synthesis.b4.const"][None]
        if part == ["Noise"]:
            return state[f"{ours}.noise_strength"]
        ours += ".affine" if part == ["StyleMod"] else ""
    value = state[f"{ours}.{leaf}"]
    if leaf == "bias":
        return value
    return value.permute(2, 3, 1, 0) if value.dim() == 4 else value.t()


@pytest.mark.parametrize(("steps", "lod"), [(4, 2 - 4 / 12), (12, 0.0)])
def test_a_snapshot_under_the_original_names_gives_equal_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, lod: float
) -> None:
    path = tmp_path / "old.pkl"
    path.write_bytes(goldens.tf_file(GOLDEN))
    old = checkpoints.read(str(path))
    generator, discriminator = (old.networks[name].build() for name in ("G", "D"))
    assert isinstance(generator, Generator)
    assert isinstance(discriminator, Discriminator)
    gan = GAN(generator.train(), discriminator.train(), CONFIG)
    for number in range(steps):
        gan.step(pairs.uniform(number, 4, 3, 32, 32).float())
    assert gan.lod == pytest.approx(lod)

    info, _ = goldens.tf(GOLDEN)
    of_d = {name for name, _ in info["D"]["variables"]} - {"lod"}
    g_state, d_state = gan.ema.state_dict(), gan.discriminator.state_dict()

    def exported(name: str, shape: list[int], _: dict[str, Any]) -> goldens.Array:
        value = original_value(name, d_state if name in of_d else g_state)
        assert list(value.shape) == shape, name
        return value.contiguous().numpy()

    monkeypatch.setattr(goldens, "tf_value", exported)
    path.write_bytes(goldens.tf_file(GOLDEN))
    read = checkpoints.read(str(path))
    again, judge = read.generator.build(), read.discriminator.build()
    assert isinstance(judge.config, StyleGAN1DiscriminatorConfig)
    z = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(again(z), gan.ema(z))
        images = gan.ema(z)
        assert torch.equal(judge(images), gan.discriminator(images))
