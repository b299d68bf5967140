"""A dataset grows by what is new, and a kill at any moment leaves the old one or the new one."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from unittest.mock import Mock

import pytest

from animetools.dataset.formats import reader
from animetools.dataset.labelling import Labelling
from animetools.dataset.labels import label_names
from animetools.dataset.packing import Packing
from animetools.dataset.parts import added_name
from animetools.dataset.target import finished
from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from tests.dataset.pictures import (
    TARGETS,
    entry,
    pack,
    packable,
    picture,
    records,
    settings_of,
    sources,
    unpacked,
)

CALLS = ("rename", "replace", "unlink", "fsync", "utime")  # of os, by which a dataset is changed


class Killed(BaseException):
    """Nothing runs after this."""


def grow(path: Path, paths: list[str], limit: int | None = None) -> None:
    """One run with --append."""
    with Packing(str(path), settings_of(path), grows=True) as packing:
        pack(packing, paths, limit)


def holds(path: Path, count: int) -> bool:
    """Whether a dataset has exactly the first images, whole, and a record of each."""
    found = unpacked(path)
    assert all((one == picture(seed)).all() for seed, one in enumerate(found))
    assert len(records(path)) == len(found)
    return len(found) == count


def times(path: Path) -> dict[Path, tuple[int, int]]:
    """Every file of a dataset, and when it was written."""
    found = {file: file.stat() for file in (path, *path.rglob("*"))}
    return {file: (one.st_ino, one.st_mtime_ns) for file, one in found.items()}


@contextmanager
def killed_at(moment: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Die at the call of this number by which files change; a copy is many calls."""
    count = [0]

    def tick() -> None:
        count[0] += 1
        if count[0] > moment:
            raise Killed

    def counted(name: str) -> Any:
        real = getattr(os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            tick()
            return real(*arguments, **more)

        return call

    def copy(source: BinaryIO, target: BinaryIO, _: int) -> None:
        while data := source.read(1500):
            tick()
            target.write(data)
            target.flush()

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counted(name))
        patch.setattr(shutil, "copyfileobj", copy)
        yield count


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_new_is_added(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 7)
    target = tmp_path / name
    for count in (3, 5, 7):
        grow(target, paths[:count])
        assert holds(target, count)
    assert [record["path"] for record in records(target)] == paths
    assert sorted(os.listdir(tmp_path)) == sorted([name, "in"])
    with Packing(str(target), settings_of(target)) as packing:  # it is as one that was made at once
        pack(packing, paths)
        assert packing.made


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_there_is_not_written_again(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 5)
    target = tmp_path / name
    grow(target, paths[:4])
    files = [file for file in (target, *target.rglob("*0*")) if file.is_file()]
    before = [(file, file.stat().st_ino, file.read_bytes()) for file in files]
    grow(target, paths[2:])
    assert before
    for file, inode, data in before:
        assert file.stat().st_ino == inode
        assert file.read_bytes()[: len(data)] == data


@pytest.mark.parametrize("name", TARGETS)
def test_the_same_images_again_change_nothing(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 4)
    target = tmp_path / name
    grow(target, paths)
    before = times(target)
    for again in (paths, [paths[2], f"{tmp_path}/in/../in/0.png"]):
        with Packing(str(target), settings_of(target), grows=True) as packing:
            pack(packing, again)
            assert packing.already == len(again)
    assert times(target) == before
    assert sorted(os.listdir(tmp_path)) == sorted([name, "in"])


