"""Encoders: what they see, how they learn, and their files."""

import io
import json
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from animetools.errors import FatalError
from animetools.inversion import encoder_file
from animetools.inversion.encoder import Encoder, EncoderConfig, config_for
from animetools.inversion.encoder_training import training_of
from animetools.inversion.learning import altered
from animetools.inversion.network import ProjectingNetwork
from animetools.inversion.options import ProjectionOptions
from animetools.netfiles import checkpoints
from animetools.netfiles.fetch import SHIPPED
from animetools.netfiles.networkfile import NetworkFile
from animetools.networks.config import MappingConfig
from animetools.networks.normalization import normalized, plain
from animetools.networks.stylegan2.config import StyleGAN2GeneratorConfig
from animetools.sampling.sampler import open_network
from tests.tiny import MAPPING, generator, old_snapshot, snapshot

CPU = torch.device("cpu")
SMALL = EncoderConfig(3, 16, 16, 6, 8, (4, 4), hidden=8, directions=2)
HEX = "0123456789abcdef" * 4


def written(encoder: Encoder, network: str = HEX) -> bytes:
    file = io.BytesIO()
    encoder_file.write(encoder, network, file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("base", "count", "seen", "halvings"),
    [((4, 4), 3, (16, 16), 2), ((4, 4), 9, (64, 64), 4), ((6, 4), 5, (48, 32), 3)],
)
def test_it_sees_at_most_64_pixels_of_a_side(
    base: tuple[int, int], count: int, seen: tuple[int, int], halvings: int
) -> None:
    config = StyleGAN2GeneratorConfig(MAPPING, (8,) * count, base=base)
    fit = config_for(config, 6)
    assert ((fit.height, fit.width), len(fit.channels)) == (seen, halvings)
    height, width = config.image_size
    w, own = Encoder(fit)(torch.zeros(2, 3, height, width))
    assert (w.shape, own.shape) == ((2, 8), (2, 6, 8))


def test_it_stays_below_three_megabytes() -> None:
    """For the network that ships, which has as many rows as any of 64 pixels."""
    opened = open_network(SHIPPED)
    encoder = Encoder(config_for(opened.generator.config, opened.generator.num_ws))
    assert len(written(encoder)) < 3_000_000
    widest = StyleGAN2GeneratorConfig(MappingConfig(), (8,) * 9)
    assert len(written(Encoder(config_for(widest, 18)))) < 4_000_000


def test_normalizations_fold_into_convolutions() -> None:
    torch.manual_seed(0)
    network, images = normalized(Encoder(SMALL)), torch.rand(5, 3, 16, 16)
    for _ in range(3):
        network.train()(images)
    for one, other in zip(network.eval()(images), plain(network)(images), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_it_learns_the_latents_of_samples(tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "model.pkl"), snapshot())
    network = ProjectingNetwork(str(tmp_path / "model.pkl"), ProjectionOptions())
    training = training_of(network, 1.6, CPU)
    before = training.validate()
    terms = [training.step() for _ in range(100)]
    after = training.validate()
    assert before["held_back_w"] == pytest.approx(1, abs=0.3)
    assert after["held_back_w"] < 0.8 * before["held_back_w"]
    assert after["psnr"] > before["psnr"] + 3
    assert list(terms[0]) == ["w"]
    assert list(terms[50]) == ["w", "pixels"]
    assert list(terms[99]) == ["w", "pixels", "features"]
    assert training.is_sound()


@pytest.mark.parametrize(
    ("network", "options"),
    [
        (snapshot(image_channels=1), {}),
        (snapshot(c_dim=2), {}),
        (snapshot(c_dim=2), {"class_": "1"}),
        (old_snapshot(), {"features": "none"}),
    ],
)
def test_networks_of_all_kinds_have_encoders(
    tmp_path: Path, network: NetworkFile, options: dict[str, str]
) -> None:
    checkpoints.write(str(tmp_path / "model.pkl"), network)
    settings = ProjectionOptions(**options)  # type: ignore[arg-type]
    training = training_of(ProjectingNetwork(str(tmp_path / "model.pkl"), settings), 0.032, CPU)
    while training.done < training.total:
        assert all(torch.isfinite(term) for term in training.step().values())
    assert training.validate()["psnr"] > 0


def test_a_run_that_goes_on_is_the_run_that_did_not_stop(tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "model.pkl"), snapshot())
    network = ProjectingNetwork(str(tmp_path / "model.pkl"), ProjectionOptions())
    whole, parts = (training_of(network, 0.096, CPU) for _ in range(2))
    for _ in range(3):
        whole.step()
        parts.step()
    path = parts.save(str(tmp_path))
    parts = training_of(network, 0.096, CPU)
    parts.restore(path)
    for _ in range(3):
        whole.step()
        parts.step()
    one, other = (each.learner.encoder.state_dict() for each in (whole, parts))
    assert all(torch.equal(one[name], other[name]) for name in one)
    # Where a run has diverged, it goes on with other random numbers.
    parts.restore(path)
    parts.diverge(1)
    parts.step()
    assert not torch.equal(one["w.bias"], parts.learner.encoder.state_dict()["w.bias"])


