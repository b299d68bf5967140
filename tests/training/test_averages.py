"""What follows the networks, as in the original program."""

import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from animetools.training.averages import adapted, ema_decay
from tests.conftest import ROOT

MISC: dict[str, Any] = json.loads((ROOT / "tests/golden/training/misc.json").read_text())


def test_the_average_follows_as_the_originals() -> None:
    wanted = MISC["ema_beta"]
    for seen, decay in wanted["cur_nimg_and_beta"]:
        found = ema_decay(seen, wanted["batch"], wanted["ema_kimg"], wanted["rampup"])
        assert found == pytest.approx(decay, rel=1e-12)


@given(batch=st.integers(1, 64), seen=st.integers(0, 10**6), kimg=st.floats(0, 1000))
def test_half_of_the_average_is_left_after_its_half_life(
    batch: int, seen: int, kimg: float
) -> None:
    assert ema_decay(seen, batch, batch / 1000, None) == 0.5
    assert 0 <= ema_decay(seen, batch, kimg, 0.05) <= ema_decay(seen, batch, kimg, None) <= 1


def test_p_follows_as_the_originals() -> None:
    wanted = MISC["ada_p"]
    change = wanted["interval"] * wanted["batch"] / (wanted["kimg"] * 1000)
    p = torch.zeros(())
    for mean, result in zip(wanted["means"], wanted["p"], strict=True):
        p = adapted(p, torch.tensor(mean), wanted["target"], change)
        assert p.item() == pytest.approx(result, rel=1e-12)
