"""Training sets of every format: the same pictures, one shape, hostile files refused."""

import json
import os
import tarfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from animetools.dataset import training_set
from animetools.dataset.tfrecords import masked_crcs
from animetools.dataset.training_set import Images
from animetools.dataset.webdataset import TarReader
from animetools.errors import FatalError, ItemError
from animetools.images.files import decode_rgb
from tests.conftest import ROOT
from tests.dataset import sets
from tests.dataset.sets import WRITERS, Pixels, Write, encoded, picture, record

MISC = json.loads((ROOT / "tests/golden/training/misc.json").read_text())


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_gives_the_same(tmp_path: Path, write: Write, channels: int) -> None:
    pictures = [picture(n, 16, 8, channels) for n in range(5)]
    images = Images(write(tmp_path / "set", pictures))
    assert (images.channels, images.height, images.width) == (channels, 8, 16)
    assert (len(images), images.name, images.label_dim) == (5, "set", 0)
    assert len({images.title(n) for n in range(5)}) == 5
    for number, planes in enumerate(pictures):
        assert images.read(number).dtype == np.uint8
        assert np.array_equal(images.read(number), planes)


@pytest.mark.parametrize("write", WRITERS)
def test_many_threads_read_the_same(tmp_path: Path, write: Write) -> None:
    pictures = [picture(n) for n in range(8)]
    images = Images(write(tmp_path / "set", pictures))
    order = np.random.RandomState(0).randint(8, size=200).tolist()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(images.read, order))
    assert all(np.array_equal(one, pictures[n]) for one, n in zip(found, order, strict=True))


@pytest.mark.parametrize("write", [sets.folder, sets.zipped])
def test_processes_read_the_same(tmp_path: Path, write: Write) -> None:
    images = Images(write(tmp_path / "set", [picture(n) for n in range(4)]))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        found = list(processes.map(images.read, range(4)))
    assert all(np.array_equal(one, picture(n)) for n, one in enumerate(found))


def test_one_file_of_a_folder_will_do(tmp_path: Path) -> None:
    pictures = [picture(n, 32, 32) for n in range(2)]
    path = sets.records(tmp_path / "set", pictures)
    small = Images(f"{path}/set-r04.tfrecords")
    assert np.array_equal(small.read(1), pictures[1][:, ::2, ::2])
    assert small.name == "set"
    assert Images(path).width == 32
    path = sets.shards(tmp_path / "tars", pictures)
    assert Images(f"{path}/set-000000.tar").name == "set"


