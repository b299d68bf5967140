"""Datasets as inputs: what one says of its images goes into another, whatever their formats."""

import contextlib
import json
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.colors import WHITE
from animetools.dataset.encode import Packable
from animetools.dataset.formats import reader
from animetools.dataset.labels import label_names
from animetools.dataset.packing import Packing
from animetools.dataset.parts import lines_of
from animetools.dataset.sources import (
    datasets_among,
    images_in,
    is_dataset,
    kept_labels,
    opened,
    read_image,
    usual_size,
)
from animetools.dataset.training_set import Images
from animetools.errors import FatalError, ItemError
from animetools.images.fit import fit
from tests.dataset import sets
from tests.dataset.pictures import TARGETS, settings_of, unpacked
from tests.dataset.sets import WRITERS, Write, encoded, picture


def convert(found: list[str], target: Path, *, grows: bool = False) -> str:
    """What the command does, in short."""
    datasets = datasets_among(found)
    assert not any(datasets.values())
    how = kept_labels(datasets)
    size = usual_size(datasets, "")
    options = settings_of(target).keyed(size=size)
    with Packing(str(target), options, how, grows=grows) as packing:
        packing.enlist(
            (path, length, 0, facts, "")
            for one in datasets
            for path, length, facts in images_in(one, labelled=how is not None)
        )
        packing.unused_names()
        for one in packing.todo():
            rgb, _ = read_image(one.path, one.facts, max_pixels=10**6, background=WHITE)
            square, done = fit(rgb, size)
            data = packing.kind.encode(square, None)
            packing.add(one.position, Packable(data, size, size, done))
        packing.finish()
    return str(target)


def described(path: str) -> list[tuple[Any, ...]]:
    """What a dataset says of each image."""
    return [
        (facts.get("label"), facts.get("tags"), facts.get("text"), facts.get("id"))
        for _, _, facts in images_in(path, labelled=True)
    ]


@pytest.mark.parametrize(
    "labels",
    [None, [2, 0, 0, 1], [[0.5, -1.0], [0, 0], [1, 0], [0, 2]], [[0, 1], [1, 0], [1, 0], [0, 1]]],
)
@pytest.mark.parametrize("write", WRITERS)
def test_pixels_and_labels_survive_every_format(
    quick: Path, write: Write, labels: list[Any] | None
) -> None:
    tmp_path = Path(tempfile.mkdtemp(dir=quick))
    if labels is None and write is sets.folder:
        pytest.skip("a folder without dataset.json is one of images")
    if labels and isinstance(labels[0], list) and write in (sets.tarred, sets.shards):
        pytest.skip("WebDataset's .cls has no vectors")
    if labels and labels[0] == [0, 1] and write is sets.records:
        pytest.skip("other TFRecords do not say that these are no classes")
    pictures = [picture(n) for n in range(4)]
    path = write(tmp_path / "set", pictures, labels)
    for target in ("a.zip", "b.tfrec", "c.wds", "d", "f.zip"):
        path = convert([path], tmp_path / target)
        for rgb, planes in zip(unpacked(Path(path)), pictures, strict=True):
            assert np.array_equal(rgb.transpose(2, 0, 1), planes)
        if labels:
            found = Images(path, conditional=True).labels(range(4))
            one_hot = np.eye(3)[labels] if isinstance(labels[0], int) else labels
            assert np.array_equal(found, one_hot)
        else:
            assert not reader(path).labels_found()
        if target.endswith(".zip") and labels:
            assert sets.summary_of(path)["labels"][0][1] == labels[0]


