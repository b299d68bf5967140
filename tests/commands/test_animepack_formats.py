"""animepack between formats, and datasets that grow, through real pipes."""

import io
import json
import os
import random
import signal
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from animetools.dataset.formats import reader
from animetools.dataset.labels import label_names
from animetools.dataset.training_set import Images
from tests.commands.test_animepack import picture
from tests.conftest import ROOT, Shell


def pixels(path: Path) -> list[bytes]:
    """Every image of a dataset."""
    images = Images(str(path))
    return [images.read(number).tobytes() for number in range(len(images))]


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Two folders of pictures."""
    for name in ("b/1", "b/22", "a/333", "a/4444", "a/55555"):
        picture(tmp_path / f"in/{name}.png", size=(32, 32))
    return tmp_path


def test_tfrecords_to_zip_to_tfrecords_keeps_all(shell: Shell, classes: Path) -> None:
    for line in (
        "animepack in --size 32 --class-by folder --format tfrecords -o old",
        "animepack old/old-r05.tfrecords -o new.zip",
        "animepack new.zip --format tfrecords -o old2",
        "animepack old2 --format webdataset --shard-images 2 -o shards",
        "animepack shards/*.tar -o last.zip",
    ):
        done = shell(line)
        assert (done.returncode, done.stdout) == (0, f"{line.rpartition(' ')[2]}\n"), done.stderr
        assert "read 5 = kept 5" in done.stderr
    for level in (2, 3, 4, 5):
        one, two = (classes / f"{name}/{name}-r{level:02d}.tfrecords" for name in ("old", "old2"))
        assert one.read_bytes() == two.read_bytes()
    assert len(list(classes.glob("shards/*.tar"))) == 3
    with zipfile.ZipFile(classes / "new.zip") as new, zipfile.ZipFile(classes / "last.zip") as last:
        for name in new.namelist()[:-2]:
            assert new.read(name) == last.read(name)
        summaries = [json.loads(file.read("dataset.json")) for file in (new, last)]
        record = json.loads(last.read("metadata.jsonl").splitlines()[0])
    assert summaries[0] == summaries[1]
    assert summaries[0]["label_names"] == ["a", "b"]
    assert [label for _, label in summaries[0]["labels"]] == [0, 0, 0, 1, 1]
    assert record["source"] == "in/a/333.png"
    assert record["packed_in"][:2] == ["shards/shards-000000.tar", 0]
    before = (classes / "last.zip").stat()
    assert shell("animepack shards/*.tar -o last.zip").returncode == 0
    assert (classes / "last.zip").stat().st_mtime_ns == before.st_mtime_ns


def test_jpeg_files_are_copied_and_others_are_fitted(shell: Shell, classes: Path) -> None:
    assert shell("animepack in --size 32 --quality 80 -o jpeg.zip").returncode == 0
    done = shell("animepack jpeg.zip --format webdataset -o w && animepack jpeg.zip --size 16 -o s")
    assert (done.returncode, done.stdout) == (0, "w\ns\n"), done.stderr
    with (
        zipfile.ZipFile(classes / "jpeg.zip") as old,
        tarfile.open(classes / "w/w-000000.tar") as new,
    ):
        file = new.extractfile("000000004.jpg")
        assert file
        assert file.read() == old.read("00000/img00000004.jpg")
    assert Images(str(classes / "s")).width == 16


def test_captions_go_into_a_webdataset(shell: Shell, classes: Path) -> None:
    for path in (classes / "in/a").glob("*.png"):
        path.with_suffix(".txt").write_text(f"1girl, {path.stem}")
    done = shell("animepack in/a --size 16 --captions --format webdataset -o w")
    assert done.returncode == 0, done.stderr
    with tarfile.open(classes / "w/w-000000.tar") as file:
        caption = file.extractfile("000000001.txt")
        assert caption
        assert caption.read() == b"1girl, 4444\n"


def test_a_dataset_grows(shell: Shell, classes: Path) -> None:
    line = "animepack --append --size 32 --class-by folder -o d.zip"
    assert shell(f"{line} in/b").returncode == 0
    old = (classes / "d.zip").read_bytes()
    done = shell(f"find in -name '*.png' | sort | {line}")
    assert (done.returncode, done.stdout) == (0, "d.zip\n"), done.stderr
    assert "read 5 = kept 5" in done.stderr
    assert (classes / "d.zip").read_bytes().startswith(old)
    assert label_names(reader(str(classes / "d.zip"))) == ["b", "a"]
    new = (classes / "d.zip").read_bytes()
    done = shell(f"{line} in")
    assert (done.returncode, done.stdout) == (0, "d.zip\n"), done.stderr
    assert (classes / "d.zip").read_bytes() == new
    done = shell("animepack --append in -o d.zip")
    assert done.stderr.endswith(
        "d.zip was made with --class-by folder, this run is without --class-by: --append takes the"
        " options that it was made with\n"
    )
    (classes / "in/a/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = shell(f"{line} in")
    assert (done.returncode, done.stdout) == (1, "d.zip\n"), done.stderr
    assert (classes / "d.zip").read_bytes() == new
    assert sorted(os.listdir(classes)) == ["d.zip", "in"]


def test_images_of_a_dataset_without_tags_are_told(shell: Shell, classes: Path) -> None:
    assert shell("animepack in/b --size 32 --format tfrecords -o old").returncode == 0
    done = shell("animepack old --labels tags -o d.zip")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no image can be packed: no tags" in done.stderr


def test_only_of_a_list_it_says_that_datasets_are_arguments(shell: Shell, classes: Path) -> None:
    done = shell("animepack gone.zip -o new.zip")
    assert done.stderr.splitlines()[0] == "animepack: gone.zip: no such file or directory"
    done = shell("echo gone.zip | animepack -o new.zip")
    assert "datasets in a list are not opened: name them as arguments" in done.stderr


def test_names_in_a_tar_are_not_those_of_files_on_the_disk(shell: Shell, classes: Path) -> None:
    (classes / "secret.txt").write_text("1girl")
    with tarfile.open(classes / "bad.tar", "w", format=tarfile.PAX_FORMAT) as file:
        for number, name in enumerate((f"{classes}/secret.png", "../secret.png")):
            info = tarfile.TarInfo(name)
            data = (classes / f"in/b/{'12'[number] * (number + 1)}.png").read_bytes()
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    done = shell("animepack bad.tar --sidecars -o d.zip && animepack bad.tar --captions -o c")
    assert "no image can be packed: no caption" in done.stderr
    with zipfile.ZipFile(classes / "d.zip") as made:
        assert not [name for name in made.namelist() if name.endswith(".txt")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("animepack in --append -f", "--append keeps the images that are there, and --force"),
        (
            "animepack in --format tfrecords -o d.zip",
            "makes a folder: name it with -o, without .zip",
        ),
        ("animepack in --format tfrecords --size 48 -o d", "powers of two, not --size 48"),
        ("animepack in --format tfrecords --quality 9 -o d", "neither --captions nor --quality"),
        ("animepack in --shard-size 9 -o d", "are for --format webdataset"),
        ("animepack in -o d.tar", "whose name cannot end in .tar"),
        ("animepack bad.zip -o d", "bad.zip: not a zip of images: it has no directory"),
        ("animepack bad.tar -o d", "bad.tar: not a tar of images: no header at byte 0"),
        ("animepack bad.tfrecords -o d", "bad.tfrecords: not TFRecords: no record at byte 0"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    shell: Shell, classes: Path, line: str, words: str
) -> None:
    for ending in (".zip", ".tar", ".tfrecords"):
        (classes / f"bad{ending}").write_bytes(b"rubbish" * 100)
    done = shell(line)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (classes / "d").exists()


@pytest.mark.parametrize("more", ["-o d.zip", "--format webdataset -o d"])
def test_killed_at_any_time_it_grows_in_the_end(tmp_path: Path, shell: Shell, more: str) -> None:
    for number in range(60):
        picture(tmp_path / f"in/{number // 10}{'x' * number}.png", size=(64, 64))
    line = f"animepack --append --size 64 {more}"
    assert shell(f"{line} in/0*.png").returncode == 0
    target = tmp_path / more.rpartition(" ")[2]
    first, random_ = pixels(target), random.Random(0)
    for _ in range(2):
        process = subprocess.Popen(
            ["bash", "-c", f"exec {ROOT}/bin/{line} in"], cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        time.sleep(0.4 + random_.random())
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = pixels(target)
        assert found[: len(first)] == first
        assert len(found) in (len(first), 60)
    assert shell(f"{line} in").returncode == 0
    assert len(set(pixels(target))) == len(pixels(target)) == 60
