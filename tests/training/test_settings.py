"""Which settings a run has."""

from dataclasses import asdict
from typing import Any

import pytest
import torch

from animetools.errors import FatalError
from animetools.netfiles.networkfile import NetworkFile
from animetools.training.architecture import Configs, networks
from animetools.training.config import TrainConfig, preset
from animetools.training.networks import new_networks
from animetools.training.settings import as_networks, settings


def run_of(saved: TrainConfig | None = None, facts: Any = None, **told: Any) -> TrainConfig:
    """The settings of a run on images of 64 px; those of `saved` are in the snapshot it resumes."""
    snapshot = None
    if saved:
        snapshot = NetworkFile("animetools", {}, {"config": asdict(saved), **(facts or {})})
    transfer = bool(told.pop("transfer", ""))
    return settings(told, 64, snapshot, "run.pkl", transfer=transfer)


def test_what_is_told_counts_most_then_the_run_then_the_preset() -> None:
    assert run_of() == preset("ada", 64)
    first = run_of(preset="s2", gamma=3.0, mirror=True)
    assert (first.preset, first.gamma, first.mirror) == ("s2", 3.0, True)
    again = run_of(first, batch="8")
    assert (again.preset, again.gamma, again.mirror, again.batch) == ("s2", 3.0, True, "8")
    other = run_of(first, preset="ada")
    assert (other.gamma, other.map_layers) == (preset("ada", 64).gamma, first.map_layers)


def resumed(config: TrainConfig, found: Configs, **told: Any) -> TrainConfig:
    """The settings of what resumes a run of these settings, whose networks were found."""
    config = run_of(config, **told)
    return as_networks(config, networks(config, 64, 64, 3, 0), found)


def test_another_preset_keeps_what_the_networks_are() -> None:
    first = run_of(preset="s2ext")
    found = networks(first, 64, 64, 3, 0)
    wide = resumed(first, found, preset="s2")
    assert (wide.latent, wide.normalize, wide.mbstd_features) == (1024, False, 4)
    assert resumed(wide, found) == wide
    first = run_of(preset="s3r")
    found = networks(first, 64, 64, 3, 0)
    turns = resumed(first, found, preset="s3t")
    assert (turns.radial, turns.d_channels, turns.blur_kimg) == (True, 0.5, 0)
    assert resumed(turns, found) == turns


def test_another_architecture_is_refused() -> None:
    with pytest.raises(FatalError, match=r"--map-layers is 8 in run\.pkl, not 4"):
        run_of(run_of(preset="s2"), map_layers=4)


def test_p_follows_sooner_after_a_transfer_and_in_what_resumes_it() -> None:
    first = run_of(transfer="old.pkl")
    assert (first.ada_kimg, first.ema_ramp) == (100, None)
    assert (preset("ada", 64).ada_kimg, preset("ada", 64).ema_ramp) == (500, 0.05)
    assert run_of(first, {"transfer": "old.pkl"}) == first
    assert run_of(first).ada_kimg == 500


def test_s2ext_has_the_networks_of_this_anime_does_not_exist() -> None:
    generator, discriminator = networks(preset("s2ext", 512), 512, 512, 3, 0)
    with torch.device("meta"):
        built = new_networks(generator, discriminator, 0)
    counts = [sum(weights.numel() for weights in network.parameters()) for network in built]
    assert counts == [116_836_263, 28_996_673]
    assert not generator.mapping.normalize
    assert (discriminator.mbstd_group, discriminator.mbstd_features) == (32, 4)
    config = run_of(preset="s2ext", batch="8", mbstd=4)
    assert networks(config, 64, 64, 3, 0)[1].mbstd_group == 4


def test_s1_has_the_networks_of_the_original() -> None:
    generator, discriminator = networks(preset("s1", 1024), 1024, 1024, 3, 0)
    with torch.device("meta"):
        pair = new_networks(generator, discriminator, 0)
    counts = [sum(weights.numel() for weights in network.parameters()) for network in pair]
    assert counts == [26_219_627, 23_087_249]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"preset": "s1", "dtype": "bf16"}, "--dtype bf16: a StyleGAN 1 trains in fp32"),
        ({"preset": "s2", "stable_kimg": "10"}, "--stable-kimg is for --preset s1"),
        ({"fade_kimg": "10"}, "--fade-kimg is for --preset s1"),
    ],
)
def test_what_a_family_does_not_have_is_refused(told: dict[str, Any], reason: str) -> None:
    with pytest.raises(FatalError, match=reason):
        run_of(**told)