def test_what_is_not_its_snapshot_is_refused(tmp_path: Path) -> None:
    checkpoints.write(str(tmp_path / "model.pkl"), snapshot())
    network = ProjectingNetwork(str(tmp_path / "model.pkl"), ProjectionOptions(features="none"))
    training = training_of(network, 0.032, CPU)
    path = training.save(str(tmp_path))
    sound = torch.load(path, weights_only=True)
    others: list[Any] = [
        torch.zeros(2),
        [],
        7,
        sound | {"facts": 7},
        sound | {"encoder": {}},
        sound | {"adam": 7},
        sound | {"adam": {"state": {}, "param_groups": 7}},
        sound | {"done": "many"},
        sound | {"done": float("inf")},
    ]
    for other in others:
        torch.save(other, path)
        with pytest.raises(FatalError, match="is not the snapshot of an encoder"):
            training.restore(path)


def test_changed_pictures_differ_a_little() -> None:
    images = generator()(torch.randn(6, 12, generator=torch.Generator().manual_seed(0)))
    images = images.detach().clamp(-1, 1)
    changed = altered(images, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.abs().max() <= 1
    difference = (changed - images).square().mean((1, 2, 3)).sqrt()
    assert (difference > 0.01).all() and (difference < 0.8).all()
    assert torch.equal(changed, altered(images, np.random.default_rng(0)))


def test_a_file_gives_the_encoder_again(tmp_path: Path) -> None:
    encoder = Encoder(SMALL)
    encoder.mean += 0.25
    (tmp_path / "e.safetensors").write_bytes(written(encoder))
    found = encoder_file.read(str(tmp_path / "e.safetensors"))
    assert found.network == HEX
    images = torch.rand(2, 3, 16, 16)
    for one, other in zip(encoder.ws(images), found.encoder.ws(images), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)  # half precision


def changed(name: str = encoder_file.FORMAT, header: str = "", **facts: Any) -> bytes:
    """A file whose header says something else."""
    tensors = {name: value.half() for name, value in Encoder(SMALL).state_dict().items()}
    sizes = asdict(SMALL) | facts.pop("sizes", {})
    return safetensors.torch.save(
        tensors, {name: header or json.dumps({"config": sizes, "network": HEX} | facts)}
    )


def not_finite() -> bytes:
    encoder = Encoder(SMALL)
    encoder.mean[0] = torch.nan
    return written(encoder)


HUGE = json.dumps({"mean": {"dtype": "F16", "shape": [1 << 60], "data_offsets": [0, 1 << 61]}})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed("animetools tagger 1"), "does not say 'animetools encoder 1'"),
        (changed(network="../../etc"), "header is malformed"),
        (changed(header="[" * 100_000), "header is malformed"),
        (changed(header="7"), "header is malformed"),
        (changed(network=7), "header is malformed"),
        (changed(config=7), "header is malformed"),
        (changed(sizes={"hidden": 9}), "tensors are not those of its encoder"),
        (changed(sizes={"channels": []}), "it has no layers"),
        (changed(sizes={"channels": [131072] * 16}), "tensors are not those of its encoder"),
        (changed(sizes={"channels": [4] * 33}), "invalid channels"),
        (changed(sizes={"hidden": 1 << 40}), "invalid hidden"),
        (changed(sizes={"more": 1}), "unknown field 'more'"),
        (not_finite(), "not finite"),
        (written(Encoder(SMALL))[:-1], "broken or truncated"),
        (struct.pack("<Q", len(HUGE)) + HUGE.encode(), "broken or truncated"),
        (struct.pack("<Q", 1 << 62) + b"{}", "header has more than"),
        (b"\x80\x04cposix\nsystem\n", "not a safetensors file"),
        (b"", "not a safetensors file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "e").write_bytes(data)
    with pytest.raises(FatalError, match=words):
        encoder_file.read(str(tmp_path / "e"))


@given(data=st.data())
def test_damaged_files_are_refused_or_read(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = bytearray(written(Encoder(SMALL)))
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        encoder_file.read(str(path)).encoder(torch.zeros(1, 3, 16, 16))
    except FatalError as why:
        assert "\n" not in str(why)


def test_an_encoder_that_does_not_fit_the_network_it_names_is_refused() -> None:
    other = EncoderConfig(3, 16, 16, 7, 8, (4, 4), hidden=8, directions=2)
    file = encoder_file.EncoderFile(Encoder(other), HEX)
    with pytest.raises(FatalError, match="rows is 7, not 6"):
        file.check("e", "model.pkl", HEX, generator())
    with pytest.raises(FatalError, match=r"e is an encoder of .* 0123456789abcdef.*model.pkl"):
        file.check("e", "model.pkl", HEX[::-1], generator())
