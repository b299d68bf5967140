"""Reading for training: every picture alike, labels in order, hostile members refused."""

import json
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animetools.dataset.reading import Dataset
from animetools.errors import FatalError, ItemError
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


def test_threads_and_processes_read_the_same(tmp_path: Path) -> None:
    dataset = Dataset(archive(tmp_path / "a.zip", pictures(20)))
    with ThreadPoolExecutor(4) as threads:
        assert [one.sum() for one in threads.map(dataset.__getitem__, range(20))] == [
            picture(n).sum() for n in range(20)
        ]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        assert [one.sum() for one in processes.map(dataset.__getitem__, range(4))] == [
            picture(n).sum() for n in range(4)
        ]


def test_labels_follow_the_order_of_the_images(tmp_path: Path) -> None:
    members = pictures(3)
    names = list(members)
    labels = [[names[2], 7], [names[0], 5], [names[1], 6]]
    with_labels = members | {"dataset.json": json.dumps({"labels": labels}).encode()}
    found = Dataset(archive(tmp_path / "a.zip", with_labels)).labels
    assert found is not None
    assert found.tolist() == [5, 6, 7]
    assert found.dtype == np.int64

    vectors = [[name, [1.0, n]] for n, name in enumerate(names)]
    with_vectors = members | {"dataset.json": json.dumps({"labels": vectors}).encode()}
    found = Dataset(archive(tmp_path / "b.zip", with_vectors)).labels
    assert found is not None
    assert found.tolist() == [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]
    assert Dataset(archive(tmp_path / "c.zip", members)).labels is None


@pytest.mark.parametrize(
    "labels",
    [[["00000/img00000000.png", 1]], [[1, 2]], 7, ["ab"], [["00000/img00000000.png", "a"]]],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: object) -> None:
    members = pictures(2) | {"dataset.json": json.dumps({"labels": labels}).encode()}
    with pytest.raises(FatalError, match=r"dataset\.json: "):
        _ = Dataset(archive(tmp_path / "a.zip", members)).labels


def test_summary_that_is_no_object_is_refused(tmp_path: Path) -> None:
    for number, text in enumerate([b"[1]", b"{", b"[" * 100_000]):
        path = archive(tmp_path / f"{number}.zip", pictures(1) | {"dataset.json": text})
        with pytest.raises(FatalError, match=r"dataset\.json: (line|not a JSON|nested)"):
            _ = Dataset(path).summary


def test_image_of_another_size_is_told(tmp_path: Path) -> None:
    members = pictures(1) | {
        "00000/img00000001.png": encode_png(picture(1, 16, 8)),
        "00000/img00000002.png": encode_png(picture(2, 160, 160)),
        "00000/img00000003.png": b"rubbish",
    }
    dataset = Dataset(archive(tmp_path / "a.zip", members))
    assert dataset.size == (16, 16)
    with pytest.raises(ItemError, match=r"img00000001\.png: not 16x16 like the first"):
        _ = dataset[1]
    with pytest.raises(ItemError, match=r"img00000002\.png: .*more than"):
        _ = dataset[2]
    with pytest.raises(ItemError, match=r"img00000003\.png: not an image"):
        _ = dataset[3]
    with pytest.raises(IndexError):
        _ = dataset[4]


def test_grey_datasets_are_read(tmp_path: Path) -> None:
    buffer = BytesIO()
    Image.new("L", (8, 8), 77).save(buffer, "PNG")
    dataset = Dataset(archive(tmp_path / "a.zip", {"a.png": buffer.getvalue()}))
    assert (dataset[0] == 77).all()
    assert dataset[0].shape == (8, 8, 3)


def test_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name, data in pictures(3).items():
        (tmp_path / "a/00000").mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_bytes(data)
    (tmp_path / "a/readme.txt").write_text("no image")
    dataset = Dataset(str(tmp_path / "a"))
    assert [(dataset[n] == picture(n)).all() for n in range(3)] == [True] * 3
    assert dataset.labels is None
    assert list(dataset.records()) == []


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="holds no images"):
        Dataset(str(tmp_path))
    with pytest.raises(FatalError, match=r"none\.zip: "):
        Dataset(str(tmp_path / "none.zip"))