def test_a_plain_folder_is_read_at_any_depth(tmp_path: Path) -> None:
    files = {
        "b/z/deep.jpg": encoded(picture(0), "JPEG"),
        "a.webp": encoded(picture(1), "WEBP", lossless=True),
        "b/a.gif": encoded(picture(2, channels=3), "GIF"),
        ".hidden/c.png": encoded(picture(3)),
        "._a.png": b"a Mac's",
        "readme.txt": b"no image",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    images = Images(str(tmp_path))
    assert [images.title(n) for n in range(3)] == ["a.webp", "b/a.gif", "b/z/deep.jpg"]
    for number in range(len(images)):
        rgb = decode_rgb(files[images.title(number)])
        assert np.array_equal(images.read(number), rgb.transpose(2, 0, 1))


def test_mirror_images_follow_in_the_same_order(tmp_path: Path) -> None:
    images = Images(sets.zipped(tmp_path / "set", [picture(n) for n in range(3)]), mirror=True)
    assert len(images) == 6
    for number in range(3):
        assert np.array_equal(images.read(number + 3), images.read(number)[:, :, ::-1])
        assert images.title(number + 3) == images.title(number)


def test_a_limit_chooses_as_the_original(tmp_path: Path) -> None:
    path = sets.folder(tmp_path / "set", [picture(n) for n in range(20)])
    images = Images(path, limit=7, seed=3, mirror=True)
    golden = MISC["subset_20_to_7_seed3_mirror"]
    for number, (raw, flipped) in enumerate(zip(golden["raw_idx"], golden["xflip"], strict=True)):
        planes = picture(raw)
        assert np.array_equal(images.read(number), planes[:, :, ::-1] if flipped else planes)
    assert len(images) == len(golden["raw_idx"])
    assert len(Images(path, limit=50)) == 20


@pytest.mark.parametrize("write", WRITERS)
def test_classes_are_one_hot(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "set", [picture(n) for n in range(4)], [2, 0, 0, 1])
    images = Images(path, mirror=True, conditional=True)
    assert images.label_dim == 3
    labels = images.labels([0, 5, 3])
    assert labels.dtype == np.float32
    assert labels.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert Images(path).labels([0, 1]).shape == (2, 0)


@pytest.mark.parametrize("write", [sets.folder, sets.zipped, sets.records])
def test_labels_may_be_vectors(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path / "set", [picture(n) for n in range(2)], [[0.5, -1.0], [0.0, 2.0]])
    images = Images(path, conditional=True)
    assert images.labels([1, 0]).tolist() == [[0.0, 2.0], [0.5, -1.0]]
    assert images.label_facts == {"tags": True, "examples": [[], [1]]}


def test_examples_of_many_tags_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a network's file would hold more than is read again."""
    monkeypatch.setattr(training_set, "EXAMPLE_TAGS", 10)
    path = sets.folder(tmp_path / "set", [picture(n) for n in range(5)], [[1.0] * 6] * 5)
    examples = Images(path, conditional=True).label_facts["examples"]
    assert examples == [[*range(6)]] * 2


@pytest.mark.parametrize("write", WRITERS)
def test_labels_must_be_there_if_they_are_learned(tmp_path: Path, write: Write) -> None:
    with pytest.raises(FatalError, match="holds no labels"):
        Images(write(tmp_path / "set", [picture(0)]), conditional=True)


@pytest.mark.parametrize(
    "labels",
    [[0, -1], [0, 10**8], [0, 2**63 - 1], [0, 10**30], [[1.0], [float("nan")]], [[], []], [0, "a"]],
)
@pytest.mark.parametrize("write", [sets.folder, sets.tarred])
def test_labels_that_are_none_are_refused(tmp_path: Path, write: Write, labels: object) -> None:
    path = write(tmp_path / "set", [picture(0), picture(1)], labels)
    with pytest.raises(FatalError, match=r"label|class number"):
        Images(path, conditional=True)
    assert len(Images(path)) == 2


@pytest.mark.parametrize(
    "labels", [np.zeros((3, 2)), np.zeros(2), np.zeros((2, 2), "M8[s]"), np.full((2, 1), np.inf)]
)
def test_labels_beside_records_must_fit(tmp_path: Path, labels: object) -> None:
    path = sets.records(tmp_path / "set", [picture(0), picture(1)])
    with (tmp_path / "set/set-rxx.labels").open("wb") as stream:
        np.save(stream, np.asarray(labels))
    with pytest.raises(FatalError, match=r"label|vector"):
        Images(path, conditional=True)
    (tmp_path / "set/set-rxx.labels").write_bytes(b"\x93NUMPY rubbish")
    with pytest.raises(FatalError, match="not labels"):
        Images(path, conditional=True)
    (tmp_path / "set/set-rxx.labels").unlink()
    os.mkfifo(tmp_path / "set/set-rxx.labels")
    with pytest.raises(FatalError, match="not labels: not a regular file"):
        Images(path, conditional=True)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("other", "words"),
    [(picture(9, 8, 16), "8x16 in color"), (picture(9, 16, 16, 1), "16x16 in grey")],
)
def test_one_of_another_shape_is_named(
    tmp_path: Path, write: Write, other: Pixels, words: str
) -> None:
    path = write(tmp_path / "set", [picture(0), picture(1), other, picture(2, 4, 4)])
    with pytest.raises(
        FatalError, match=rf"(2|2.tar/0*)(\.png)? is {words} and .*: animepack makes them"
    ):
        Images(path)


def test_a_turned_photograph_has_the_shape_that_is_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(encoded(picture(0, 8, 16), "JPEG"))
    (tmp_path / "b.jpg").write_bytes(encoded(picture(0, 16, 8), "JPEG", exif=exif))
    assert Images(str(tmp_path)).read(1).shape == (3, 16, 8)


def test_a_long_header_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(picture(0), "JPEG", comment=b"x" * 10_000))
    assert Images(str(tmp_path)).read(0).shape == (3, 16, 16)


@pytest.mark.parametrize("first", [True, False])
def test_one_damaged_image_is_named_when_it_is_read(tmp_path: Path, first: bool) -> None:
    pictures = [picture(n) for n in range(3)]
    damaged = 0 if first else 2
    path = sets.folder(tmp_path / "set", pictures)
    file = sorted((tmp_path / "set").rglob("*.png"))[damaged]
    file.write_bytes(b"rubbish")
    images = Images(path)
    with pytest.raises(ItemError, match=rf"set: .*img0000000{damaged}\.png: not an image"):
        images.read(damaged)
    assert np.array_equal(images.read(1), pictures[1])
    file.unlink()
    with pytest.raises(ItemError, match=rf"img0000000{damaged}\.png: No such file"):
        images.read(damaged)
    os.mkfifo(file)
    with pytest.raises(ItemError, match=rf"img0000000{damaged}\.png: not a regular file"):
        images.read(damaged)


