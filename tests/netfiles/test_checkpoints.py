"""Network files come back as they were written; other files are refused in one sentence."""

import errno
import io
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.errors import ItemError
from animetools.netfiles import checkpoints
from animetools.netfiles.configs import config_from_json, config_to_json
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks.config import Config, MappingConfig, Truncation
from animetools.networks.families import kind_of
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from tests import tiny
from tests.netfiles import files, goldens

small = st.integers(1, 4)
mappings = st.builds(
    MappingConfig,
    z_dim=small,
    c_dim=st.integers(0, 3),
    w_dim=small,
    layers=st.integers(1, 3),
    width=small,
    lrmul=st.floats(0.001, 1),
    normalize=st.booleans(),
    labels=st.sampled_from(["embed", "concat"]),
    activation=st.sampled_from(["lrelu", "relu"]),
)
common: dict[str, Any] = {
    "channels": st.lists(small, min_size=1, max_size=3).map(tuple),
    "base": st.tuples(small, small),
    "image_channels": small,
    "activation": st.sampled_from(["lrelu", "relu"]),
}
truncations = st.builds(Truncation, st.floats(-2, 2), st.one_of(st.none(), st.integers(-1, 20)))
second = common | {
    "architecture": st.sampled_from(["skip", "resnet", "orig", "progressive"]),
    "kernel": st.lists(st.floats(0.5, 3), min_size=1, max_size=6).map(tuple),
    "clamp": st.one_of(st.none(), st.just(256.0)),
}
first = common | {"progressive": st.booleans()}
first |= {"kernel": st.sampled_from([(), (1, 2, 1)]), "wscale": st.booleans()}
switches = ("constant", "noise", "styles", "pixel_norm", "instance_norm")
generators: st.SearchStrategy[Config] = st.one_of(
    st.builds(StyleGAN2GeneratorConfig, mapping=mappings, truncation=truncations, **second),
    st.builds(
        StyleGAN1GeneratorConfig,
        mapping=mappings,
        truncation=truncations,
        fused_from=st.sampled_from([0, 128, 1 << 30]),
        **first,
        **dict.fromkeys(switches, st.booleans()),
    ),
)


@st.composite
def discriminators(draw: st.DrawFn) -> Config:
    c_dim, features = draw(st.integers(0, 3)), draw(st.integers(0, 2))
    ends: dict[str, Any] = {
        "c_dim": st.just(c_dim),
        "dense": small,
        "mbstd_features": st.just(features),
    }
    groups = st.sampled_from([1, 2, 4])
    config: Config
    if draw(st.booleans()):
        config = draw(st.builds(StyleGAN1DiscriminatorConfig, **first, **ends, mbstd_group=groups))
    else:
        labels = draw(st.sampled_from(["projection", "output", "ignored"]))
        mapping = replace(draw(mappings), z_dim=0, c_dim=c_dim, labels="embed")
        ends["mapping"] = st.just(mapping if labels == "projection" and c_dim else None)
        ends |= {"labels": st.just(labels), "mbstd_group": st.one_of(st.none(), groups)}
        config = draw(st.builds(StyleGAN2DiscriminatorConfig, **second, **ends))
    return replace(config, channels=(max(features, 1) * 2, *config.channels))


def of(**configs: Config) -> NetworkFile:
    """Networks of these configs, with numbers that say where they belong."""
    networks = {}
    for name, config in configs.items():
        state = kind_of(config).module(config).state_dict()
        drawn = {key: torch.randn_like(v) for key, v in state.items()}
        drawn |= {key: value.abs() for key, value in drawn.items() if key.endswith("lod")}
        networks[name] = SavedNetwork(config, drawn)
    return NetworkFile(
        "animetools", networks, {"kimg": 7, "note": "ünï", "list": [1.5, None, True]}
    )


def assert_same(found: NetworkFile, wanted: NetworkFile) -> None:
    assert found.facts == wanted.facts
    assert set(found.networks) == set(wanted.networks)
    for name, network in wanted.networks.items():
        assert found.networks[name].config == network.config
        assert set(found.networks[name].state) == set(network.state)
        for key, value in network.state.items():
            assert torch.equal(found.networks[name].state[key], value), key


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
@settings(max_examples=20, deadline=None)
@given(generator=generators, discriminator=discriminators())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    generator: Config,
    discriminator: Config,
) -> None:
    snapshot = of(G=generator, D=discriminator, G_ema=generator)
    path = str(tmp_path_factory.getbasetemp() / f"network{suffix}")
    checkpoints.write(path, snapshot)
    found = checkpoints.read(path)
    assert found.layout == ("animetools" if suffix == ".pkl" else "safetensors")
    for network in found.networks.values():
        network.build()
    assert_same(found, snapshot)


def test_torch_itself_reads_ours(tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "a.pkl"), tiny.snapshot())
    content = torch.load(tmp_path / "a.pkl", weights_only=True)
    assert (content["format"], content["version"], content["facts"]) == (
        "animetools",
        1,
        {"kimg": 1},
    )
    assert set(content["networks"]) == {"G_ema", "D"}


