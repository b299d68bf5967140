"""Packing: whatever happens in between, the dataset is what one undisturbed run makes."""

import os
import sqlite3
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animetools.dataset.encode import Packable
from animetools.dataset.formats import FORMATS, Format
from animetools.dataset.packing import Packing
from animetools.dataset.training_set import Images
from animetools.errors import FatalError
from animetools.images.fit import fit
from tests.dataset.pictures import (
    SETTINGS,
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

NAMES = ("d.zip", "d.tfrec", "d.wds", "d")  # a target of each row of FORMATS


def contents(path: Path) -> dict[str, bytes]:
    """Every file below a folder, and what is in it."""
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def made(path: Path, paths: list[str], **options: Any) -> None:
    """One undisturbed run."""
    with Packing(str(path), settings_of(path)) as packing:
        pack(packing, paths, **options)


def kill(path: Path, paths: list[str], limit: int, **options: Any) -> None:
    """A run that ends early."""
    with pytest.raises(KeyboardInterrupt), Packing(str(path), settings_of(path)) as packing:
        pack(packing, paths, limit, **options)


@given(
    kind=st.sampled_from(FORMATS),
    size=st.sampled_from([4, 8, 16, 32]),
    seeds=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_packed_is_unpacked_in_every_format(
    quick: Path, kind: Format, size: int, seeds: list[int]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=quick))
    paths = sources(folder / "in", len(seeds))
    target = folder / {row.name: name for row, name in zip(FORMATS, NAMES, strict=True)}[kind.name]
    with Packing(str(target), settings_of(target).keyed(size=size)) as packing:
        packing.enlist(map(entry, paths))
        for one in packing.todo():
            pixels, how = fit(picture(seeds[one.position], size, size), size)
            packing.add(one.position, Packable(kind.encode(pixels, None), size, size, how))
        packing.finish()
    found = unpacked(target)
    assert len(found) == len(seeds)
    assert all(
        (one == picture(seed, size, size)).all() for one, seed in zip(found, seeds, strict=True)
    )


@pytest.mark.parametrize("name", TARGETS)
def test_records_say_where_the_images_come_from(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 5)
    made(tmp_path / name, paths)
    found = records(tmp_path / name)
    assert [record["path"] for record in found] == paths
    assert found[0]["fit"] == {"how": "pad", "source": [0, 0, 16, 16], "target": [0, 0, 16, 16]}
    assert sorted(os.listdir(tmp_path)) == sorted(["in", name])


def test_folder_and_zip_hold_the_same_files(tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 3)
    made(tmp_path / "d", paths)
    made(tmp_path / "d.zip", paths)
    with zipfile.ZipFile(tmp_path / "d.zip") as archive:
        assert contents(tmp_path / "d") == {name: archive.read(name) for name in archive.namelist()}


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_kills_and_failures_end_in_the_same_bytes(quick: Path, data: st.DataObject) -> None:
    folder = Path(tempfile.mkdtemp(dir=quick))
    paths = sources(folder / "in", 6)
    target = folder / data.draw(st.sampled_from(TARGETS))
    some = st.sets(st.sampled_from(paths), max_size=5)
    never = data.draw(some)
    for limit in data.draw(st.lists(st.integers(0, 6), max_size=3)):
        kill(target, paths, limit, bad=never | data.draw(some))
    made(target, paths, bad=never)
    fresh = folder / "fresh" / target.name
    made(fresh, paths, bad=never)
    if target.is_dir():
        assert contents(target) == contents(fresh)
    else:
        assert target.read_bytes() == fresh.read_bytes()


@pytest.mark.parametrize("name", TARGETS)
def test_next_run_goes_on(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 6)
    kill(tmp_path / name, paths, 4)
    assert not (tmp_path / name).exists()
    assert (tmp_path / f".{name}.part").exists()
    with Packing(str(tmp_path / name), settings_of(name)) as packing:
        packing.enlist(map(entry, paths))
        assert packing.count == 4
        assert [one.path for one in packing.todo()] == paths[4:]


@pytest.mark.parametrize("name", TARGETS)
def test_grown_list_goes_on_and_image_that_can_be_had_now_takes_its_place(
    tmp_path: Path, name: str
) -> None:
    paths = sources(tmp_path / "in", 6)
    kill(tmp_path / name, paths[:5], 3, bad={paths[1]})
    made(tmp_path / name, paths)
    assert [record["path"] for record in records(tmp_path / name)] == paths


@pytest.mark.parametrize("name", TARGETS)
def test_lost_end_of_the_part_is_made_again(tmp_path: Path, name: str) -> None:
    """A power cut: the journal is on the disk, the last images are not."""
    paths = sources(tmp_path / "in", 6)
    kill(tmp_path / name, paths, 5)
    part = tmp_path / f".{name}.part"
    if part.is_dir():
        last = next(part.glob("*-r04.tfrecords"), None) or next(part.glob("*.tar"), None)
        last = last or part / "00000/img00000003.png"
        os.truncate(last, last.stat().st_size // 2)
    else:
        os.truncate(part, part.stat().st_size - 1500)
    made(tmp_path / name, paths)
    pictures = unpacked(tmp_path / name)
    assert len(pictures) == 6
    assert all((pictures[n] == picture(n)).all() for n in range(6))


@pytest.mark.parametrize("name", TARGETS)
def test_lost_part_is_made_again(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 4)
    kill(tmp_path / name, paths, 3)
    base = sqlite3.connect(tmp_path / f".{name}.journal")
    base.execute("UPDATE words SET value = 3 WHERE name = 'synced'")
    base.commit()
    base.close()
    os.rename(tmp_path / f".{name}.part", tmp_path / "elsewhere")
    made(tmp_path / name, paths)
    assert len(Images(str(tmp_path / name))) == 4


@pytest.mark.parametrize("name", TARGETS)
def test_what_an_older_version_began_goes_on(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 4)
    kill(tmp_path / name, paths, 3)
    base = sqlite3.connect(tmp_path / f".{name}.journal")
    base.executescript(
        """
        ALTER TABLE packed RENAME TO now;
        CREATE TABLE packed (
            number INTEGER PRIMARY KEY, origin TEXT NOT NULL, mtime INTEGER NOT NULL,
            offset INTEGER NOT NULL, length INTEGER NOT NULL, crc INTEGER NOT NULL,
            record TEXT NOT NULL         -- JSON
        );
        INSERT INTO packed SELECT number, origin, mtime, offset, length, crc, record FROM now;
        DROP TABLE now;
        """
    )
    base.close()
    made(tmp_path / name, paths, bad={paths[0]})  # it is packed already, and not read again
    assert len(Images(str(tmp_path / name))) == 4


@pytest.mark.parametrize("name", TARGETS)
def test_settings_written_in_other_words_go_on(tmp_path: Path, name: str) -> None:
    """An older version may have lacked an option, and a newer one may have another."""
    paths = sources(tmp_path / "in", 4)
    kill(tmp_path / name, paths, 3)
    base = sqlite3.connect(tmp_path / f".{name}.journal")
    change = "json_remove(json_insert(value, '$.later', 1), '$.enlarge')"
    base.execute(f"UPDATE words SET value = {change} WHERE name = 'settings'")
    base.commit()
    base.close()
    made(tmp_path / name, paths, bad={paths[0]})  # it is packed already, and not read again
    assert len(Images(str(tmp_path / name))) == 4


@pytest.mark.parametrize("name", TARGETS)
def test_same_list_again_changes_nothing(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 4)
    made(tmp_path / name, paths, bad={paths[2]})
    before = (tmp_path / name).stat()
    made(tmp_path / name, paths, bad={paths[2]})
    after = (tmp_path / name).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    with pytest.raises(FatalError, match=r"was made without .*/2\.png"):
        made(tmp_path / name, paths)


@pytest.mark.parametrize("name", TARGETS)
def test_sources_of_any_age_are_known_again(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 2)
    os.utime(paths[0], ns=(0, 0))
    os.utime(paths[1], ns=(2**61, 2**61))  # a clock that was wrong
    for _ in range(2):
        made(tmp_path / name, paths)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("finished", [True, False])
def test_difference_is_named(tmp_path: Path, name: str, finished: bool) -> None:
    paths = sources(tmp_path / "in", 4)
    target = tmp_path / name
    if finished:
        made(target, paths)
        what = rf"{name} was made"
    else:
        kill(target, paths, 3)
        what = rf"\.{name}\.part, unfinished, was started"
    with pytest.raises(FatalError, match=rf"{what} with --size 16, this run is with --size 32"):
        Packing(str(target), settings_of(target).keyed(size=32))
    with pytest.raises(FatalError, match=rf"{what} without --no-enlarge, this run is with"):
        Packing(str(target), settings_of(target).keyed(enlarge=False))
    with pytest.raises(FatalError, match=rf"{what} without --quality, this run is with --q.* 33"):
        Packing(str(target), settings_of(target).keyed(quality=33))
    with pytest.raises(FatalError, match=rf"{what} with .*/1\.png, which is not in this list"):
        made(target, [paths[0], *paths[2:]])
    with pytest.raises(FatalError, match=rf"{what} from a list with .*/\d\.png in another place"):
        made(target, [paths[1], paths[0], *paths[2:]])
    with (
        pytest.raises(FatalError, match=rf"{what} with other facts about .*/0\.png"),
        Packing(str(target), settings_of(target)) as packing,
    ):
        packing.enlist(entry(path, score=1) for path in paths)
    os.utime(paths[2])
    with pytest.raises(FatalError, match=rf"{what} from .*/2\.png as it was before it changed"):
        made(target, paths)


@pytest.mark.parametrize("name", TARGETS)
def test_force_replaces_it_only_at_the_end(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    made(target, sources(tmp_path / "in", 4))
    with Packing(str(target), settings_of(target), force=True) as packing:
        packing.enlist([entry(str(tmp_path / "in/0.png"))])
        packing.add(0, packable(0, packing.kind.encode))
        assert len(Images(str(target))) == 4
        packing.finish()
    assert len(Images(str(target))) == 1
    assert sorted(os.listdir(tmp_path)) == sorted(["in", name])


@pytest.mark.parametrize("name", TARGETS)
def test_force_starts_an_unfinished_one_over(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    paths = sources(tmp_path / "in", 4)
    kill(target, paths, 3)
    with Packing(str(target), settings_of(target).keyed(fit="top"), force=True) as packing:
        pack(packing, paths[:1])
    assert len(Images(str(target))) == 1


def test_damaged_journal_is_told_and_forced(tmp_path: Path) -> None:
    target = tmp_path / "d.zip"
    paths = sources(tmp_path / "in", 3)
    kill(target, paths, 2)
    (tmp_path / ".d.zip.journal").write_bytes(b"rubbish" * 1000)
    with pytest.raises(FatalError, match=r"\.d\.zip\.journal: file is not a database"):
        Packing(str(target), settings_of(target))
    with Packing(str(target), settings_of(target), force=True) as packing:
        pack(packing, paths)
    assert len(Images(str(target))) == 3


def test_journal_of_a_run_killed_after_the_rename_goes(tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 3)
    made(tmp_path / "d.zip", paths)
    (tmp_path / ".d.zip.journal").write_bytes(b"left")
    made(tmp_path / "d.zip", paths)
    assert sorted(os.listdir(tmp_path)) == ["d.zip", "in"]


def test_what_is_not_ours_is_never_touched(tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 2)
    with pytest.raises(FatalError, match="is a folder, but not a dataset"):
        Packing(str(tmp_path / "in"), SETTINGS, force=True)
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FatalError, match=r"is a file: end the name of an archive in \.zip"):
        Packing(str(tmp_path / "file"), SETTINGS, force=True)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.write(paths[0], "0.png")
    with pytest.raises(FatalError, match=r"other\.zip exists and was not made by animepack"):
        Packing(str(tmp_path / "other.zip"), SETTINGS)
    made(tmp_path / "d", paths)
    (tmp_path / "d/notes.txt").write_text("precious")
    with pytest.raises(FatalError, match=r"notes\.txt in it is not part of a dataset"):
        Packing(str(tmp_path / "d"), SETTINGS, force=True)
    made(tmp_path / "d", paths)
    assert (tmp_path / "d/notes.txt").exists()


@pytest.mark.parametrize("name", TARGETS[1:])
def test_only_the_files_of_the_dataset_itself_are_replaced(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 1)
    made(tmp_path / name, paths)
    os.rename(tmp_path / name, tmp_path / f"new{name}")
    Packing(str(tmp_path / f"new{name}"), settings_of(name), force=True).__exit__()
    os.rename(tmp_path / f"new{name}", tmp_path / name)
    backup = tmp_path / name / "backup-20240101.tar"
    if name == "d.tfrec":
        backup = backup.with_name("other-r05.tfrecords")
    backup.write_text("precious")
    with pytest.raises(FatalError, match=f"{backup.name} in it is not part of a dataset"):
        Packing(str(tmp_path / name), settings_of(name), force=True)
    assert backup.exists()


def test_empty_folder_and_link_are_filled(tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 2)
    (tmp_path / "d").mkdir()
    made(tmp_path / "d", paths)
    assert len(Images(str(tmp_path / "d"))) == 2
    (tmp_path / "link.zip").symlink_to("real.zip")
    made(tmp_path / "link.zip", paths)
    assert (tmp_path / "link.zip").is_symlink()
    assert len(Images(str(tmp_path / "real.zip"))) == 2


@pytest.mark.parametrize("name", TARGETS)
def test_dry_run_and_nothing_packed_leave_nothing(tmp_path: Path, name: str) -> None:
    paths = sources(tmp_path / "in", 2)
    with Packing(str(tmp_path / name), settings_of(name), dry=True) as packing:
        packing.enlist(map(entry, paths))
        assert packing.left() == 2
    with pytest.raises(FatalError, match="none of the images could be packed"):
        made(tmp_path / name, paths, bad=set(paths))
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize("name", TARGETS)
def test_full_disk_is_told_and_the_next_run_goes_on(tmp_path: Path, name: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        paths = sources(tmp_path / "in", 300)
        with pytest.raises(FatalError, match=r"no space left|disk is full"):
            made(disk / name, paths)
        assert not (disk / name).exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        with Packing(str(disk / name), settings_of(name)) as packing:
            packing.enlist(map(entry, paths))
            assert packing.count > 3
        made(disk / name, paths)
        fresh = disk / "fresh" / name
        made(fresh, paths)
        if fresh.is_dir():
            assert contents(disk / name) == contents(fresh)
        else:
            assert (disk / name).read_bytes() == fresh.read_bytes()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_sample_is_spread_over_what_is_left(tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 10)
    with Packing(str(tmp_path / "d.zip"), SETTINGS) as packing:
        packing.enlist(map(entry, paths))
        assert [one.position for one in packing.sample(4)] == [0, 3, 6, 9]
        assert [one.position for one in packing.sample(99)] == list(range(10))
        packing.settle(iter([]))
