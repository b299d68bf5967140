"""The files of PyTorch's StyleGAN2-ADA."""

from typing import Any

import pytest
import torch

from animetools.errors import ItemError
from animetools.netfiles import pytorch
from animetools.netfiles.networkfile import NetworkFile
from animetools.netfiles.pickles import load_pickle
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from tests.netfiles import files, goldens

PAIRS = [
    ("ada-auto-64-G", "ada-auto-64-D"),
    ("ada-cond-64-G", "ada-cond-64-D"),
    ("s2-configf-32-G", "s2-configf-32-D"),
    ("s2-orig-32-G", "s2-orig-32-D"),
    ("s2-resnet-32-G", "s2-skip-32-D"),
    ("s2ext-32-G", "s2ext-32-D"),
]


def read(**values: Any) -> NetworkFile:
    """What a file of these values holds."""
    return pytorch.read(load_pickle(files.ada_pickle(**values)))


@pytest.mark.parametrize(("generator", "discriminator"), PAIRS)
def test_golden_files_are_read(generator: str, discriminator: str) -> None:
    snapshot = pytorch.read(load_pickle(files.ada_file(generator, discriminator)))
    assert snapshot.layout == "pytorch"
    assert set(snapshot.networks) == {"G", "D", "G_ema"}
    for network, name in zip(
        (snapshot.generator, snapshot.discriminator), (generator, discriminator), strict=True
    ):
        info = files.ada_info(name)
        assert network.config == goldens.ada_config(info)
        wanted = goldens.ada_state(info)
        assert set(network.state) == set(wanted)
        for key, tensor in network.build().state_dict().items():
            assert torch.equal(tensor, wanted[key]), key
    assert snapshot.facts == {
        "training_set_kwargs": {
            "class_name": "training.dataset.ImageFolderDataset",
            "path": "faces.zip",
            "xflip": True,
        },
        "num_fp16_res": 0,
    }


def tensors_of(name: str) -> dict[str, torch.Tensor]:
    """A golden network's tensors, without filters."""
    return goldens.ada_state(files.ada_info(name))


def test_a_base_need_not_be_square() -> None:
    g, d = tensors_of("s2-configf-32-G"), tensors_of("s2-configf-32-D")
    for name in g:
        if name.endswith("noise_const"):
            g[name] = g[name][:, : g[name].shape[1] * 3 // 4]
    g["synthesis.b4.const"] = g["synthesis.b4.const"][:, :, :3]
    d["b4.fc.weight"] = d["b4.fc.weight"][:, : d["b4.fc.weight"].shape[1] * 3 // 4]
    snapshot = read(G_ema=files.ada_module(g, {}), D=files.ada_module(d, {}))
    for network in (snapshot.generator, snapshot.discriminator):
        assert isinstance(network.config, StyleGAN2GeneratorConfig | StyleGAN2DiscriminatorConfig)
        assert network.config.base == (4, 3)
    images = snapshot.generator.build()(torch.zeros(1, g["mapping.fc0.weight"].shape[1]))
    assert images.shape == (1, 3, 32, 24)
    assert snapshot.discriminator.build()(images).shape == (1,)


def test_arguments_are_found_where_they_lie() -> None:
    g, d = tensors_of("s2-configf-32-G"), tensors_of("s2-configf-32-D")
    for name in [*g, *d]:
        block, _, rest = name.rpartition(".conv1.")
        if rest == "bias":
            (g if name in g else d)[f"{block}.resample_filter"] = torch.full((2, 2), 0.25)
    given = {
        "synthesis_kwargs": {"conv_clamp": 256, "num_fp16_res": 4},
        "mapping_kwargs": {"lr_multiplier": 0.02, "activation": "relu"},
    }
    given_d = {"conv_clamp": 128.0, "epilogue_kwargs": {"mbstd_group_size": None}}
    snapshot = read(G=files.ada_module(g, given), D=files.ada_module(d, given_d))
    generator, judge = snapshot.generator.config, snapshot.discriminator.config
    assert isinstance(generator, StyleGAN2GeneratorConfig)
    assert isinstance(judge, StyleGAN2DiscriminatorConfig)
    assert (generator.clamp, generator.kernel, generator.activation) == (256, (1, 1), "lrelu")
    assert (generator.mapping.lrmul, generator.mapping.activation) == (0.02, "relu")
    assert (judge.clamp, judge.kernel, judge.mbstd_group) == (128, (1, 1), None)
    assert snapshot.facts["num_fp16_res"] == 4


def test_a_discriminator_alone_is_read() -> None:
    snapshot = read(D=files.ada_network("s2-orig-32-D"), G=None)
    assert list(snapshot.networks) == ["D"]
    with pytest.raises(ItemError, match="no generator"):
        _ = snapshot.generator


def test_other_pickles_are_refused() -> None:
    network = tensors_of("s2-orig-32-G")
    stylegan3 = {"synthesis.input.freqs": torch.ones(2), "synthesis.L0_36_512.bias": torch.ones(2)}
    missing = {name: value for name, value in network.items() if "b8.conv0.weight" not in name}
    missing_block = {name: value for name, value in network.items() if ".b8." not in name}
    odd = {**network, "synthesis.b4.extra": torch.ones(1)}
    broken = {**network, "mapping.w_avg": torch.full_like(network["mapping.w_avg"], torch.nan)}
    cases: list[tuple[str, Any]] = [
        ("without G, D and G_ema", {"a": 1}),
        ("a StyleGAN3 without its settings", {"G_ema": files.ada_module(stylegan3, {})}),
        ("not one of PyTorch's", {"G_ema": {"state": {}}}),
        ("lacks the tensor synthesis.b8.conv0.weight", {"G": files.ada_module(missing, {})}),
        ("lacks the blocks", {"G": files.ada_module(missing_block, {})}),
        ("an unknown tensor 'synthesis.b4.extra'", {"G": files.ada_module(odd, {})}),
        ("not finite", {"G": files.ada_module(broken, {})}),
        ("conv_clamp is not a number", {"G": files.ada_module(network, {"conv_clamp": "a"})}),
    ]
    for sentence, values in cases:
        with pytest.raises(ItemError) as error:
            read(**values).generator.build()
        assert sentence in str(error.value)
        assert "\n" not in str(error.value)
