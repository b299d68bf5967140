"""Which files come of seeds, latents and records."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animetools.netfiles import checkpoints
from animetools.sampling.naming import NameTemplate, Naming
from animetools.sampling.options import SamplingOptions
from animetools.sampling.requests import Request, requests, sheets
from animetools.sampling.sampler import Sampler
from animetools.sampling.seeds import Grid, Psis
from tests.tiny import snapshot


@dataclass(frozen=True)
class Given:
    """As a line of a list is read."""

    path: str
    facts: dict[str, Any] = field(default_factory=dict)
    stamp: str = ""
    trouble: str = ""


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    path = str(tmp_path_factory.mktemp("networks") / "network.pkl")
    checkpoints.write(path, snapshot())
    return Sampler(path, SamplingOptions()).opened()


def asked(sampler: Sampler, *given: Given, naming: Naming | None = None) -> list[Request]:
    return list(requests(sampler, naming or Naming(), given))


def test_seeds_files_and_records_are_sources(sampler: Sampler, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.zeros((2, 12), np.float32))
    path = str(tmp_path / "z.npy")
    record = Given("gone.png", {"seeds": "7-8"}, trouble="no such file")
    found = asked(sampler, Given("3,5"), Given(path, {"tags": "x"}, "5:6"), record)
    names = ["/seed0003", "/seed0005", f"{path}.0", f"{path}.1", "/seed0007", "/seed0008"]
    assert [request.path for request in found] == names
    assert found[3].facts == {"source": path, "tags": "x", "row": 1}
    assert (found[3].stamp, ":" in found[0].stamp) == ("5:6", False)


def test_what_cannot_be_read_fails_alone(sampler: Sampler) -> None:
    found = asked(sampler, Given("9-2"), Given("gone.npy", trouble="it is gone"), Given("1"))
    assert [request.trouble for request in found] == [
        "the seeds 9-2 end before they begin",
        "it is gone",
        "",
    ]
    assert [request.path for request in found] == ["9-2", "gone.npy", "/seed0001"]


def test_a_template_names_pictures_whose_stamp_says_what_they_are(
    sampler: Sampler, tmp_path: Path
) -> None:
    np.save(tmp_path / "z.npy", np.zeros((1, 12), np.float32))
    naming = Naming(Psis.parse("0.5,1"), NameTemplate.parse("{index}-{psi}-{file}"))
    found = asked(sampler, Given(str(tmp_path / "z.npy"), {}, "5:6"), naming=naming)
    assert [request.path for request in found] == ["/0-0.5-z.npy.0", "/1-1-z.npy.0"]
    assert len({request.stamp for request in found} | {"5:6"}) == 3


def test_sheets_gather_pictures_of_one_psi(sampler: Sampler) -> None:
    naming = Naming(Psis.parse("0.5,1"), None, Grid(2, 1))
    singles = asked(sampler, Given("0-2"), Given("x", trouble="bad"), naming=naming)
    found = list(sheets(sampler, naming, singles))
    assert [(request.path, len(request.pictures)) for request in found] == [
        ("/seed0000-psi0.5-seed0001-psi0.5", 2),
        ("/seed0000-psi1-seed0001-psi1", 2),
        ("x", 0),
        ("/seed0002-psi0.5-seed0002-psi0.5", 1),
        ("/seed0002-psi1-seed0002-psi1", 1),
    ]
    assert found[2].trouble == "bad"
    assert len({request.stamp for request in found}) == 5
