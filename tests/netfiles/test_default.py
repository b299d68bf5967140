"""The network that ships with the suite."""

import os

import torch

from animetools.netfiles import checkpoints
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