@pytest.mark.parametrize("name", TARGETS)
def test_a_kill_at_any_moment_leaves_the_old_or_the_new(
    quick: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    tmp_path = Path(tempfile.mkdtemp(dir=quick))
    paths = sources(tmp_path / "in", 4)
    grow(tmp_path / "first" / name, paths[:2])
    moment, ended, seen = 0, False, set()
    while not ended:
        target = tmp_path / f"{moment}" / name
        shutil.copytree(tmp_path / "first", target.parent)
        with killed_at(moment, monkeypatch):
            try:
                grow(target, paths)
                ended = True
            except Killed:
                pass
        if ended or moment % 2:  # otherwise nobody reads it before it goes on
            seen.add(holds(target, 4))
            assert holds(target, 4) or (holds(target, 2) and not ended)
        grow(target, paths)
        assert holds(target, 4)
        assert os.listdir(target.parent) == [name]
        moment += 1
    assert seen == {False, True}
    assert moment > 8


@pytest.mark.parametrize("name", TARGETS)
def test_a_run_that_is_killed_early_goes_on(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 7)
    target = tmp_path / name
    grow(target, paths[:2])
    with pytest.raises(KeyboardInterrupt):
        grow(target, paths, limit=5)
    assert holds(target, 2)
    with Packing(str(target), settings_of(target), grows=True) as packing:
        packing.enlist(map(entry, paths))
        assert (packing.count, packing.left()) == (5, 2)
    grow(target, paths)
    assert holds(target, 7)


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_begun_for_another_dataset_is_not_added(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 6)
    target = tmp_path / name
    grow(target, paths[:3])
    with pytest.raises(KeyboardInterrupt):
        grow(target, paths, limit=5)
    with Packing(str(tmp_path / "other" / name), settings_of(name)) as packing:
        pack(packing, paths[:2])
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    os.rename(tmp_path / "other" / name, target)
    grow(target, paths)
    assert holds(target, 6)


@pytest.mark.parametrize("name", TARGETS)
def test_classes_keep_their_numbers(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    settings = settings_of(target).keyed(class_by="folder")
    paths = list[str]()
    for folders, names in (("mk", ["k", "m"]), ("za", ["k", "m", "a", "z"])):
        paths += [path for folder in folders for path in sources(tmp_path / folder, 2)]
        with Packing(str(target), settings, Labelling(by_folder=True), grows=True) as packing:
            packing.enlist(map(entry, paths))
            packing.unused_names()
            for one in packing.todo():
                packing.add(one.position, packable(one.position, packing.kind.encode))
            packing.finish()
        assert label_names(reader(str(target))) == names
    images = Images(str(target), conditional=True)
    assert images.labels(range(8)).argmax(1).tolist() == [1, 1, 0, 0, 3, 3, 2, 2]


@pytest.mark.parametrize("name", TARGETS)
def test_tags_keep_their_numbers(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 4)
    tags = [["hat"], ["hat", "bow"], ["bow", "tie"], ["tie", "bow"]]
    settings = settings_of(tmp_path / name).keyed(labels="tags", min_count=2)
    for count in (2, 4):
        with Packing(str(tmp_path / name), settings, Labelling(least=count), grows=True) as packing:
            packing.enlist(
                entry(path, tags=[[word, "general", 1] for word in words])
                for path, words in zip(paths[:count], tags, strict=False)
            )
            packing.unused_names()
            for one in packing.todo():
                packing.add(one.position, packable(one.position, packing.kind.encode))
            packing.finish()
        assert label_names(reader(str(tmp_path / name))) == ["hat"]


@pytest.mark.parametrize("name", TARGETS)
def test_two_that_add_at_once_do_not_lose_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    paths = sources(tmp_path / "in", 4)
    target = tmp_path / name
    grow(target, paths[:2])

    def slow(*arguments: Any, **more: Any) -> Any:
        found = finished(*arguments, **more)
        monkeypatch.undo()
        grow(target, paths)
        return found

    monkeypatch.setattr("animetools.dataset.packing.finished", slow)
    with pytest.raises(FatalError, match="is being made by another process"):
        grow(target, [paths[0], paths[3]])
    assert holds(target, 4)
    assert sorted(os.listdir(tmp_path)) == sorted([name, "in"])


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_begun_while_another_adds_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    paths = sources(tmp_path / "in", 5)
    target = tmp_path / name
    grow(target, paths[:2])

    def slow(*arguments: Any, **more: Any) -> Any:
        found = finished(*arguments, **more)
        monkeypatch.undo()
        with monkeypatch.context() as patch, pytest.raises(Killed):
            for place in ("parts", "zips"):  # the other has not got far yet
                patch.setattr(f"animetools.dataset.{place}.join", Mock(side_effect=Killed))
            grow(target, paths[:4])
        return found

    monkeypatch.setattr("animetools.dataset.packing.finished", slow)
    with pytest.raises(FatalError, match="is being made by another process"):
        grow(target, paths)
    grow(target, paths)
    assert holds(target, 5)


def test_a_zip_with_a_compressed_file_does_not_grow(tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 3)
    target = tmp_path / "d.zip"
    grow(target, paths[:2])
    with zipfile.ZipFile(target, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("notes.txt", "x" * 99)
    grow(target, paths[:2])
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.txt", "x" * 99)
    before = target.read_bytes()
    with pytest.raises(FatalError, match=r"more\.txt, which was added to it, is compressed"):
        grow(target, paths)
    assert target.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["d.zip", "in"]


@pytest.mark.parametrize("name", TARGETS)
def test_what_waits_is_found_by_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    paths = sources(tmp_path / "in", 3)
    target = tmp_path / "sets" / name
    grow(target, paths[:2])
    with monkeypatch.context() as patch, pytest.raises(Killed):
        for place in ("parts", "zips"):
            patch.setattr(f"animetools.dataset.{place}.join", Mock(side_effect=Killed))
        grow(target, paths)
    (tmp_path / "link").symlink_to(target)
    assert len(reader(f"{tmp_path}/link" + "/" * target.is_dir())) == 3


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 3)
    target = tmp_path / "d.zip"
    grow(target, paths[:2])
    with pytest.raises(FatalError, match="--append takes the options that it was made with"):
        Packing(str(target), settings_of(target).keyed(fit="top"), grows=True)
    with pytest.raises(FatalError, match="has no labels, and what is to be added has"):
        Packing(str(target), settings_of(target), Labelling(kept=True), grows=True)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.write(paths[0], "0.png")
    with pytest.raises(FatalError, match="was not made by animepack"):
        grow(tmp_path / "other.zip", paths)
    os.utime(paths[1])
    with pytest.raises(FatalError, match=r"1\.png as it was before it changed"):
        grow(target, paths)
    assert holds(target, 2)


@pytest.mark.parametrize("name", TARGETS)
def test_what_waits_for_a_dataset_that_is_gone_is_told(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 3)
    target = tmp_path / name
    added = Path(added_name(str(target)))
    if name == "d.zip":
        grow(target, paths)
        os.rename(target, added)
    else:
        added.mkdir()
    with pytest.raises(FatalError, match="which is gone"):
        grow(target, paths)
    assert added.exists()