@pytest.mark.parametrize(
    "labels",
    [["b", "a", "b"], [{"a": 1, "b": 0.5}, {}, {"c": -1}], [{"a": 1}, {"a": 1}, {"b": 1}]],
)
def test_names_tags_captions_and_ids_survive_every_format(quick: Path, labels: list[Any]) -> None:
    tmp_path = Path(tempfile.mkdtemp(dir=quick))
    names = ["c", "b", "a"]
    numbers: list[Any] = [
        names.index(one) if isinstance(one, str) else [one.get(name, 0) for name in names]
        for one in labels
    ]
    source = Path(sets.zipped(tmp_path / "set", [picture(n) for n in range(3)]))
    tags = [[["hat", "general", 1]], [], [["bow", "general", 0.5]]]
    with zipfile.ZipFile(source, "a") as file:
        images = sorted(file.namelist())
        pairs = [list(pair) for pair in zip(images, numbers, strict=True)]
        file.writestr("dataset.json", json.dumps({"label_names": names, "labels": pairs}))
        lines = [
            {"file_name": image, "tags": tags[n], "id": f"{n}", "text": f"caption {n}"}
            for n, image in enumerate(images)
        ]
        file.writestr("metadata.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
    expected = [(labels[n], tags[n], f"caption {n}", f"{n}") for n in range(3)]
    path = str(source)
    for target in (*TARGETS, "y.zip"):
        path = convert([path], tmp_path / target)
        assert described(path) == expected
        assert label_names(reader(path)) == names
    assert [pair[1] for pair in sets.summary_of(path)["labels"]] == numbers


def test_single_shards_are_as_good_as_their_folder(tmp_path: Path) -> None:
    pictures = [picture(n) for n in range(5)]
    path = sets.zipped(tmp_path / "set", pictures, [0, 1, 2, 1, 0])
    shards = Path(convert([path], tmp_path / "d.wds"))
    found = sorted(str(tar) for tar in shards.glob("*.tar"))
    together = convert(found, tmp_path / "e.zip")
    assert np.array_equal(
        Images(together, conditional=True).labels(range(5)).argmax(1), [0, 1, 2, 1, 0]
    )
    foreign = sorted(
        map(str, Path(sets.shards(tmp_path / "s", pictures, [0, 1, 2, 1, 0])).iterdir())
    )
    assert len(foreign) == 3
    assert len(Images(convert(foreign, tmp_path / "f.zip"), conditional=True)) == 5


def test_what_shards_share_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(sets.shards(tmp_path / "s", [picture(n) for n in range(8)]))
    pairs = [[f"{int(n):09d}.png", [int(n), 1.5]] for n in "01"]
    (folder / "dataset.json").write_text(json.dumps({"labels": pairs}))
    asked = list[str]()

    def counted(folder: str, name: str) -> Iterator[bytes]:
        asked.append(name)
        return lines_of(folder, name)

    monkeypatch.setattr("animetools.dataset.labels.lines_of", counted)
    shards = sorted(map(str, folder.glob("*.tar")))
    assert len(shards) == 4
    path = convert(shards, tmp_path / "d.zip")
    assert asked == ["dataset.json"]
    assert [label for _, label in sets.summary_of(path)["labels"]] == [[0, 1.5], [1, 1.5]] * 4


def test_classes_of_several_datasets_are_one_by_name(tmp_path: Path) -> None:
    for name, classes in (("a", ["x", "y"]), ("b", ["z", "x"])):
        path = sets.zipped(tmp_path / name, [picture(n) for n in range(2)])
        with zipfile.ZipFile(path, "a") as file:
            pairs = [[image, n] for n, image in enumerate(sorted(file.namelist()))]
            summary = {"label_names": classes, "labels": pairs}
            file.writestr("dataset.json", json.dumps(summary))
    path = convert([str(tmp_path / "a.zip"), str(tmp_path / "b.zip")], tmp_path / "d.tfrec")
    assert label_names(reader(path)) == ["x", "y", "z"]
    assert Images(path, conditional=True).labels(range(4)).argmax(1).tolist() == [0, 1, 2, 0]
    numbers = sets.zipped(tmp_path / "c", [picture(0)], [1])
    with pytest.raises(FatalError, match="labels of several kinds"):
        convert([str(tmp_path / "a.zip"), numbers], tmp_path / "e")


def test_new_labels_of_images_that_are_there_are_not_passed_over(tmp_path: Path) -> None:
    path = sets.zipped(tmp_path / "a", [picture(0), picture(1)])

    def label(names: list[str], vectors: list[list[int]]) -> None:
        with zipfile.ZipFile(path) as file:
            images = {name: file.read(name) for name in file.namelist() if name.endswith(".png")}
        pairs = [list(pair) for pair in zip(images, vectors, strict=True)]
        with zipfile.ZipFile(path, "w") as file:
            for name, data in images.items():
                file.writestr(name, data)
            file.writestr("dataset.json", json.dumps({"label_names": names, "labels": pairs}))
        opened.cache_clear()

    label(["a"], [[1], [1]])
    for target in TARGETS:
        convert([path], tmp_path / target)
    label(["a", "new"], [[1, 0], [1, 0]])
    for target in TARGETS:
        convert([path], tmp_path / target, grows=True)
    label(["a", "new"], [[1, 1], [1, 0]])
    for target in TARGETS:
        with pytest.raises(FatalError, match="as it was before it changed"):
            convert([path], tmp_path / target, grows=True)


@pytest.mark.parametrize("write", [sets.zipped, sets.records, sets.folder, sets.tarred])
def test_a_dataset_that_was_replaced_is_opened_again(tmp_path: Path, write: Write) -> None:
    for seed in (0, 1):  # as two commands whose tasks one worker of a cluster gets
        made = Path(write(tmp_path / f"new{seed}", [picture(seed), picture(2)][seed:]))
        place = tmp_path / f"set{made.suffix}"
        if place.is_dir():
            shutil.rmtree(place)
        made.replace(place)
        check = int(reader(str(place)).fingerprints()[0] >> np.uint64(32))
        facts = {"packed_in": [str(place), 0, check]}
        rgb, _ = read_image("", facts, max_pixels=10**6, background=WHITE)
        assert np.array_equal(rgb, picture(2 * seed).transpose(1, 2, 0))
    facts["packed_in"][2] = check ^ 1
    with pytest.raises(ItemError, match="it has changed since it was listed"):
        read_image("", facts, max_pixels=10**6, background=WHITE)


def test_what_is_a_dataset(tmp_path: Path) -> None:
    for name, write in zip("abcde", WRITERS, strict=True):
        assert is_dataset(write(tmp_path / name, [picture(0)], [0]))
    images = tmp_path / "images"
    images.mkdir()
    assert not is_dataset(str(images))
    (images / "a.png").write_bytes(encoded(picture(0)))
    (images / "backup.tar").write_bytes(b"")
    assert not is_dataset(str(images))
    assert not is_dataset(str(images / "a.png"))
    assert datasets_among([str(images / "backup.tar"), "-", "nothing.zip"]) == {
        str(images / "backup.tar"): ""
    }


@pytest.mark.parametrize(
    ("width", "height", "size"), [(32, 32, 32), (32, 16, 512), (2, 2, 512), (4100, 4100, 512)]
)
def test_the_usual_size_is_one_that_can_be_asked_for(
    tmp_path: Path, width: int, height: int, size: int
) -> None:
    planes = np.zeros((3, height, width), np.uint8)
    assert usual_size({sets.zipped(tmp_path / "a", [planes]): ""}, "") == size


def test_grey_tfrecords_become_rgb(tmp_path: Path) -> None:
    path = sets.records(tmp_path / "set", [picture(0, channels=1)])
    (rgb,) = unpacked(Path(convert([path], tmp_path / "d.zip")))
    assert np.array_equal(rgb, picture(0, channels=1).repeat(3, 0).transpose(1, 2, 0))


def test_records_of_images_that_were_removed_are_passed_over(tmp_path: Path) -> None:
    path = Path(sets.folder(tmp_path / "set", [picture(n) for n in range(3)], [0, 1, 2]))
    names = sorted(str(image.relative_to(path)) for image in path.rglob("*.png"))
    lines = [json.dumps({"file_name": name, "id": name}) for name in names]
    (path / "metadata.jsonl").write_text("\n".join([*lines[:2], "rubbish", "[]", lines[2]]))
    (path / names[0]).unlink()
    found = [facts.get("id") for _, _, facts in images_in(str(path), labelled=False)]
    assert found == [names[1], None]


@pytest.mark.parametrize("note", [b"[1]", b"{", b"\xff", b"[" * 10**5, b'{"tags": 1, "text": 2}'])
def test_hostile_notes_in_a_tar_say_nothing(tmp_path: Path, note: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for ending, data in ((".json", note), (".txt", b"\xff x "), (".png", encoded(picture(0)))):
            sets.add(file, f"0{ending}", data)
    ((_, _, facts),) = images_in(str(tmp_path / "a.tar"), labelled=False)
    assert facts["text"] == "� x"
    assert set(facts) <= {"text", "tags", "packed_in"}


@pytest.mark.parametrize(
    ("labels", "names"),
    [([0, 10**12], []), ([0, -1], []), ([[1.0, float("nan")]] * 2, []), ([0, 2], ["a", "b"])],
)
def test_hostile_labels_are_refused(tmp_path: Path, labels: list[Any], names: list[str]) -> None:
    pictures = [picture(0), picture(1)]
    if isinstance(labels[0], list):
        path = sets.records(tmp_path / "set", pictures, labels)
    else:
        path = sets.shards(tmp_path / "set", pictures, labels)
    (tmp_path / "set/dataset.json").write_text(json.dumps({"label_names": names}))
    with pytest.raises(FatalError, match=r"label"):
        convert([path], tmp_path / "d.tfrec")
    assert not (tmp_path / "d.tfrec").exists()


@given(
    st.sampled_from(TARGETS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.floats(0.5, 1),
)
@settings(max_examples=60, deadline=None)
def test_damage_anywhere_is_told_in_a_sentence(
    whole: Path, name: str, changes: list[tuple[float, int]], kept: float
) -> None:
    folder = Path(tempfile.mkdtemp(dir=whole.parent))
    path = folder / name
    (shutil.copytree if (whole / name).is_dir() else shutil.copy)(whole / name, path)
    for file in [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]:
        data = bytearray(file.read_bytes())
        for place, value in changes:
            data[int(place * len(data))] = value
        file.write_bytes(data[: int(len(data) * kept)])
    opened.cache_clear()
    try:
        how = kept_labels({str(path): ""})
        usual_size({str(path): ""}, "")
        for one, _, facts in images_in(str(path), labelled=how is not None):
            with contextlib.suppress(ItemError, OSError):
                read_image(one, facts, max_pixels=10**6, background=WHITE)
    except (FatalError, OSError) as why:
        assert "\n" not in str(why)


@pytest.fixture(scope="module")
def whole(quick: Path) -> Path:
    """A dataset of each format, with labels."""
    folder = quick / "whole"
    folder.mkdir()
    path = sets.zipped(folder / "set", [picture(n, 8, 8) for n in range(3)], [1, 0, 1])
    for target in TARGETS:
        convert([path], folder / target)
    return folder
