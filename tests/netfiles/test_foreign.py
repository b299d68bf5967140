"""Files of other programs are called what they are."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from animetools.errors import ItemError
from animetools.netfiles import checkpoints
from tests.netfiles import files


def said_of(path: Path) -> str:
    with pytest.raises(ItemError) as why:
        checkpoints.read(str(path))
    assert "\n" not in str(why.value)
    return str(why.value)


def nested(*names: str, **above: Any) -> dict[str, Any]:
    """Tensors by these names, and other entries of a checkpoint."""
    return {name: torch.zeros(2) for name in names} | above


OPTIMIZER = {"state": {0: nested("step", "exp_avg", "exp_avg_sq")}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (
            {"params": nested("blocks.0.to_style1.weight")},
            "a part of a StyleGAN2 of lucidrains, which is not supported yet",
        ),
        (
            {"GAN": nested("G.initial_conv.0.weight", "G.layers.0.0.2.1.weight")},
            "a lightweight GAN of lucidrains, not a StyleGAN",
        ),
        (
            nested("generator.progression.0.conv1.0.conv.weight_orig", "style.1.linear.weight"),
            "a StyleGAN 1 in rosinality's layout, which",
        ),
        (
            {"params_ema": nested("style_mlp.1.weight", "constant_input.weight")},
            "a StyleGAN2 in the layout of BasicSR",
        ),
        (
            {"state_dict": nested("generator_ema.style_mapping.1.weight"), "meta": {"epoch": 1}},
            "a StyleGAN in the layout of MMGeneration",
        ),
        (
            {"generator": nested("mapping.dense0.linear.weight", "synthesis.layer0.conv.weight")},
            "a StyleGAN in another layout than the usual of GenForce, which is not supported yet",
        ),
        (nested("g_synthesis.blocks.4x4.const"), "a StyleGAN 1 in lernapparat's layout"),
        (
            nested("mapping.w_avg", "synthesis.b4.const"),
            "the tensors of a StyleGAN2-ADA without its settings, which is not supported yet",
        ),
        (
            {"G_ema": nested("mapping.w_avg", "synthesis.b4.const"), "D": nested("b4.fc.weight")},
            "the tensors of a StyleGAN2-ADA without its settings, which is not supported yet",
        ),
        (nested("synthesis.input.freqs", "synthesis.L0_36_512.weight"), "a StyleGAN3"),
        (
            {"g": nested("module.init.init.0.weight_orig", "module.feat_8.1.weight_orig"), "d": {}},
            "a FastGAN, not a StyleGAN",
        ),
        ({"g_ema": [torch.zeros(1)], "opt_g": OPTIMIZER}, "such as 'g_ema.0'"),
        (nested("module.layers.0.conv_1.weight", "module.rgb_converters.0.weight"), "an MSG-GAN"),
        (nested("scaleLayers.0.0.module.weight"), "a Progressive GAN"),
        (nested("shared.weight", "blocks.0.0.conv1.weight"), "a BigGAN"),
        (nested("Model.MainLayers.0.Layers.0.weight"), "an R3GAN, not a StyleGAN"),
        (nested("main.0.weight", "main.1.running_mean"), "a DCGAN"),
        (
            {
                "state_dict": nested(
                    "encoder.input_layer.0.weight", "encoder.body.0.res_layer.0.weight"
                )
            },
            "an encoder of e4e or pSp without its generator",
        ),
        ({"params_ema": nested("conv_first.weight", "body.0.rdb1.conv1.weight")}, "an ESRGAN"),
        (
            {"state_dict": nested("model.diffusion_model.input_blocks.0.0.weight")},
            "a Stable Diffusion checkpoint",
        ),
        (nested("lora_unet_down_blocks_0.lora_down.weight"), "a LoRA"),
        (
            nested("down_blocks.0.resnets.0.conv1.weight", "time_embedding.linear_1.weight"),
            "a diff",
        ),
        (nested("model.0.conv.weight", "model.22.dfl.conv.weight"), "a YOLO"),
        (OPTIMIZER, "the state of an optimizer, not a StyleGAN"),
        ({"net": nested("a", "b"), "optimizer": OPTIMIZER}, "it has 2 tensors, such as 'net.a'"),
        ({"epoch": 3}, "a PyTorch checkpoint without a StyleGAN; it has no tensors"),
    ],
)
def test_a_layout_is_known_by_its_tensors(
    tmp_path: Path, content: dict[str, Any], layout: str
) -> None:
    torch.save(content, tmp_path / "x.pt")
    assert layout in said_of(tmp_path / "x.pt")
    if all(isinstance(value, torch.Tensor) for value in content.values()):
        safetensors.torch.save_file(content, tmp_path / "x.safetensors")
        assert layout in said_of(tmp_path / "x.safetensors")


def test_pickles_of_related_networks_are_told_apart(tmp_path: Path) -> None:
    three = nested("synthesis.input.freqs", "synthesis.L0_36_4.weight")
    judge = nested("feature_networks.x.weight")
    g_ema, d = files.ada_module(three, {}), files.ada_module(judge, {})
    for data, layout in [
        (files.ada_pickle(G_ema=g_ema), "a StyleGAN3"),
        (files.ada_pickle(G_ema=g_ema, D=d), "a StyleGAN-XL, which is not supported yet"),
        (pickle.dumps({"weights": np.zeros(3)}), "it has 1 tensor, such as 'weights'"),
    ]:
        (tmp_path / "x.pkl").write_bytes(data)
        assert layout in said_of(tmp_path / "x.pkl")


def test_the_program_of_a_pickled_module_is_named(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.pt")
    said = said_of(tmp_path / "x.pt")
    assert said.startswith(
        "a whole module of PyTorch, not its state_dict: the pickle names torch.nn"
    )
    assert said.endswith("which no network file needs: refused")


class Generator:
    """A network of R3GAN's own classes; the inner one is of the class that names it."""

    __module__ = "training.networks"

    def __init__(self, model: Any) -> None:
        self.Model = model


