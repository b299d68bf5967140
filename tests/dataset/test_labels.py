"""dataset.json: labels in the order of the images; what is malformed is refused."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from animetools.dataset.formats import reader
from animetools.dataset.labels import summary_of
from animetools.errors import FatalError
from animetools.images.files import encode_png
from tests.dataset.pictures import picture


def archive(path: Path, members: dict[str, bytes]) -> str:
    """A zip as other tools make it."""
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return str(path)


def pictures(count: int) -> dict[str, bytes]:
    """Images named as StyleGAN2-ADA names them."""
    return {f"00000/img{n:08d}.png": encode_png(picture(n)) for n in range(count)}


def test_labels_follow_the_order_of_the_images(tmp_path: Path) -> None:
    members = pictures(3)
    names = list(members)
    labels = [[names[2], 7], [names[0], 5], [names[1], 6]]
    with_labels = members | {"dataset.json": json.dumps({"labels": labels}).encode()}
    found = reader(archive(tmp_path / "a.zip", with_labels)).labels()
    assert found is not None
    assert found.tolist() == [5, 6, 7]
    assert found.dtype == np.int64

    vectors = [[name, [1.0, n]] for n, name in enumerate(names)]
    with_vectors = members | {"dataset.json": json.dumps({"labels": vectors}).encode()}
    found = reader(archive(tmp_path / "b.zip", with_vectors)).labels()
    assert found is not None
    assert found.tolist() == [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]
    assert reader(archive(tmp_path / "c.zip", members)).labels() is None


@pytest.mark.parametrize(
    "labels",
    [[["00000/img00000000.png", 1]], [[1, 2]], 7, ["ab"], [["00000/img00000000.png", "a"]]],
)
def test_malformed_labels_are_refused(tmp_path: Path, labels: object) -> None:
    members = pictures(2) | {"dataset.json": json.dumps({"labels": labels}).encode()}
    with pytest.raises(FatalError, match=r"dataset\.json: "):
        reader(archive(tmp_path / "a.zip", members)).labels()


def test_a_summary_that_is_not_an_object_is_refused(tmp_path: Path) -> None:
    for number, text in enumerate([b"[1]", b"{", b"[" * 100_000]):
        path = archive(tmp_path / f"{number}.zip", pictures(1) | {"dataset.json": text})
        with pytest.raises(FatalError, match=r"dataset\.json: (line|not a JSON|nested)"):
            summary_of(reader(path))
