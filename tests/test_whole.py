"""Files that are whole or not there."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from animetools import whole


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    whole.write(str(path), b"old")
    with pytest.raises(ZeroDivisionError), whole.writing(str(path)) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file"]


def _write_often(path: str, letter: bytes) -> None:
    for _ in range(50):
        whole.write(path, letter * 10_000)


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
    code = "import sys; from animetools import whole; whole.Part(sys.argv[1]); print(flush=True); input()"
    command = [sys.executable, "-c", code, str(tmp_path / "a.1")]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout
    writer.stdout.readline()
    (tmp_path / ".a.2.part").write_bytes(b"left by a dead run")
    (tmp_path / ".b.part").write_bytes(b"of another input")
    whole.sweep([str(tmp_path / "a")])
    assert sorted(os.listdir(tmp_path)) == [".a.1.part", ".b.part"]
    writer.kill()
    writer.communicate()
    whole.sweep([str(tmp_path / "a")])
    assert os.listdir(tmp_path) == [".b.part"]


def test_a_symlink_in_the_place_of_a_part_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / ".a.part").symlink_to("precious")
    with pytest.raises(OSError):
        whole.write(str(tmp_path / "a"), b"x")
    assert (tmp_path / "precious").read_bytes() == b"precious"
