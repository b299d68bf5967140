"""The files of StyleGAN3's repository: its own networks, and its StyleGAN2."""

from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor

from animetools.errors import ItemError
from animetools.netfiles import checkpoints, pytorch
from animetools.netfiles.describe import describe
from animetools.netfiles.machine import Call
from animetools.netfiles.networkfile import NetworkFile
from animetools.netfiles.pickles import load_pickle, mapped
from animetools.networks.discriminator import Discriminator
from tests.netfiles import sg3
from tests.netfiles.goldens import error, generator

CLOSE = 2e-5


@pytest.mark.parametrize("name", sg3.STYLEGAN3)
def test_a_generator_draws_what_the_original_drew(name: str) -> None:
    file, info, wanted = sg3.read(name)
    g, other, cutoff = generator(file), generator(file, "G"), info["cutoff"]
    z, c = wanted["z"], wanted.get("c")
    ws, one = g.mapping(z, c), None if c is None else c[:1]
    moved = {key: torch.tensor(info[key])[None] for key in ("M1", "M2")}
    found = {
        "w_psi1": ws[:, 0],
        "w_psi0.7": g.truncate(ws, 0.7)[:, 0],
        f"ws_psi0.7_cut{cutoff}": g.truncate(ws[:1], 0.7, cutoff),
        "img_psi1": g.synthesis(ws),
        "img_psi0.7": g(z[:1], one, 0.7),
        f"img_psi0.7_cut{cutoff}": g(z[:1], one, 0.7, cutoff),
        "img_psi1_M1": g.synthesis(ws[:1], transform=moved["M1"]),
        "img_psi1_M2": g.synthesis(ws[:1], transform=moved["M2"]),
        "img_psi0.7_M1": g.synthesis(g.truncate(ws[:1], 0.7), transform=moved["M1"]),
        "img_wplus": g.synthesis(wanted["wplus"]),
        "img_G_psi1": other(z[:1], one),
    }
    for key, value in found.items():
        assert error(value, wanted[key]) < CLOSE, key
    facts = describe(file)
    assert facts["generator"].startswith("StyleGAN 3")
    assert facts["width"] == info["common_kwargs"]["img_resolution"]
    config: Any = g.config
    wanted_layers = info["layers"]["layers"]
    for i, layer in enumerate(wanted_layers):
        assert config.layers[i].size == layer["out_size"]
        assert [*config.padding(i)] * 2 == layer["padding"]


@pytest.mark.parametrize("name", (*sg3.STYLEGAN3, *sg3.STYLEGAN2))
def test_a_discriminator_scores_as_the_original(name: str) -> None:
    file, _, wanted = sg3.read(name)
    d = file.discriminator.build()
    assert isinstance(d, Discriminator)
    for key in (key for key in wanted if key.startswith("scores_n")):
        count = int(key.removeprefix("scores_n"))
        labels = wanted["d_c"][:count] if "d_c" in wanted else None
        found = d(sg3.images(wanted)[:count], labels)
        assert error(found, wanted[key].flatten()) < CLOSE, key


@pytest.mark.parametrize("name", sg3.STYLEGAN2)
def test_a_stylegan_2_of_its_repository_is_drawn(name: str) -> None:
    file, _, wanted = sg3.read(name)
    g = generator(file)
    ws = g.mapping(wanted["z"], wanted.get("c"))
    assert error(g.synthesis(ws), wanted["img_psi1_const"]) < CLOSE
    assert error(g.truncate(ws, 0.7)[:, 0], wanted["w_psi0.7"]) < CLOSE
    assert error(g.synthesis(wanted["wplus"], "none"), wanted["img_wplus_none"]) < CLOSE


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
def test_it_comes_back_from_our_own_files(tmp_path: Any, suffix: str) -> None:
    file, _, wanted = sg3.read("t32x")
    path = str(tmp_path / f"a{suffix}")
    checkpoints.write(path, NetworkFile("animetools", file.networks, {}))
    back = checkpoints.read(path)
    assert {n: asdict(v.config) for n, v in back.networks.items()} == {  # type: ignore[call-overload]
        n: asdict(v.config)  # type: ignore[call-overload]
        for n, v in file.networks.items()
    }
    g = generator(back)
    assert error(g.synthesis(g.mapping(wanted["z"])), wanted["img_psi1"]) < CLOSE