def test_an_image_that_changes_after_opening_is_damaged(tmp_path: Path) -> None:
    for write_as, then, words in [
        (picture(0), picture(1, 32, 32), "larger than 16x16"),
        (picture(0), picture(1, 32, 8), "not 16x16"),
        (picture(0, channels=1), picture(1), "in color, and the others are grey"),
    ]:
        (tmp_path / "a.png").write_bytes(encoded(write_as))
        images = Images(str(tmp_path))
        (tmp_path / "a.png").write_bytes(encoded(then))
        with pytest.raises(ItemError, match=words):
            images.read(0)


def test_a_changed_byte_in_an_archive_is_found(tmp_path: Path) -> None:
    pictures = [picture(n) for n in range(3)]
    for path in (sets.zipped(tmp_path / "a", pictures), sets.records(tmp_path / "b", pictures)):
        file = Path(path) if path.endswith(".zip") else Path(path) / "set-r04.tfrecords"
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        images = Images(path)
        with pytest.raises(ItemError, match=r"1(\.png)?: damaged: its checksum"):
            images.read(1)
        assert np.array_equal(images.read(2), pictures[2])


def fifo(path: Path) -> None:
    """Opening it would wait for ever."""
    os.mkfifo(path)


def fifos(path: Path) -> None:
    """In a folder, as tars."""
    path.mkdir()
    os.mkfifo(path / "a.tar")


def fifos_of_records(path: Path) -> None:
    """In a folder, as TFRecords."""
    path.mkdir()
    os.mkfifo(path / "a-r04.tfrecords")


def text(path: Path) -> None:
    """No dataset."""
    path.write_text("no dataset")


def unreadable(path: Path) -> None:
    """Named as images, and none is."""
    path.mkdir()
    (path / "a.png").write_bytes(b"rubbish")


def empty_zip(path: Path) -> None:
    """A zip of nothing."""
    zipfile.ZipFile(path, "w").close()


def two_sets(path: Path) -> None:
    """TFRecords that do not belong together."""
    sets.records(path, [picture(0)])
    (path / "other-r04.tfrecords").write_bytes(record(sets.example(picture(0))))


def no_pictures(path: Path) -> None:
    """TFRecords of something else."""
    path.mkdir()
    (path / "a-r04.tfrecords").write_bytes(record(sets.features({b"text": b""})) * 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "No such file"),
        (Path.mkdir, "holds no images"),
        (fifo, "neither a file nor a folder"),
        (fifos, "not a tar of images: not a regular file"),
        (fifos_of_records, "not TFRecords: not a regular file"),
        (text, "not a dataset"),
        (unreadable, "holds no image that can be read"),
        (empty_zip, "holds no images"),
        (two_sets, "holds several datasets"),
        (no_pictures, "no record in it is an image"),
    ],
)
def test_nothing_to_train_on_is_refused(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path / "set")
    with pytest.raises(FatalError, match=f"set.*: {words}"):
        Images(str(tmp_path / "set"))


@given(st.integers(4, 80), st.integers(1, 5))
def test_checksums_are_those_of_the_definition(length: int, count: int) -> None:
    rows = np.random.RandomState(length).randint(0, 256, (count, length)).astype(np.uint8)
    expected = [int.from_bytes(sets.masked_crc(row.tobytes()), "little") for row in rows]
    assert masked_crcs(rows).tolist() == expected


def test_records_may_be_written_otherwise(tmp_path: Path) -> None:
    planes = picture(0)
    unpacked = record(sets.example(planes, packed=False))
    more = record(sets.example(planes) + sets.field(9, b"later") + b"\x51" + bytes(8))
    (tmp_path / "a.tfrecords").write_bytes(unpacked + more)
    images = Images(str(tmp_path))
    assert np.array_equal(images.read(0), planes)
    assert np.array_equal(images.read(1), planes)


@pytest.mark.parametrize("length", [0, 2**28 + 1, 2**63, 10**6])
def test_absurd_records_are_refused(tmp_path: Path, length: int) -> None:
    head = length.to_bytes(8, "little")
    good = record(sets.example(picture(0)))
    (tmp_path / "a.tfrecords").write_bytes(good + head + sets.masked_crc(head) + b"data")
    with pytest.raises(FatalError, match=r"not TFRecords: (no record at byte|truncated)"):
        Images(str(tmp_path))


