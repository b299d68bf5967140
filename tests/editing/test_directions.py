"""Files of directions: what is written is read, and nothing else is."""

import io
import math
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.editing.directions import Direction, Directions, joined, read
from animetools.errors import Advice, FatalError, ItemError
from animetools.netfiles import checkpoints
from animetools.sampling.layers import Rows
from animetools.sampling.sampler import OpenNetwork, open_network
from tests.tiny import snapshot

E0, E1 = np.eye(8, dtype=np.float32)[:2]


def two() -> Directions:
    """Two directions in w of eight numbers."""
    found = Direction("smile", E0, 0.5, Rows(0, 4), 0.75), Direction("=_=", E1, 2.0)
    return Directions(found, {"network": "model.pkl", "sha256": "00", "learned": "tags"})


def arrays(**changed: Any) -> dict[str, Any]:
    """The arrays of such a file, some of them changed."""
    with np.load(io.BytesIO(two().encode()), allow_pickle=False) as file:
        return dict(file) | changed


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> OpenNetwork:
    """A network with six rows of w, of eight numbers."""
    path = str(tmp_path_factory.mktemp("network") / "model.pkl")
    checkpoints.write(path, snapshot())
    return open_network(path)


names = st.text(st.characters(exclude_characters=",", exclude_categories=["C", "Z"]), min_size=1)


@given(
    st.lists(
        st.tuples(
            names,
            st.integers(0, 7),
            st.floats(0.0078125, 100, width=32),
            st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted),
            st.none() | st.floats(0, 1, width=32),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda each: each[0],
    )
)
def test_what_is_written_is_read(rows: list[Any]) -> None:
    found = tuple(
        Direction(name, np.eye(8, dtype=np.float32)[axis], spread, span and Rows(*span), accuracy)
        for name, axis, spread, span, accuracy in rows
    )
    made = Directions(found, {"learned": "tags"})
    with tempfile.NamedTemporaryFile() as file:
        file.write(made.encode())
        file.flush()
        again = read(file.name)
    assert again.facts == made.facts
    for one, other in zip(again.found, found, strict=True):
        assert (one.name, one.spread, one.rows, one.accuracy) == (
            other.name, other.spread, other.rows, other.accuracy
        )  # fmt: skip
        assert np.array_equal(one.vector, other.vector)
    assert made.encode() == made.encode()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"names": np.array(["a", "a"])}, "the same ones"),
        ({"names": np.array(["a,b", "c"])}, "cannot be the name"),
        ({"names": np.array(["a", ""])}, "cannot be the name"),
        ({"names": np.zeros(2)}, "names is not a list of texts"),
        ({"names": np.array(["a"])}, "not \\[directions, w_dim\\]"),
        ({"vectors": np.ones((2, 8))}, "length 1"),
        ({"vectors": np.full((2, 8), np.nan)}, "length 1"),
        ({"vectors": np.zeros(2)}, "not \\[directions, w_dim\\]"),
        ({"vectors": np.array([[object()] * 8] * 2)}, "not an array of numbers"),
        ({"spreads": np.zeros(2)}, "not a positive number"),
        ({"spreads": np.full(2, np.inf)}, "not a positive number"),
        ({"spreads": np.ones((2, 2))}, "not all of its directions"),
        ({"rows": np.array(["0-3", "4-2"])}, "its rows"),
        ({"rows": np.array(["0-3,5", ""])}, "more than one range"),
        ({"accuracies": np.array([2.0, 1.0])}, "not from 0 to 1"),
        ({"facts": np.array("[1]")}, "not a JSON object"),
        ({"facts": np.array("[" * 100_000)}, "not a text of JSON"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "d.npz", **arrays(**changed))
    with pytest.raises(ItemError, match=words):
        read(str(tmp_path / "d.npz"))


def test_damaged_and_huge_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(two().encode()[:-40])
    with pytest.raises(ItemError, match="damaged"):
        read(str(path))
    path.write_bytes(b"nothing")
    with pytest.raises(ItemError, match="not a file of directions"):
        read(str(path))
    np.savez(path, w=np.zeros((1, 8)))
    with pytest.raises(ItemError, match="it has no array names"):
        read(str(path))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 8)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vectors.npy", header.getvalue())
    with pytest.raises(ItemError, match=f"more than {1 << 28}"):
        read(str(path))


def test_another_network_is_warned_of_and_another_width_refused(network: OpenNetwork) -> None:
    with pytest.warns(Advice, match=r"of another network, model\.pkl"):
        two().check(network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Directions(two().found, {"sha256": network.sha256}).check(network)
        Directions(two().found).check(network)
    wide = Direction("wide", np.eye(9, dtype=np.float32)[0], 1.0)
    with pytest.raises(ItemError, match="w of 9 numbers; this network has 8"):
        Directions((wide,)).check(network)
    high = Direction("high", E0, 1.0, Rows(0, 6))
    with pytest.raises(ItemError, match="rows 0-6 of w; this network has 0-5"):
        Directions((high,)).check(network)


def test_unknown_names_are_answered_with_similar_ones() -> None:
    with pytest.raises(ItemError, match="no direction 'smil' among smile, =_="):
        two().named("smil")
    many = Directions(tuple(Direction(f"pca{n}", E0, 1.0) for n in range(60)))
    with pytest.raises(ItemError, match=r"similar ones are .*pca"):
        many.named("pca99")


def test_files_are_joined_unless_they_share_a_name() -> None:
    other = Directions((Direction("hat", E0, 1.0),), {"learned": "sefa"})
    both = joined([("a.npz", two()), ("b.npz", other)])
    assert [each.name for each in both.found] == ["smile", "=_=", "hat"]
    assert both.facts["learned"] == "tags"
    with pytest.raises(FatalError, match=r"smile is in a\.npz and in c\.npz"):
        joined([("a.npz", two()), ("c.npz", two())])
    assert math.isclose(both.named("hat").spread, 1)
