"""The network that ships with the suite."""

import os

import torch

from animetools.download import sha256_of
from animetools.inversion import encoder_file
from animetools.netfiles import checkpoints
from animetools.netfiles.classes import classes_of, examples_of
from animetools.netfiles.fetch import locate


def test_it_is_small_and_has_what_samples_and_judges() -> None:
    path = locate("default")
    assert os.path.getsize(path) <= 12_000_000
    snapshot = checkpoints.read(path)
    assert (set(snapshot.networks), snapshot.training) == ({"G_ema", "D"}, None)
    for network in snapshot.networks.values():
        assert {value.dtype for value in network.state.values()} == {torch.float16}
        network.build()
    assert snapshot.facts["kimg"] > 0


def test_it_knows_tags_and_those_of_its_images() -> None:
    facts = checkpoints.read(locate("default")).facts
    classes = classes_of(facts, 81)
    assert {"blue_hair", "hat", "glasses", "cat_ears", "smile"} < {*classes}
    assert len({*(examples_of(facts, 81) or ())}) > 100
    assert "/" not in facts.get("transfer", "")  # where it was trained is nobody's business


def test_the_encoder_is_of_this_network() -> None:
    assert encoder_file.network_of(encoder_file.SHIPPED) == sha256_of(locate("default"))
    assert os.path.getsize(encoder_file.SHIPPED) <= 3_000_000