class Networks:
    __module__ = "R3GAN.Networks"


def test_pickles_of_classes_are_called_what_they_are(tmp_path: Path) -> None:
    for value, said in (
        (Generator(Networks()), "an R3GAN: the pickle names training.networks.Generator, which"),
        (Networks(), "an R3GAN: the pickle names R3GAN.Networks.Networks, which no"),
        (
            files.ada_module(
                {"mapping.embed_proj.weight": torch.zeros(2)}, {"embed": torch.nn.Embedding(2, 2)}
            ),
            "a StyleGAN-XL: the pickle names torch.nn.modules.sparse.Embedding, which no",
        ),
        (
            files.ada_module({}, {"embed": torch.nn.Embedding(2, 2)}),
            "a whole module of PyTorch, not its state_dict: the pickle names torch.nn.modules.sparse.",
        ),
    ):
        with files.pretended(Generator, Networks):
            (tmp_path / "x.pkl").write_bytes(files.ada_pickle(G_ema=value))
        assert said_of(tmp_path / "x.pkl").startswith(said)


def test_a_file_of_lists_within_lists_is_refused_at_once(tmp_path: Path) -> None:
    value: list[Any] = [torch.zeros(1)]
    for _ in range(40):
        value = [value, value]
    torch.save(value, tmp_path / "x.pt")
    assert "without a StyleGAN" in said_of(tmp_path / "x.pt")


def test_a_single_tensor_has_no_name_to_show(tmp_path: Path) -> None:
    torch.save(torch.zeros(2), tmp_path / "x.pt")
    assert said_of(tmp_path / "x.pt").endswith("it has 1 tensor")


def test_long_names_are_cut(tmp_path: Path) -> None:
    torch.save({"x" * 5000: torch.zeros(1)}, tmp_path / "x.pt")
    assert len(said_of(tmp_path / "x.pt")) < 300
    header = {"__metadata__": {"format": "pt"}}
    data = json.dumps(header).encode()
    (tmp_path / "y.safetensors").write_bytes(len(data).to_bytes(8, "little") + data)
    assert "without a StyleGAN; it has no tensors" in said_of(tmp_path / "y.safetensors")
