"""The .pth files of GenForce: StyleGAN 1 and 2, whose arithmetic is that of our families."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from animetools.errors import ItemError
from animetools.netfiles import checkpoints
from animetools.netfiles.networkfile import NetworkFile
from tests.netfiles import genforce_files
from tests.netfiles.goldens import error, generator

CLOSE = 1e-5


def saved(folder: Path, content: Any) -> NetworkFile:
    """What is read of a file with this content."""
    torch.save(content, folder / "a.pth")
    return checkpoints.read(str(folder / "a.pth"))


def drawn(file: NetworkFile, *given: Any) -> Tensor:
    """The images of its generator."""
    images: Tensor = generator(file)(*given)
    return images


@pytest.mark.parametrize("name", genforce_files.NAMES)
def test_networks_compute_what_their_programs_computed(tmp_path: Path, name: str) -> None:
    file = saved(tmp_path, genforce_files.content(name))
    info, wanted = genforce_files.golden(name)
    assert file.layout == "genforce"
    assert set(file.networks) == {"G_ema", "G", "D"}
    assert file.generator.config.image_size == (info["size"], info["size"])
    z, c, step = wanted["z"], wanted.get("labels"), max(1, info["size"] // 32)
    assert error(drawn(file, z, c)[..., ::step, ::step], wanted["image"]) < CLOSE
    truncated = drawn(file, z, c, 0.5, 4)[:1, ..., ::step, ::step]
    assert error(truncated, wanted["image_psi0.5_cut4"]) < CLOSE
    discriminator, side, labels = file.discriminator.build(), info["size"] // 4, None
    images = wanted["colors"].repeat_interleave(side, 2).repeat_interleave(side, 3)
    for key, count in (("scores", 4), ("scores_n1", 1)):
        if "d_labels" in wanted:
            labels = wanted["d_labels"][:count]
        assert error(discriminator(images[:count], labels), wanted[key]) < CLOSE, key


@pytest.mark.parametrize(
    ("form", "networks"),
    [
        (
            lambda states: {"models": states, "running_metadata": {"seen_img": 3000}},
            {"G_ema", "G", "D"},
        ),
        (lambda states: {"generator": states["generator"]}, {"G"}),
        (lambda states: {"discriminator": states["discriminator"]}, {"D"}),
        (lambda states: states["generator"], {"G_ema"}),
        (lambda states: states["discriminator"], {"D"}),
        (lambda states: {"generator": named("module.", states["generator"])}, {"G"}),
    ],
)
def test_the_forms_of_a_file(tmp_path: Path, form: Any, networks: set[str]) -> None:
    file = saved(tmp_path, form(genforce_files.content("s2")))
    assert set(file.networks) == networks
    assert file.facts == ({"kimg": 3} if len(networks) == 3 else {})
    for network in file.networks.values():
        network.build()


def named(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


def without(name: str) -> Any:
    return lambda state: [state.pop(key) for key in [*state] if name in key]


def put(name: str, value: Any) -> Any:
    return lambda state: state.update({name: value})


@pytest.mark.parametrize(
    ("name", "part", "change", "sentence"),
    [
        (
            "s2",
            "generator",
            without("layer3.style.bias"),
            r"lacks the tensor synthesis\.layer3\.st",
        ),
        ("s2", "generator", put("new", torch.ones(1)), "the tensor 'new', which its layout lacks"),
        ("s2", "generator", put("new", "text"), "not a dict of tensors"),
        ("s2", "generator", without("output1"), r"lacks the tensor synthesis\.output1\.weight"),
        ("s2", "generator", put("synthesis.upsample.kernel", torch.ones(1, 1, 4, 4)), "1, 3, 3, 1"),
        ("s2", "generator", put("synthesis.upsample.kernel", torch.ones(4)), "a filter other than"),
        ("s1", "generator", put("synthesis.layer2.blur.kernel", torch.ones(8, 1, 3, 3)), "1, 2, 1"),
        ("s2", "generator", put("truncation.w_avg", torch.ones(128)), "w_avg is"),
        ("s2", "discriminator", without("skip_layer1"), r"lacks the tensor skip_layer1\.weight"),
        (
            "s2",
            "discriminator",
            put("layer6.weight", torch.ones(4)),
            r"b4\.conv\.weight has 1 axes",
        ),
    ],
)
def test_what_is_not_of_the_layout_is_refused(
    tmp_path: Path, name: str, part: str, change: Any, sentence: str
) -> None:
    state = dict(genforce_files.content(name)[part])
    change(state)
    with pytest.raises(ItemError, match=sentence):
        for network in saved(tmp_path, {part: state}).networks.values():
            network.build()


def test_a_progressive_gan_is_refused_by_name(tmp_path: Path) -> None:
    ones = dict.fromkeys(["layer0.weight", "layer2.weight", "lod"], torch.ones(1))
    for part, state in (
        ("generator", ones | {"output0.weight": torch.ones(1)}),
        ("discriminator", ones | {"input0.weight": torch.ones(1)}),
    ):
        with pytest.raises(ItemError, match="a PGGAN in GenForce's layout, not a StyleGAN"):
            saved(tmp_path, {part: state})


def test_a_stylegan_2_goes_to_rosinalitys_layout(tmp_path: Path) -> None:
    file = saved(tmp_path, genforce_files.content("s2"))
    checkpoints.write(str(tmp_path / "b.pt"), file)
    back = checkpoints.read(str(tmp_path / "b.pt"))
    z = torch.ones(1, 16)
    assert error(drawn(back, z), drawn(file, z)) < CLOSE
