"""Datasets for other programs: what is written is read as each format is documented."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.dataset.encode import Packable, encode
from animetools.dataset.labelling import Labelling
from animetools.dataset.packing import Packing
from animetools.dataset.tar_writer import BLOCK, TarWriter
from animetools.dataset.tfrecord_writer import encode_records
from animetools.errors import FatalError
from animetools.images.files import decode_rgb
from animetools.images.fit import Rgb, fit
from tests.dataset import sets
from tests.dataset.pictures import entry, picture, settings_of, sources


def written(target: Path, pictures: list[Rgb], how: Labelling | None = None, **facts: Any) -> None:
    """A dataset of these pictures, with facts about each: lists of as many."""
    paths = sources(target.parent / "in", len(pictures))
    each = [
        {name: values[n] for name, values in facts.items()} | {"packed_in": ["", n, 0]}
        for n in range(len(paths))
    ]
    size = len(pictures[0])
    with Packing(str(target), settings_of(target).keyed(size=size), how) as packing:
        packing.enlist(entry(path, **known) for path, known in zip(paths, each, strict=True))
        packing.unused_names()
        for one in packing.todo():
            square, done = fit(pictures[one.position], size)
            data = packing.kind.encode(square, None)
            packing.add(one.position, Packable(data, size, size, done))
        packing.finish()


def levels(rgb: Rgb) -> list[sets.Pixels]:
    """An image at every level, the largest first, by its definition: means of whole blocks."""
    planes, found = rgb.transpose(2, 0, 1), []
    for step in (2**n for n in range(9) if len(rgb) >> n >= 4):
        side = len(rgb) // step
        blocks = planes.reshape(3, side, step, side, step).astype(np.float64)
        found.append(np.rint(blocks.mean((2, 4))).astype(np.uint8))
    return found


@pytest.mark.parametrize("size", [4, 8, 32])
def test_tfrecords_have_every_level_and_the_right_checksums(tmp_path: Path, size: int) -> None:
    pictures = [picture(seed, size, size) for seed in range(3)]
    written(tmp_path / "d.tfrec", pictures)
    found = sorted((tmp_path / "d.tfrec").glob("*.tfrecords"), reverse=True)
    assert [path.name for path in found] == [
        f"d.tfrec-r{level:02d}.tfrecords" for level in range(size.bit_length() - 1, 1, -1)
    ]
    for path, planes in zip(found, zip(*map(levels, pictures), strict=True), strict=True):
        assert path.read_bytes() == b"".join(sets.record(sets.example(one)) for one in planes)
    assert not list((tmp_path / "d.tfrec").glob("*.labels"))


@given(st.integers(2, 7), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_a_level_is_rounded_once(level: int, seed: int) -> None:
    rgb = picture(seed, 1 << level, 1 << level)
    data = encode_records(rgb)
    for planes in levels(rgb):
        assert planes.tobytes() in data
        head = data[: 12 + int.from_bytes(data[:8], "little") + 4]
        assert sets.example(planes) == head[12:-4]
        data = data[len(head) :]
    assert not data


@pytest.mark.parametrize("labels", [["b", "a", "b"], [2, 0, 1], [[0.5, -1], [0, 2], [3, 0]]])
def test_labels_of_tfrecords_are_vectors(tmp_path: Path, labels: list[Any]) -> None:
    how = Labelling(kept=True, before=("a", "b", "c") if labels[0] == "b" else ())
    written(tmp_path / "d.tfrec", [picture(n) for n in range(3)], how, label=labels)
    found = np.load(tmp_path / "d.tfrec/d.tfrec-rxx.labels")
    expected = np.eye(3)[[1, 0, 1]] if labels[0] == "b" else labels
    expected = np.eye(3)[labels] if labels[0] == 2 else expected
    assert found.dtype == np.float32
    assert found.tolist() == np.asarray(expected).tolist()


def test_tfrecords_need_a_power_of_two(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="powers of two, not --size 48"):
        Packing(str(tmp_path / "d.tfrec"), settings_of("d.tfrec").keyed(size=48))


def test_a_sample_of_webdataset_has_image_class_caption_and_record(tmp_path: Path) -> None:
    pictures = [picture(n) for n in range(3)]
    labels, texts = ["b", "a", "b"], ["1girl", "solo, été", "hat"]
    how = Labelling(kept=True, before=("a", "b"))
    written(tmp_path / "d.wds", pictures, how, label=labels, text=texts)
    with tarfile.open(tmp_path / "d.wds/d.wds-000000.tar") as file:
        found = {one.name: file.extractfile(one).read() for one in file}  # type: ignore[union-attr]
        assert all((one.isreg(), one.mode, one.mtime) == (True, 0o644, 0) for one in file)
    assert len(found) == 12
    for n, rgb in enumerate(pictures):
        key = f"{n:09d}"
        assert np.array_equal(decode_rgb(found[f"{key}.png"]), rgb)
        assert int(found[f"{key}.cls"]) == "ab".index(labels[n])
        assert found[f"{key}.txt"].decode() == texts[n]
        record = json.loads(found[f"{key}.json"])
        assert (record["label"], record["width"]) == (labels[n], 16)
        assert record["path"].endswith(f"in/{n}.png")


@pytest.mark.parametrize(
    ("limits", "counts"),
    [({"most_images": 3}, [3, 3, 1]), ({"most_bytes": 1}, [1] * 7), ({}, [7])],
)
def test_shards_end_between_samples(
    tmp_path: Path, limits: dict[str, Any], counts: list[int]
) -> None:
    path = tmp_path / "d"
    writer = TarWriter(str(path), **limits)
    members = [
        writer.append(f"{n:09d}{ending}", bytes(n))
        for n in range(7)
        for ending in (".cls", ".json", ".png")
    ]
    assert all(map(writer.holds, members))
    writer.close()
    writer = TarWriter(str(path), **limits)  # the next run
    assert all(map(writer.holds, members))
    writer.cut(members[10])  # in the middle of a sample
    assert [writer.holds(member) for member in members] == [True] * 11 + [False] * 10
    for member in members[11:]:
        assert writer.append(member.name, bytes(member.length)) == member
    writer.finish(members, {"dataset.json": lambda: [b"{}"]}, 0)
    names = []
    for shard in sorted(path.glob("d-*.tar")):
        with tarfile.open(shard) as file:
            names.append(file.getnames())
        assert shard.read_bytes().endswith(bytes(2 * BLOCK))
    assert [len(each) for each in names] == [3 * count for count in counts]
    assert [name for each in names for name in each] == [member.name for member in members]


def test_plain_encoding_is_that_of_zips(tmp_path: Path) -> None:
    written(tmp_path / "d.wds", [picture(0)])
    with tarfile.open(tmp_path / "d.wds/d.wds-000000.tar") as file:
        member = file.extractfile("000000000.png")
        assert member
        assert member.read() == encode(picture(0))
