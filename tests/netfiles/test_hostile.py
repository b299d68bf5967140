"""Small files that would ask for much, or break far from where they are read."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from animetools.dataset.labels import MOST_CLASSES
from animetools.errors import ItemError
from animetools.netfiles.checkpoints import read, write
from animetools.netfiles.configs import config_to_json
from animetools.netfiles.describe import describe
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import MappingConfig
from animetools.networks.stylegan2 import cpu_trunk
from animetools.networks.stylegan2 import modules as stylegan2
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from tests.netfiles.files import Persistent, ada_network, ada_pickle
from tests.tiny import snapshot


def ours(network: SavedNetwork, facts: Any = None, **fields: Any) -> bytes:
    """A file of ours whose config says what it likes."""
    entry = {"config": config_to_json(network.config) | fields, "state": dict(network.state)}
    file = io.BytesIO()
    networks = {"D" if "dense" in entry["config"] else "G_ema": entry}
    torch.save(
        {"format": "animetools", "version": 1, "facts": facts or {}, "networks": networks}, file
    )
    return file.getvalue()


def refused(data: bytes, path: Path) -> str:
    path.write_bytes(data)
    with pytest.raises(ItemError) as why:
        for network in read(str(path)).networks.values():
            network.build()
    return str(why.value)


def test_a_long_filter_is_not_even_converted(tmp_path: Path) -> None:
    network = ada_network("s2-configf-32-G")
    network.meta["state"]["_buffers"]["resample_filter"] = torch.zeros(20_000, dtype=torch.int8)
    assert "malformed resample filter" in refused(ada_pickle(G=network), tmp_path / "a.pkl")


def test_modules_that_share_their_tensors_are_refused(tmp_path: Path) -> None:
    network = ada_network("s2-configf-32-G")

    def part(of: Persistent, name: str) -> Persistent:
        found: Persistent = of.meta["state"]["_modules"][name]
        return found

    block = part(part(network, "synthesis"), "b8")
    one, other = (part(block, name).meta["state"] for name in ("conv0", "conv1"))
    one["_parameters"] = other["_parameters"]
    assert "in two places" in refused(ada_pickle(G=network), tmp_path / "a.pkl")


def test_facts_hold_the_names_of_as_many_tags_as_datasets_have(tmp_path: Path) -> None:
    names = [f"a_long_tag_{number}" for number in range(MOST_CLASSES)]
    path = tmp_path / "a.pkl"
    path.write_bytes(ours(snapshot().generator, facts={"labels": names}))
    assert read(str(path)).facts["labels"] == names


def test_facts_are_short_also_when_they_share_their_texts(tmp_path: Path) -> None:
    text = "\1" * 20_000
    data = ours(snapshot().generator, facts={"a": [text] * 5000})
    assert "facts" in refused(data, tmp_path / "a.pkl")


def test_images_larger_than_any_network_makes_are_refused(tmp_path: Path) -> None:
    deep = StyleGAN2DiscriminatorConfig((1,) * 10, dense=1)
    state = stylegan2.Discriminator(deep).state_dict()
    data = ours(SavedNetwork(deep, state), base=[1024, 1024])
    assert "invalid size" in refused(data, tmp_path / "a.pkl")


def test_a_group_of_none_is_refused(tmp_path: Path) -> None:
    data = ours(snapshot().discriminator, mbstd_group=0)
    assert "mbstd_group" in refused(data, tmp_path / "a.pkl")


def test_growth_beyond_the_last_block_is_refused(tmp_path: Path) -> None:
    whole = snapshot().generator
    assert isinstance(whole.config, StyleGAN2GeneratorConfig)
    config = replace(whole.config, architecture="progressive")
    state = stylegan2.Generator(config).state_dict() | {"synthesis.lod": torch.tensor(-1.5)}
    assert "synthesis.lod is -1.5" in refused(ours(SavedNetwork(config, state)), tmp_path / "a.pkl")


def test_rosinality_has_z_as_wide_as_w(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    config = StyleGAN2GeneratorConfig(MappingConfig(8, 0, 8, 2, 8), (8, 8, 8))
    state = stylegan2.Generator(config).state_dict()
    write(str(path), NetworkFile("animetools", {"G_ema": SavedNetwork(config, state)}, {}))
    content = torch.load(path, weights_only=True)
    del content["latent_avg"]
    content["g_ema"]["style.1.weight"] = torch.zeros(8, 9000)
    torch.save(content, file := io.BytesIO())
    assert "equally many" in refused(file.getvalue(), path)


def test_only_numbers_are_told_of_a_strangers_facts() -> None:
    networks = snapshot().networks
    for kimg in ("\x1b[31m", {"a": "\n"}, "\ud800"):
        assert "kimg" not in describe(NetworkFile("animetools", networks, {"kimg": kimg}))
    assert describe(NetworkFile("animetools", networks, {"kimg": 12.5}))["kimg"] == 12.5


def test_a_large_average_is_a_number_all_the_same() -> None:
    network = snapshot().generator
    state = network.state | {"mapping.w_avg": torch.full((8,), 1e30)}
    told = describe(NetworkFile("animetools", {"G_ema": SavedNetwork(network.config, state)}, {}))
    json.dumps(told, allow_nan=False)


def test_features_of_one_pixel_are_not_the_scratch_of_the_next() -> None:
    torch.manual_seed(0)
    config = StyleGAN2DiscriminatorConfig((4, 4, 4), base=(1, 1), dense=4)
    network = stylegan2.Discriminator(config).eval().requires_grad_(False)
    images = torch.rand(3, 3, 4, 4)

    found = cpu_trunk.Trunk(config, network.state_dict())(images)

    torch.testing.assert_close(found, network.features(images))