def test_a_view_is_written_without_what_it_is_a_view_of(tmp_path: Path) -> None:
    snapshot = tiny.snapshot()
    wide = torch.zeros(1000, 1000)
    wide[:8, :8] = snapshot.generator.state["mapping.fc1.weight"]
    snapshot.generator.state["mapping.fc1.weight"] = wide[:8, :8].T.T
    for name in ("a.pkl", "a.safetensors"):
        checkpoints.write(str(tmp_path / name), snapshot)
        assert (tmp_path / name).stat().st_size < 200_000
        assert_same(checkpoints.read(str(tmp_path / name)), snapshot)


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (lambda: goldens.tf_file("s2f_32"), "tensorflow"),
        (lambda: files.ada_file("s2-configf-32-G", "s2-configf-32-D"), "pytorch"),
    ],
)
def test_files_are_known_by_their_content(
    tmp_path: Path, content: Callable[[], bytes], layout: str
) -> None:
    path = tmp_path / "network-snapshot-025000.safetensors"
    path.write_bytes(content())
    snapshot = checkpoints.read(str(path))
    assert (snapshot.layout, snapshot.facts["kimg"]) == (layout, 25000)


def test_any_name_will_do(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
    for suffix in (".pkl", ".safetensors"):
        checkpoints.write(f"{folder}/a{suffix}", tiny.snapshot())
        assert_same(checkpoints.read(f"{folder}/a{suffix}"), tiny.snapshot())


def ours(suffix: str = ".pkl") -> Callable[[Path], None]:
    return lambda path: _written(path, suffix, tiny.snapshot())


def _written(path: Path, suffix: str, snapshot: NetworkFile) -> None:
    made = path.with_suffix(suffix)
    checkpoints.write(str(made), snapshot)
    made.rename(path)


def holding(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def cut(make: Callable[[Path], None], share: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        make(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return write


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """A file of ours with something changed in its content."""

    def write(path: Path) -> None:
        ours()(path)
        content = torch.load(path, weights_only=True)
        change(content)
        torch.save(content, path)

    return write


def set_config(**fields: Any) -> Callable[[Path], None]:
    return changed(lambda content: content["networks"]["G_ema"]["config"].update(fields))


def metadata(**fields: str) -> Callable[[Path], None]:
    """A .safetensors of ours with other metadata."""
    snapshot = tiny.snapshot()
    tensors = {f"D.{key}": value for key, value in snapshot.discriminator.state.items()}
    usual = {
        "format": "animetools",
        "version": "1",
        "facts": "{}",
        "networks": json.dumps({"D": config_to_json(snapshot.discriminator.config)}),
    }
    return lambda path: safetensors.torch.save_file(tensors, path, usual | fields)


def nested() -> dict[str, Any]:
    value: list[Any] = []
    for _ in range(50):
        value = [value, value]
    return {"bomb": value}


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "folder": (lambda path: path.mkdir(), "not a file"),
    "empty": (lambda path: path.touch(), "an empty file"),
    "text": (holding(b"hello\n" * 99), "not a network file"),
    "array": (holding(b"\x93NUMPY\x01\x00" + bytes(99)), "not a network file"),
    "cut": (cut(ours(), 0.9), "a truncated zip file"),
    "cut safetensors": (cut(ours(".safetensors"), 0.9), "a broken or truncated safetensors file"),
    "another dict": (
        holding(pickle.dumps({"a": 1})),
        "no StyleGAN is in it",
    ),
    "another checkpoint": (
        lambda path: torch.save({"model": torch.zeros(2)}, path),
        "a PyTorch checkpoint without a StyleGAN",
    ),
    "an old checkpoint": (
        lambda path: torch.save([1], path, _use_new_zipfile_serialization=False),
        "a PyTorch checkpoint without a StyleGAN",
    ),
    "a module": (
        lambda path: torch.save(torch.nn.Linear(2, 2), path),
        "the pickle names torch.nn.modules.linear.Linear, which no network file needs: refused",
    ),
    "other safetensors": (
        lambda path: safetensors.torch.save_file({"a": torch.zeros(2)}, path),
        "a safetensors file without a StyleGAN",
    ),
    "long header": (
        holding((1 << 21).to_bytes(8, "little") + b"{" * (1 << 22)),
        "its header has more than 1,048,576 bytes",
    ),
    "metadata": (metadata(facts="{"), "the metadata of the safetensors file is malformed"),
    "deep metadata": (
        metadata(facts="[" * 100_000),
        "the metadata of the safetensors file is malformed",
    ),
    "no version": (metadata(version="x"), "the metadata of the safetensors file is malformed"),
    "later safetensors": (metadata(version="2"), "written by a later version of animetools"),
    "loose tensors": (metadata(networks="{}"), "tensors that belong to no network"),
    "later": (changed(lambda c: c.update(version=2)), "written by a later version of animetools"),
    "no networks": (changed(lambda c: c["networks"].clear()), "the file has no network in it"),
    "unknown name": (
        changed(lambda c: c["networks"].update(Gs=c["networks"]["D"])),
        "the file has a network of the unknown name 'Gs'",
    ),
    "wrong place": (
        changed(lambda c: c["networks"].update(G=c["networks"]["D"])),
        "G is a network of the wrong kind",
    ),
    "no state": (
        changed(lambda c: c["networks"]["D"].pop("state")),
        "the file lacks the config or the state of D",
    ),
    "no tensor": (
        changed(lambda c: c["networks"]["D"]["state"].update(x=1)),
        "the state of D has values that are not tensors",
    ),
    "facts": (changed(lambda c: c.update(facts=[1])), "the facts in the file are not plain"),
    "tensor as fact": (
        changed(lambda c: c["facts"].update(x=torch.zeros(1))),
        "the facts in the file are not plain",
    ),
    "bomb as fact": (
        changed(lambda c: c.update(facts=nested())),
        "facts in the file are not plain",
    ),
    "kind": (set_config(kind="StyleGAN4"), "a network of an unknown kind"),
    "unknown field": (set_config(layers=3), "the network's config has an unknown field 'layers'"),
    "lacking field": (
        changed(lambda c: c["networks"]["G_ema"]["config"].pop("channels")),
        "the network's config lacks channels",
    ),
    "bool for tuple": (set_config(channels=True), "an invalid channels"),
    "no channels": (set_config(channels=[]), "an invalid channels"),
    "bomb as field": (set_config(channels=nested()["bomb"]), "an invalid channels"),
    "many blocks": (set_config(channels=[1] * 33), "an invalid channels"),
    "wide block": (set_config(channels=[1 << 40] * 3), "an invalid channels"),
    "zero block": (set_config(channels=[8, 0, 8]), "an invalid channels"),
    "base": (set_config(base=[4, 4, 4]), "an invalid base"),
    "kernel": (set_config(kernel=[1.0, -1.0]), "an invalid kernel"),
    "no kernel": (set_config(kernel=[]), "an invalid kernel"),
    "nan": (set_config(clamp=float("nan")), "an invalid clamp"),
    "architecture": (set_config(architecture="unet"), "an invalid architecture"),
    "label mapping": (
        changed(lambda c: c["networks"]["D"]["config"].update(c_dim=3)),
        "an invalid mapping",
    ),
    "mapping": (set_config(mapping=None), "an invalid mapping"),
}


@pytest.mark.parametrize("name", BAD)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    make, reason = BAD[name]
    make(tmp_path / "bad")
    with pytest.raises(ItemError) as caught:
        checkpoints.read(str(tmp_path / "bad"))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        checkpoints.read(str(tmp_path / "gone.pkl"))


def test_a_config_takes_no_more_room_than_its_tensors(tmp_path: Path) -> None:
    huge = 1 << 17  # squared, it is more than any machine has
    for fields in (
        {"channels": [huge] * 16},
        {"base": [1024, 1024]},
        {"image_channels": huge},
        {"mapping": asdict(MappingConfig(huge, huge, huge, 64, huge))},
    ):
        set_config(**fields)(tmp_path / "a.pkl")
        with pytest.raises(
            ItemError, match=r"the tensor .* is .*, not|lacks the tensor|invalid size"
        ):
            checkpoints.read(str(tmp_path / "a.pkl")).generator.build()


def test_a_tensor_that_is_not_finite_is_named(tmp_path: Path) -> None:
    snapshot = tiny.snapshot()
    snapshot.generator.state["synthesis.b8.conv1.weight"][0, 0, 0, 0] = float("nan")
    checkpoints.write(str(tmp_path / "a.pkl"), snapshot)
    with pytest.raises(ItemError, match=r"the tensor synthesis\.b8\.conv1\.weight has numbers"):
        checkpoints.read(str(tmp_path / "a.pkl")).generator.build()


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    snapshot = of(G_ema=StyleGAN1GeneratorConfig(MappingConfig(2, 0, 2, 1, 2), (2, 2)))
    with pytest.raises(ItemError, match=r"a \.pt cannot hold a StyleGAN 1"):
        checkpoints.write(str(tmp_path / "a.pt"), snapshot)
    assert list(tmp_path.iterdir()) == []


@given(generators | discriminators())
def test_a_plain_config_is_json(config: Config) -> None:
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
def test_a_full_disk_is_told(suffix: str) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 1000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    with pytest.raises(OSError, match="No space left"):
        checkpoints.WRITERS[suffix](tiny.snapshot(), Full())


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
def test_tensors_that_share_memory_are_written_apart(tmp_path: Path, suffix: str) -> None:
    network = tiny.snapshot().generator
    names = ("mapping.fc0.bias", "mapping.fc1.bias")
    same = network.state | dict.fromkeys(names, network.state[names[0]])
    path = str(tmp_path / f"same{suffix}")

    checkpoints.write(path, NetworkFile("animetools", {"G": replace(network, state=same)}, {}))

    found = checkpoints.read(path).generator
    found.build()  # which refuses tensors that share bytes
    assert torch.equal(found.state[names[1]], same[names[0]])
