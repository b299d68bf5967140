"""What a dataset is known by."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animetools.dataset.identity import Identity
from animetools.dataset.training_set import Images
from tests.dataset.sets import WRITERS, Write, picture


@pytest.mark.parametrize("write", WRITERS)
def test_a_dataset_is_known_by_its_images_alone(tmp_path: Path, write: Write) -> None:
    pictures = [picture(seed) for seed in range(12)]
    before = Images(write(tmp_path / "set", pictures)).identity
    assert before.count == 12
    (tmp_path / "elsewhere").mkdir()
    moved = write(tmp_path / "elsewhere/set", pictures, [0] * 12)
    os.utime(moved, (0, 0))
    assert Images(moved, mirror=True).identity == before
    longer = Images(write(tmp_path / "longer", [*pictures, picture(12)])).identity
    assert longer.digest != before.digest
    assert longer.shared(before) > 0.9
    others = Images(write(tmp_path / "others", [picture(s, 32, 32) for s in range(99, 111)]))
    assert others.identity.shared(before) == 0
    assert Identity.from_plain(before.plain()) == before


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_sample_tells_how_much_is_shared(first: int, second: int) -> None:
    marks = np.random.RandomState(0).randint(0, 2**62, 2000).astype(np.uint64)
    one, other = Identity.of(marks[first:1500]), Identity.of(marks[500 - second // 2 : 2000])
    both = 1500 - max(first, 500 - second // 2)
    truly = both / (2000 - min(first, 500 - second // 2))
    assert abs(one.shared(other) - truly) < 0.35
    assert one.shared(one) == 1


@pytest.mark.parametrize(
    "told", [None, {}, {"count": "5"}, {"count": 5, "digest": "", "sample": 1}]
)
def test_what_tells_no_identity_is_none(told: object) -> None:
    assert Identity.from_plain(told) is None
