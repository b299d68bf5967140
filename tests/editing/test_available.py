"""The directions that ship, and those of files beside them."""

from pathlib import Path

import numpy as np
import pytest

from animetools.artist.character import HAIR_COLORS
from animetools.editing.available import SHIPPED, available
from animetools.editing.directions import Direction, Directions, read
from animetools.errors import Advice, FatalError
from animetools.netfiles import checkpoints
from animetools.netfiles.fetch import SHIPPED as NETWORK
from animetools.sampling.sampler import open_network
from animetools.site.live import checked
from tests.tiny import snapshot

ASKED_FOR = {"hat", "glasses", "smile", "open_mouth", "turn", *HAIR_COLORS}


def test_the_network_that_ships_has_directions() -> None:
    found = available([], open_network(NETWORK))
    assert {each.name for each in found.found} >= ASKED_FOR
    assert Path(SHIPPED).stat().st_size < 300_000
    _, in_page = checked(NETWORK, [])
    assert [each.name for each in in_page] == [each.name for each in found.found]


def test_a_file_goes_before_what_ships(tmp_path: Path) -> None:
    network = open_network(NETWORK)
    path = str(tmp_path / "own.npz")
    axis = np.eye(1, network.generator.config.mapping.w_dim, dtype=np.float32)[0]
    Path(path).write_bytes(
        Directions((Direction("smile", axis, 1.0), Direction("mine", axis, 1.0))).encode()
    )
    for paths in ([path], [path, "default"], ["default", path]):
        found = available(paths, network)
        assert np.array_equal(found.named("smile").vector, axis)
        assert {each.name for each in found.found} >= ASKED_FOR | {"mine"}


def test_another_network_gets_them_only_by_name(tmp_path: Path) -> None:
    tiny, copy = str(tmp_path / "tiny.pkl"), str(tmp_path / "copy.pkl")
    checkpoints.write(tiny, snapshot())
    assert not available([], open_network(tiny)).found
    with pytest.raises(FatalError, match="default: directions in w of 512 numbers"):
        available(["default"], open_network(tiny))
    file = checkpoints.read(NETWORK)
    file.facts["kimg"] = 1e9  # as one that was trained on
    checkpoints.write(copy, file)
    assert not available([], open_network(copy)).found
    with pytest.warns(Advice, match="directions of another network, default"):
        found = available(["default"], open_network(copy))
    assert len(found.found) == len(read(SHIPPED).found)
