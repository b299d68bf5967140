"""What animeclean remembers from run to run: --index, --against, --never-match; kills and strangers."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from animetools.errors import FatalError
from animetools.images.files import encode_jpeg, encode_png
from animetools.images.hashes import VERSION
from animetools.images.index_file import Index
from tests.commands.test_animeclean import scaled
from tests.conftest import ROOT, Shell
from tests.images.test_quality import noise

LIST = "find raw -type f | sort"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Three pictures; b is a smaller copy of a, and d a compressed one of c."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "a.png").write_bytes(encode_png(noise(128, 128)))
    (folder / "b.png").write_bytes(encode_png(scaled(noise(128, 128), 96)))
    (folder / "c.png").write_bytes(encode_png(noise(128, 128, seed=1)))
    (folder / "d.jpg").write_bytes(encode_jpeg(noise(128, 128, seed=1), 80))
    (folder / "e.png").write_bytes(encode_png(noise(128, 128, seed=2)))
    return folder


def kept(index: Path) -> list[str]:
    """The names of those that an index says are kept, in that order."""
    with closing(sqlite3.connect(index)) as base:
        query = (
            "SELECT path FROM kept JOIN pictures ON picture = pictures.number ORDER BY kept.number"
        )
        return [Path(os.fsdecode(path)).name for (path,) in base.execute(query)]


def change(file: Path, statement: str) -> None:
    """Execute a statement in a database."""
    with closing(sqlite3.connect(file)) as base, base:
        base.execute(statement)


def test_a_rerun_gives_the_same_answers_and_reads_nothing_again(shell: Shell, raw: Path) -> None:
    plain = shell(f"{LIST} | animeclean --rejects r.tsv").stdout
    rejects = (raw.parent / "r.tsv").read_text()
    assert plain == "raw/a.png\nraw/c.png\nraw/e.png\n"
    for line in (LIST, LIST, f"{LIST} -r", "find $PWD/raw -type f | sort"):
        done = shell(f"cd raw/.. && {line} | animeclean --index i.sqlite --rejects r.tsv")
        assert done.returncode == 0, done.stderr
        names = sorted(Path(path).name for path in done.stdout.split())
        assert names == ["a.png", "c.png", "e.png"]
        if line == LIST:
            assert (done.stdout, (raw.parent / "r.tsv").read_text()) == (plain, rejects)
    assert os.listdir(raw.parent).count("i.sqlite-wal") == 0
    before = json.loads(shell("animeclean raw/a.png --json --index i.sqlite").stdout)
    stamp = os.stat(raw / "a.png").st_mtime_ns
    size = (raw / "a.png").stat().st_size
    (raw / "a.png").write_bytes(bytes(size))  # what only a run that reads it again can see
    os.utime(raw / "a.png", ns=(stamp, stamp))
    done = shell("animeclean raw/a.png --json --index i.sqlite")
    assert json.loads(done.stdout) == before
    assert "1 broken" in shell("animeclean raw/a.png --index i.sqlite --min-side 33").stderr


def test_tomorrow_is_compared_with_today(shell: Shell, raw: Path) -> None:
    shell("animeclean raw/a.png raw/c.png --index i.sqlite; mkdir new; mv raw/[bde]* new")
    done = shell("find new -type f | sort | animeclean --index i.sqlite --rejects r.tsv")
    assert done.stdout == "new/e.png\n"
    assert (raw.parent / "r.tsv").read_text() == (
        "new/b.png\tnear-duplicate\traw/a.png\nnew/d.jpg\tnear-duplicate\traw/c.png\n"
    )
    away = shell("cd new && animeclean b.png --index ../i.sqlite -v").stderr
    assert f"b.png: near-duplicate {raw}/a.png" in away


def test_what_was_moved_is_itself_and_what_is_gone_is_remembered(shell: Shell, raw: Path) -> None:
    shell(f"{LIST} | animeclean --index i.sqlite; mkdir kept; mv raw/[ace].png kept")
    done = shell("find kept raw -type f | sort | animeclean --index i.sqlite")
    assert done.stdout == "kept/a.png\nkept/c.png\nkept/e.png\n"
    (raw.parent / "kept/a.png").unlink()
    done = shell("animeclean raw/b.png --index i.sqlite --delete --keep first")
    assert (done.stdout, done.returncode) == ("", 1)
    assert "kept/a.png was deleted or changed since" in done.stderr
    assert (raw / "b.png").exists()
    done = shell("animeclean raw/b.png --index i.sqlite")
    assert done.stderr.endswith(
        "; 1 of the dropped are duplicates of files deleted or changed since\n"
    )


def test_what_has_changed_is_another_picture(shell: Shell, raw: Path) -> None:
    shell(f"{LIST} | animeclean --index i.sqlite")
    (raw / "a.png").write_bytes(encode_png(noise(128, 128, seed=7)))
    done = shell("animeclean raw/b.png --index i.sqlite --delete --keep first")
    assert done.returncode == 1  # the index still knows the old a.png, which is nowhere now
    assert (raw / "b.png").exists()
    done = shell(f"{LIST} | animeclean --index i.sqlite")
    assert done.stdout == "raw/a.png\nraw/b.png\nraw/c.png\nraw/e.png\n"
    shell("touch raw/*")
    assert shell(f"{LIST} | animeclean --index i.sqlite").stdout == done.stdout
    shell("mv raw/c.png raw/0.png; mv raw/e.png raw/c.png")  # 0.png, once c.png, comes first
    done = shell("animeclean raw/[0abc]* --index i.sqlite")
    assert done.stdout == "raw/0.png\nraw/a.png\nraw/b.png\nraw/c.png\n"


def test_the_largest_of_all_runs_is_kept(shell: Shell, raw: Path) -> None:
    clean = "animeclean --index i.sqlite --keep largest"
    assert shell(f"{clean} raw/b.png raw/e.png").stdout == "raw/b.png\nraw/e.png\n"
    done = shell(f"{clean} raw/a.png")
    assert done.stdout == "raw/a.png\n"
    assert "1 of those kept before has a better duplicate now" in done.stderr
    done = shell(f"{LIST} | {clean}")
    assert done.stdout == shell(f"{LIST} | animeclean --keep largest").stdout
    assert "better duplicate" not in done.stderr
    assert kept(raw.parent / "i.sqlite") == ["e.png", "a.png", "c.png"]


def test_a_dry_run_leaves_the_index_as_it_is(shell: Shell, raw: Path) -> None:
    assert shell(f"{LIST} | animeclean --index i.sqlite -n").stdout.count("\n") == 3
    assert not (raw.parent / "i.sqlite").exists()
    shell("animeclean raw/b.png --index i.sqlite")
    before = (raw.parent / "i.sqlite").read_bytes()
    done = shell(f"{LIST} | animeclean --index i.sqlite -n")
    assert done.stdout == "raw/b.png\nraw/c.png\nraw/e.png\n"
    assert (raw.parent / "i.sqlite").read_bytes() == before
    assert done.stdout == shell(f"{LIST} | animeclean --index i.sqlite").stdout


def test_an_archive_is_only_read(shell: Shell, raw: Path) -> None:
    shell("mkdir old new; mv raw/[ac].png old; mv raw/* new; find old | animeclean --index old.db")
    before = (raw.parent / "old.db").read_bytes()
    stamp = os.stat(raw.parent / "old.db").st_mtime_ns
    shell("rm -r old; mkdir shut; mv old.db shut; chmod a-w shut")
    done = shell("find new | sort | animeclean --against shut/old.db --index new.db --move bad")
    assert done.stdout == "new/e.png\n"
    assert done.stderr.count("old/a.png was deleted or changed since") == 1  # nothing is moved
    assert sorted(os.listdir(raw.parent / "shut")) == ["old.db"]
    assert (raw.parent / "shut/old.db").read_bytes() == before
    assert os.stat(raw.parent / "shut/old.db").st_mtime_ns == stamp
    done = shell("animeclean raw --against none.db")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "none.db does not exist or is empty: make it with animeclean --index" in done.stderr


def test_pairs_called_different_stay_apart(shell: Shell, raw: Path) -> None:
    groups = shell(f"{LIST} | animeclean --index i.sqlite --groups").stdout
    assert groups == "raw/a.png\traw/b.png\nraw/c.png\traw/d.jpg\n"
    (raw.parent / "never.tsv").write_text(groups.splitlines()[0] + "\n")
    for option in ("", "--index i.sqlite"):
        done = shell(f"{LIST} | animeclean --never-match never.tsv {option}")
        assert done.stdout == "raw/a.png\nraw/b.png\nraw/c.png\nraw/e.png\n"
    shell("mv raw other; rm other/a.png")  # the index knows what raw/b.png was
    done = shell("find other -type f | sort | animeclean --never-match never.tsv --index i.sqlite")
    assert done.stdout == "other/b.png\nother/c.png\nother/e.png\n"
    done = shell("animeclean other/b.png --never-match never.tsv")
    assert "never.tsv: no image and no --index has 2 of its paths, such as raw/a.png" in done.stderr
    (raw.parent / "never.tsv").write_text("other/b.png\n")
    done = shell("animeclean other/b.png --never-match never.tsv")
    assert (done.returncode, done.stdout) == (2, "")
    assert "never.tsv, line 1: give at least two paths, with a tab between them" in done.stderr
    assert "no such file" in shell("animeclean other/b.png --never-match none.tsv").stderr


@pytest.mark.parametrize("keep", ["first", "largest"])
def test_a_killed_run_leaves_an_index_that_continues(
    shell: Shell, tmp_path: Path, keep: str
) -> None:
    (tmp_path / "raw").mkdir()
    for number in range(60):
        size = 96 + 16 * (number // 20)
        data = encode_png(scaled(noise(128, 128, seed=number % 20), size))
        (tmp_path / f"raw/{number:02}.png").write_bytes(data)
    clean = f"animeclean --min-colors 1 --keep {keep} -j 2"
    expected = shell(f"{LIST} | {clean}").stdout
    assert expected.count("\n") == 20
    files = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "raw").iterdir())
    for count in (3, 58):
        process = subprocess.Popen(
            [ROOT / "bin/animeclean", *clean.split()[1:], "--index", "i.sqlite"],
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdin
        process.stdin.write("".join(f"{path}\n" for path in files[:count]).encode())
        process.stdin.flush()
        while not (tmp_path / "i.sqlite").exists() or _pictures(tmp_path) < count:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdin.close()
    done = shell(f"{LIST} | {clean} --index i.sqlite")
    assert (done.returncode, done.stdout) == (0, expected)
    assert shell(f"{LIST} | {clean} --index i.sqlite").stdout == expected


def _pictures(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(folder / "i.sqlite")) as base:
            return int(base.execute("SELECT count(*) FROM pictures").fetchone()[0])
    except sqlite3.Error:
        return 0


def test_two_at_once_keep_one_of_each(shell: Shell, tmp_path: Path) -> None:
    for folder, kind in (("one", encode_png), ("two", lambda rgb: encode_jpeg(rgb, 80))):
        (tmp_path / folder).mkdir()
        for number in range(40):
            (tmp_path / folder / f"{number}.img").write_bytes(kind(noise(96, 96, seed=number)))
    clean = "animeclean --min-colors 1 --index i.sqlite"
    done = shell(f"find one -type f | {clean} > 1 & find two -type f | {clean} > 2; wait; cat 1 2")
    assert done.stderr.count("failed 0") == 2
    numbers = [Path(path).stem for path in done.stdout.split()]
    assert sorted(numbers, key=int) == [str(number) for number in range(40)]


def test_what_is_no_index_is_refused_and_left_alone(shell: Shell, raw: Path) -> None:
    shell(
        "animeclean raw/a.png --index good.db; echo text > text.db; cp raw/a.png image.db; mkdir folder.db; mkfifo fifo.db"
    )
    change(raw.parent / "other.db", "CREATE TABLE kept (number)")
    shutil.copy(raw.parent / "good.db", raw.parent / "old.db")
    change(raw.parent / "old.db", f"PRAGMA user_version = {VERSION + 1}")
    shutil.copy(raw.parent / "good.db", raw.parent / "trap.db")
    change(
        raw.parent / "trap.db",
        "CREATE TRIGGER t AFTER INSERT ON kept BEGIN DELETE FROM pictures; END",
    )
    data = (raw.parent / "good.db").read_bytes()
    (raw.parent / "cut.db").write_bytes(data[: len(data) // 2])
    shutil.copy(raw.parent / "good.db", raw.parent / "odd.db")
    change(raw.parent / "odd.db", "UPDATE pictures SET shape = zeroblob(7), width = 'x'")
    shutil.copy(raw.parent / "good.db", raw.parent / "nul.db")
    change(raw.parent / "nul.db", "UPDATE pictures SET path = x'6100'")
    said = {
        "raw/a.png": "raw/a.png has the name of an image",
        "image.db": "image.db is not an index of animeclean",
        "text.db": "text.db is not an index of animeclean",
        "folder.db": "folder.db is a folder: name a file for the index",
        "fifo.db": "fifo.db is not a regular file",
        "other.db": "other.db is not an index of animeclean",
        "old.db": f"old.db holds hashes of version {VERSION + 1}, this animeclean makes version"
        f" {VERSION}: list the images again with a new --index",
        "trap.db": "trap.db is not an index of animeclean",
        "cut.db": "cut.db: database disk image is malformed",
        "odd.db": "odd.db is damaged",
        "nul.db": "nul.db is damaged",
    }
    for name, sentence in said.items():
        file = raw.parent / name
        before = file.read_bytes() if file.is_file() else b""
        for opened in (Index.of, Index.read_only):
            with pytest.raises(FatalError, match=re.escape(sentence)):
                opened(str(file)).at(str(raw / "a.png"))
            if file.is_file() and name not in ("cut.db", "odd.db", "nul.db"):
                assert file.read_bytes() == before
    done = shell("animeclean raw/a.png --index odd.db --json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "odd.db is damaged: delete it, if nothing else helps" in done.stderr


def test_files_of_options_are_not_overwritten(shell: Shell, raw: Path) -> None:
    shell("animeclean raw/a.png --index i.db")
    for options, sentence in (
        ("--index i.db --rejects ./i.db", "--rejects ./i.db would overwrite i.db"),
        ("--index i.db --against ./i.db", "--index and --against name the same file"),
        ("--keep-duplicates --index i.db", "--keep-duplicates excludes --index"),
        ("--near 0 --cropped", "--mirrored and --cropped need --near"),
        ("--index none/i.db", "none/i.db: cannot write to the folder none"),
        ("--sheet raw/a.png", "raw/a.png exists: give another name"),
        ("--sheet x.png --delete", "--sheet is for looking first"),
    ):
        done = shell(f"animeclean raw/b.png {options}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert sentence in done.stderr
    assert Index.read_only(str(raw.parent / "i.db")).at(str(raw / "a.png"))


def test_names_of_any_bytes_are_remembered(shell: Shell, tmp_path: Path) -> None:
    name = os.fsdecode(b"x\xff\ty.png")
    (tmp_path / name).write_bytes(encode_png(noise(64, 64)))
    (tmp_path / "z.png").write_bytes(encode_png(np.ascontiguousarray(noise(64, 64)[..., ::-1])))
    for _ in range(2):
        done = shell("printf '%s\\0' *.png | animeclean -0 --index i.db --groups --json")
        assert done.returncode == 0
        assert "kept 2" in done.stderr
