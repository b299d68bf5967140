"""Lists of paths as other systems and options write them."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import start
from tests.conftest import Shell


@pytest.mark.parametrize("made", ["crlf", "bom", "utf-16"])
def test_lists_of_windows_are_read(shell: Shell, raw: Path, made: str) -> None:
    (raw / "目.png").write_bytes(b"x")
    text = 'raw/目.png\r\nraw/a/00.png\r\n\r\n{"path": "raw/b/01.png"}\r\ngone.png\r\n'
    encoding = {"crlf": "utf-8", "bom": "utf-8-sig", "utf-16": "utf-16"}[made]
    (raw.parent / "list").write_bytes(text.encode(encoding))
    done = shell("$FILTERS waiter < list")
    assert done.stdout.splitlines() == ["raw/目.png", "raw/a/00.png", "raw/b/01.png"]
    assert done.stderr.startswith("waiter: gone.png: no such file")


def test_names_that_look_like_marks_of_windows_are_names(tmp_path: Path) -> None:
    names = [b"\xff\xfea", b"a\r", b"b\r"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    (tmp_path / "a").write_bytes(b"x")
    done = start("waiter", cwd=tmp_path).communicate(b"\n".join(names))[0]
    assert done.split(b"\n")[:-1] == names
    marked = b"\xef\xbb\xbfa"
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + marked)).write_bytes(b"x")
    assert start("waiter", cwd=tmp_path).communicate(marked)[0] == marked + b"\n"


def test_a_list_cut_by_nul_names_the_option(shell: Shell, raw: Path) -> None:
    done = shell("find raw -type f -print0 | $FILTERS waiter")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "find -print0, add -0" in done.stderr
