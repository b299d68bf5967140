"""What a dataset has besides its pictures is told, whatever the format."""

import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from animetools.dataset import labels as module
from animetools.dataset.annotations import annotations
from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from tests.dataset import sets
from tests.dataset.sets import WRITERS, Write, encoded, picture

NAMES = ["00000/img00000000.png", "00000/img00000001.png", "00001/img00000002.png"]


def phrases(path: str | Path) -> list[str]:
    reader = Images(str(path)).pictures
    found = [phrase for phrase, _ in annotations(reader, learned=False)]
    learned = [phrase for phrase, _ in annotations(reader, learned=True)]
    assert learned == [phrase for phrase in found if "captions" in phrase]
    return found


def as_zip(folder: Path) -> Path:
    """A folder as `zip -0 -r` has it."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as file:
        for one in sorted(folder.rglob("*.*")):
            file.write(one, one.relative_to(folder.parent))
    return path


def as_tar(folder: Path) -> Path:
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as file:
        for one in sorted(folder.rglob("*.*")):
            file.add(one, one.relative_to(folder.parent))
    return path


def as_it_is(folder: Path) -> Path:
    return folder


PACKS = [as_it_is, as_zip, as_tar]


@pytest.mark.parametrize("write", WRITERS)
def test_labels_are_told(tmp_path: Path, write: Write) -> None:
    pictures = [picture(seed) for seed in range(3)]
    assert phrases(write(tmp_path / "none", pictures)) == []
    (told,) = phrases(write(tmp_path / "some", pictures, [0, 2, 0]))
    assert told in {
        "labels for 2 classes in dataset.json",
        "labels for 3 of 3 images in .cls files",
        "labels for 3 classes in set-rxx.labels",  # as many as the vectors have numbers
    }


@pytest.mark.parametrize("write", [sets.folder, sets.zipped])
def test_labels_without_images_and_images_without_labels_are_told(
    tmp_path: Path, write: Write
) -> None:
    pictures = [picture(seed) for seed in range(3)]
    (told,) = phrases(write(tmp_path / "a", pictures, [[0.5, 1], [2, 3], [4, 5]]))
    assert told == "labels of 2 numbers in dataset.json"
    path = sets.folder(tmp_path / "b", pictures)
    labels = [[NAMES[0], 7], ["00009/gone.png", 7], [NAMES[1].replace("/", "\\"), 8]]
    Path(path, "dataset.json").write_text(json.dumps({"labels": labels}))
    (told,) = phrases(path)
    assert told == (
        "labels for 2 classes in dataset.json (images without one: 1, labels without an image: 1)"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"labels": [\n["a.png", 1],\n["b.png" 2]]}', r"line 3, column 10: Expecting ','"),
        ("[]", "not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        (b'{"labels": "\xff"}', "utf-8"),
        ('{"labels": {"a.png": 1}}', r"labels: not a list of \[image, label\]"),
        ('{"labels": [["a.png", 1], ["b.png"]]}', r"labels, entry 2: not \[image, class number\]"),
        ('{"labels": [["a.png", -1]]}', "labels, entry 1: not"),
        ('{"labels": [["a.png", true]]}', "labels, entry 1: not"),
        ('{"labels": [["a.png", [NaN]]]}', "labels, entry 1: not"),
        ('{"labels": [["a.png", []]]}', "labels, entry 1: not"),
        ('{"labels": [["a.png", [1e999]]]}', "labels, entry 1: not"),
        ('{"labels": [["a.png", 1], ["b.png", [1]]]}', "entry 2: all labels are class numbers, or"),
        ('{"labels": [["a.png", [1]], ["b.png", [1, 2]]]}', "entry 2: all labels are class"),
        ('{"labels": [["a.png", 1], ["a.png", 2]]}', r"entry 2: another label for a\.png"),
        ("", "line 1, column 1: Expecting value"),
        ('\ufeff{"labels": null}', None),
    ],
)
def test_what_is_broken_in_labels_is_named(
    tmp_path: Path, text: str | bytes, reason: str | None
) -> None:
    path = Path(sets.folder(tmp_path / "a", [picture(0)]))
    (path / "dataset.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    for pack in (as_it_is, as_zip):
        if pack is as_zip:
            os.chdir(path)  # that its names are as in the folder
            with zipfile.ZipFile("../a.zip", "w") as file:
                file.write("dataset.json")
                file.write(NAMES[0])
        if reason is None:
            assert phrases(path if pack is as_it_is else tmp_path / "a.zip") == []
            continue
        with pytest.raises(FatalError, match=rf"dataset\.json: .*{reason}"):
            phrases(path if pack is as_it_is else tmp_path / "a.zip")


@pytest.mark.parametrize("pack", PACKS)
def test_labels_that_do_not_lie_at_the_top_are_told(
    tmp_path: Path, pack: Callable[[Path], Path]
) -> None:
    sets.folder(tmp_path / "a/b", [picture(0), picture(1)], [0, 1])
    (told,) = phrases(pack(tmp_path / "a"))
    assert told in ("b/dataset.json", "a/b/dataset.json")


def test_too_long_labels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SUMMARY", 1 << 20)
    path = sets.zipped(tmp_path / "a", [picture(0)], [[" " * (2 << 20)]])
    with pytest.raises(FatalError, match=r"dataset\.json: longer than 1 MiB"):
        phrases(path)


def test_labels_that_are_no_file_are_refused(tmp_path: Path) -> None:
    path = sets.folder(tmp_path / "a", [picture(0)])
    os.mkfifo(tmp_path / "a/dataset.json")
    with pytest.raises(FatalError, match=r"dataset\.json: not a regular file"):
        phrases(path)


def test_broken_labels_beside_records_are_refused(tmp_path: Path) -> None:
    path = sets.records(tmp_path / "a", [picture(0), picture(1)])
    np.save(tmp_path / "a/none.npy", np.zeros((2, 0), np.float32))
    shutil.move(tmp_path / "a/none.npy", tmp_path / "a/set-rxx.labels")
    assert phrases(path) == []
    (tmp_path / "a/set-rxx.labels").write_bytes(b"\x93NUMPY rubbish")
    with pytest.raises(FatalError, match=r"set-rxx\.labels: not labels"):
        phrases(path)


@pytest.mark.parametrize("pack", PACKS)
def test_folders_that_may_be_classes_are_told(tmp_path: Path, pack: Callable[[Path], Path]) -> None:
    for number, name in enumerate(["owl", "cat", "00001", "dog", "x/cow", "00002"]):
        (tmp_path / "a" / name).mkdir(parents=True)
        (tmp_path / f"a/{name}/{number}.png").write_bytes(encoded(picture(number)))
    (tmp_path / "a/texts").mkdir()
    (tmp_path / "a/texts/readme.txt").write_text("no class")
    assert phrases(pack(tmp_path / "a")) == ["4 folders that may be classes (cat, cow, dog, ...)"]


@pytest.mark.parametrize("pack", PACKS)
def test_captions_are_told(tmp_path: Path, pack: Callable[[Path], Path]) -> None:
    (tmp_path / "a").mkdir()
    for name in ("x.png", "y.png", "z.png"):
        (tmp_path / "a" / name).write_bytes(encoded(picture(0)))
    for name in ("LICENSE.txt", "x.txt", "y.png.caption"):
        (tmp_path / "a" / name).write_text("1girl, solo")
    assert phrases(pack(tmp_path / "a")) == ["captions for 2 of 3 images"]


def test_captions_in_one_file_are_told(tmp_path: Path) -> None:
    path = Path(sets.folder(tmp_path / "a", [picture(0)]))
    for text, said in [
        ('{"file_name": "x.png", "text": "hm"}\n{', True),
        ('{"a": 1}', False),
        ("{", False),
    ]:
        (path / "metadata.jsonl").write_text(text)
        assert phrases(path) == (["captions in metadata.jsonl"] if said else [])