def value_of(name: str) -> Any:
    """What is in a golden pickle."""
    return load_pickle(mapped(str(sg3.path(name))))


def state(value: Any, *names: str) -> dict[str, Any]:
    """The `__dict__` of a module within G_ema."""
    module = value["G_ema"]
    for name in names:
        module = module.args[0]["state"]["_modules"][name]
    assert isinstance(module, Call)
    found: dict[str, Any] = module.args[0]["state"]
    return found


@pytest.mark.parametrize(
    ("sentence", "module", "changes"),
    [
        ("padding of L2_", "L2", {"padding": [9, 9, 9, 9]}),
        ("the padding of L2_", "L2", {"padding": None}),
        ("do not fit together: rate", "L2", {"out_sampling_rate": 20}),
        ("do not fit together: rate", "L2", {"up_factor": 3}),
        ("up_factor is not a whole number", "L2", {"up_factor": -1}),
        ("out_sampling_rate is not a whole number", "L2", {"out_sampling_rate": 16.5}),
        ("out_sampling_rate is not a number", "L2", {"out_sampling_rate": float("nan")}),
        ("different clamps", "L2", {"conv_clamp": 3}),
        ("out_size is not that of a square", "L2", {"out_size": torch.ones(2).numpy() * [1, 2]}),
        ("names or sizes", "L2", {"out_size": 30}),
        ("do not fit together: bandwidth", "input", {"bandwidth": 99.0}),
        ("bandwidth is not a number", "input", {"bandwidth": None}),
        ("names or sizes", "", {"img_resolution": 64}),
    ],
)
def test_attributes_that_contradict_tensors_are_refused(
    sentence: str, module: str, changes: dict[str, Any]
) -> None:
    value = value_of("m32")
    names = state(value, "synthesis")["_modules"]
    full = [name for name in names if module and name.startswith(module)][:1]
    state(value, "synthesis", *full).update(changes)
    with pytest.raises(ItemError, match=sentence):
        pytorch.read(value)


def tensors_of(module: dict[str, Any]) -> dict[str, Tensor]:
    """All tensors of a module, in a dict that changes it."""
    found: dict[str, Tensor] = module["_buffers"]
    return found


def test_tensors_that_do_not_fit_are_refused() -> None:
    for sentence, change in (
        ("not positive", {"magnitude_ema": torch.tensor(-1.0)}),
        ("is malformed", {"up_filter": torch.ones(2, 3)}),
        ("is malformed", {"down_filter": torch.ones(4, 3)}),
        ("padding", {"down_filter": torch.ones(4)}),
    ):
        value = value_of("t32x")
        tensors_of(state(value, "synthesis", "L1_" + first_name(value, 1))).update(change)
        with pytest.raises(ItemError, match=sentence):
            pytorch.read(value)


def first_name(value: Any, layer: int) -> str:
    """The rest of the name of a layer."""
    names = state(value, "synthesis")["_modules"]
    full: str = next(n for n in names if n.startswith(f"L{layer}_"))
    return full.partition("_")[2]


def test_a_layer_too_few_is_refused() -> None:
    value = value_of("m32")
    names = state(value, "synthesis")["_modules"]
    del names["L3_" + first_name(value, 3)]
    with pytest.raises(ItemError, match="lacks the layers of a StyleGAN3"):
        pytorch.read(value)


def test_an_unknown_tensor_is_refused() -> None:
    value = value_of("m32")
    tensors_of(state(value, "mapping"))["embed_proj"] = torch.ones(1)
    with pytest.raises(ItemError, match=r"unknown tensor 'mapping\.embed_proj'"):
        pytorch.read(value).generator.build()