@pytest.mark.parametrize(
    "payload",
    [
        b"\x0a\xff\x0f\x01",
        b"\x0b" * 5000,
        b"\x08\x01" * 5000,
        b"\xff" * 50,
        sets.features({b"shape": b"", b"data": b""}),
        sets.features({b"shape": sets.field(3, sets.field(1, b"\x03\xff\xff\xff\x7f\x01"))}),
        sets.example(picture(0)).replace(b"data", b"DATA"),
        sets.example(picture(0, channels=3).repeat(2, 0)),
        # A key that is a number: it must not be taken for a length.
        sets.field(1, sets.field(1, b"\x08" + sets.varint(2**40) + sets.field(2, b""))),
    ],
)
def test_hostile_records_are_damaged_images(tmp_path: Path, payload: bytes) -> None:
    good = record(sets.example(picture(0)))
    (tmp_path / "a.tfrecords").write_bytes(good + record(payload))
    with pytest.raises(ItemError, match="record 1: not an image"):
        Images(str(tmp_path)).read(1)


NAMES = st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.lists(st.tuples(st.integers(0, 160), st.binary(max_size=1500)), max_size=6),
    st.lists(NAMES, max_size=3),
)
def test_tars_are_read_as_tarfile_reads_them(
    tmp_path_factory: pytest.TempPathFactory,
    layout: int,
    members: list[tuple[int, bytes]],
    folders: list[str],
) -> None:
    path = tmp_path_factory.mktemp("tar") / "a.tar"
    long = "" if layout == tarfile.USTAR_FORMAT else "/".join(folders) + "/"
    with tarfile.open(path, "w", format=layout) as file:
        for number, (length, data) in enumerate(members):
            folder = tarfile.TarInfo(f"folder{number}.png")
            folder.type = tarfile.DIRTYPE
            file.addfile(folder)
            link = tarfile.TarInfo(f"link{number}.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd" * (length // 40)
            file.addfile(link)
            sets.add(file, f"{long}{'x' * (length // 2)}/{'y' * (length // 2)}{number}.png", data)
    with tarfile.open(path) as file:
        expected = [
            (one.name, stream.read())
            for one in file
            if one.isreg() and (stream := file.extractfile(one))
        ]
    files = TarReader(str(path))
    assert [(files.name(n), files.read(n)) for n in range(len(files))] == expected


def test_a_long_header_of_a_tar_is_read_at_once(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 6 * 170_000
    header = entry.tobuf(tarfile.USTAR_FORMAT) + (b"6 a=b\n" * 170_000).ljust(1_020_416, b"\0")
    path = Path(sets.tarred(tmp_path / "a", [picture(0)]))
    path.write_bytes(header + path.read_bytes())
    begun = time.process_time()
    assert len(TarReader(str(path))) == 1
    assert time.process_time() - begun < 1  # second; copying the rest for each record takes 2.5


def test_a_tar_holds_one_image_a_sample(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        sets.add(file, "x/7.cls", b" 3\n")
        sets.add(file, "x/7.seg.png", b"another")
        sets.add(file, "x/7.JPG", b"image")
        sets.add(file, "x/7.png", b"twice")
        sets.add(file, "x/8.webp", b"next")
        sets.add(file, "x/8.cls", b"1")
    files = TarReader(str(tmp_path / "a.tar"))
    assert [files.name(n) for n in range(len(files))] == ["x/7.JPG", "x/8.webp"]
    labels = files.labels()
    assert labels is not None
    assert labels.tolist() == [3, 1]


def test_an_image_without_a_class_among_others_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        sets.add(file, "7.png", encoded(picture(0)))
        sets.add(file, "8.png", encoded(picture(1)))
        sets.add(file, "8.cls", b"1")
    with pytest.raises(FatalError, match=r"7\.png: no class number"):
        Images(str(tmp_path / "a.tar"), conditional=True)


@pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\xff" * 11, b"-0000000001\0"])
def test_absurd_members_are_refused(tmp_path: Path, size: bytes) -> None:
    path = Path(sets.tarred(tmp_path / "a", [picture(0)]))
    data = bytearray(path.read_bytes())
    data[124:136] = size
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    path.write_bytes(data)
    with pytest.raises(FatalError, match=r"not a tar of images: (truncated|a negative number)"):
        Images(str(path))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(WRITERS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.floats(0, 1),
)
def test_damage_anywhere_is_told_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    write: Write,
    bytes_changed: list[tuple[float, int]],
    kept: float,
) -> None:
    path = Path(write(tmp_path_factory.mktemp("set") / "a", [picture(n) for n in range(2)], [0, 1]))
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for file in files:
        data = bytearray(file.read_bytes())
        for place, value in bytes_changed:
            data[int(place * len(data))] = value
        file.write_bytes(data[: int(kept * len(data))] if kept < 0.9 else data)
    try:
        images = Images(str(path), conditional=True)
    except FatalError as why:
        assert str(path) in str(why)
        return
    for number in range(len(images)):
        try:
            images.read(number)
        except ItemError as why:
            assert str(path) in str(why)
