"""Files that are whole or not there."""

import errno
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from animetools import atomic
from tests.quick import SERVER

OLD, NEW = b"old" * 10_000, b"new, and longer" * 10_000


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    atomic.write(str(path), b"old")
    with pytest.raises(ZeroDivisionError), atomic.writing(str(path)) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file"]


def _write_often(path: str, letter: bytes) -> None:
    for _ in range(50):
        atomic.write(path, letter * 10_000)


def test_many_writers_of_one_name_never_mix(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(path, letter)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    data = Path(path).read_bytes()
    assert data in (b"a" * 10_000, b"b" * 10_000)
    assert os.listdir(tmp_path) == ["file"]


def test_sweeping_spares_the_parts_of_the_living(tmp_path: Path) -> None:
    code = "import sys; from animetools import atomic; atomic.Part(sys.argv[1]); print(flush=True); input()"
    command = [sys.executable, "-c", code, str(tmp_path / "a.1")]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout
    writer.stdout.readline()
    (tmp_path / ".a.2.part").write_bytes(b"left by a dead run")
    (tmp_path / ".b.part").write_bytes(b"of another input")
    atomic.sweep([str(tmp_path / "a")])
    assert sorted(os.listdir(tmp_path)) == [".a.1.part", ".b.part"]
    writer.kill()
    writer.communicate()
    atomic.sweep([str(tmp_path / "a")])
    assert os.listdir(tmp_path) == [".b.part"]


def test_a_symlink_in_the_place_of_a_part_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ".a.part").symlink_to("precious")
    with pytest.raises(OSError):
        atomic.write(str(tmp_path / "a"), b"x")
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["fifo", "folder", "link"])
def test_only_a_file_is_replaced(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("fifo")  # as /dev/stdout leads to a device or a pipe
    with pytest.raises(OSError, match="not a regular file"):
        atomic.write(str(tmp_path / name), b"x")
    assert names(tmp_path) == ["fifo", "folder", "link"]
    assert (tmp_path / "fifo").is_fifo() and (tmp_path / "link").is_symlink()


def test_a_link_is_replaced_and_what_it_leads_to_is_kept(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    for name, target in (("link", "precious"), ("astray", "nowhere")):
        (tmp_path / name).symlink_to(target)
        atomic.write(str(tmp_path / name), b"x")
        assert not (tmp_path / name).is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert names(tmp_path) == ["astray", "link", "precious"]


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(os.listdir(folder))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with old content, alone in its folder."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    return path


def test_replacing_keeps_the_old_file_beside_the_new_one(file: Path) -> None:
    inode = file.stat().st_ino
    atomic.replace(str(file), memoryview(NEW), backup=True)
    assert file.read_bytes() == NEW
    assert names(file.parent) == ["file", "file~"]
    assert Path(f"{file}~").read_bytes() == OLD
    assert Path(f"{file}~").stat().st_ino == inode


def test_replacing_without_a_backup(file: Path) -> None:
    atomic.replace(str(file), NEW, backup=False)
    assert file.read_bytes() == NEW
    assert names(file.parent) == ["file"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_replacing_keeps_permissions(file: Path, mode: int) -> None:
    file.chmod(mode)
    atomic.replace(str(file), NEW, backup=True)
    for path in (file, Path(f"{file}~")):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_replacing_keeps_the_owner_where_it_can(file: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(file, 12345, 54321)
    atomic.replace(str(file), NEW, backup=True)
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


def test_replacing_follows_symlinks(file: Path) -> None:
    folder = file.parent / "folder"
    folder.mkdir()
    (folder / "link").symlink_to("../file")
    atomic.replace(str(folder / "link"), NEW, backup=True)
    assert names(folder) == ["link"]
    assert os.readlink(folder / "link") == "../file"
    assert file.read_bytes() == NEW
    assert Path(f"{file}~").read_bytes() == OLD


def test_another_file_in_the_place_of_the_backup_is_spared(file: Path) -> None:
    for content in (b"precious", OLD[:-1] + b"!"):
        Path(f"{file}~").write_bytes(content)
        with pytest.raises(FileExistsError, match=r"in the way of a backup.*file~"):
            atomic.replace(str(file), NEW, backup=True)
        assert file.read_bytes() == OLD
        assert Path(f"{file}~").read_bytes() == content
    assert names(file.parent) == ["file", "file~"]
    atomic.replace(str(file), NEW, backup=False)
    assert Path(f"{file}~").read_bytes() == content


def test_a_link_in_the_place_of_the_backup_is_spared(file: Path) -> None:
    Path(f"{file}~").symlink_to("file")
    with pytest.raises(FileExistsError):
        atomic.replace(str(file), NEW, backup=True)
    assert file.read_bytes() == OLD


def test_replacing_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic.replace(str(tmp_path / "none"), NEW, backup=True)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder"):
        with pytest.raises(OSError, match="not a regular file"):
            atomic.replace(str(tmp_path / name), NEW, backup=True)
    assert names(tmp_path) == ["fifo", "folder"]


def test_a_file_system_without_links_gets_a_copy(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*paths: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", *paths)  # as FAT says it

    monkeypatch.setattr(os, "link", link)
    file.chmod(0o600)
    # A run that was killed before the new file had its name has left a whole copy.
    Path(f"{file}~").write_bytes(OLD)
    atomic.replace(str(file), NEW, backup=True)
    os.unlink(f"{file}~")
    atomic.replace(str(file), OLD, backup=True)
    assert names(file.parent) == ["file", "file~"]
    assert file.read_bytes() == OLD
    assert Path(f"{file}~").read_bytes() == NEW
    assert stat.S_IMODE(os.stat(f"{file}~").st_mode) == 0o600
    with pytest.raises(FileExistsError):
        atomic.replace(str(file), NEW, backup=True)


def _die_before_line(path: str, lines: int) -> None:
    """Replace the file, but die by SIGKILL after this many lines of whole.py."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename == atomic.__file__ and event == "line":
            lines -= 1
            if lines < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    atomic.replace(path, NEW, backup=True)
    os._exit(0)


def _die_before_every_line(folder: str) -> None:
    """Replace a new file in a folder of its own after each number of lines, until none is left."""
    for lines in range(1000):
        path = Path(folder, f"{lines:03}", "file")
        path.parent.mkdir()
        path.write_bytes(OLD)
        child = os.fork()
        if child == 0:
            _die_before_line(str(path), lines)
        if os.waitpid(child, 0)[1] == 0:
            return


def is_replaced(path: Path) -> bool:
    """Whether the new file is there; nothing is lost or half there in any case."""
    content, kept = path.read_bytes(), Path(f"{path}~")
    assert content in (OLD, NEW)
    if content == NEW or kept.exists():
        assert kept.read_bytes() == OLD
    assert set(names(path.parent)) <= {"file", "file~", ".file.part"}
    return content == NEW


def test_a_kill_before_any_line_loses_nothing(tmp_path: Path) -> None:
    process = SERVER.Process(target=_die_before_every_line, args=(str(tmp_path),))
    process.start()
    process.join()
    assert process.exitcode == 0
    states = []
    for folder in sorted(tmp_path.iterdir()):
        file = folder / "file"
        states.append((is_replaced(file), Path(f"{file}~").exists()))
        if not states[-1][0]:
            atomic.replace(str(file), NEW, backup=True)
            assert names(folder) == ["file", "file~"]
            assert is_replaced(file)
    # It was killed before, between and after the two steps.
    assert set(states) == {(False, False), (False, True), (True, True)}
    assert states == sorted(states)


def _replace_all(folder: str, begun: Connection) -> None:
    begun.send(True)
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name, "file")
        if Path(path).read_bytes() != NEW:
            atomic.replace(path, NEW, backup=True)


def test_kills_at_any_moment_lose_nothing(tmp_path: Path) -> None:
    files = [tmp_path / f"{n:02}" / "file" for n in range(60)]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(OLD)
    moments = random.Random(0)
    for moment in [*(moments.uniform(0, 0.02) for _ in range(25)), None]:
        begun, end = SERVER.Pipe(duplex=False)
        process = SERVER.Process(target=_replace_all, args=(str(tmp_path), end))
        process.start()
        begun.recv()
        process.join(moment)
        process.kill()
        process.join()
        for file in files:
            is_replaced(file)
    assert process.exitcode == 0
    assert all(is_replaced(file) for file in files)
