"""Pictures that are not read here, or not strictly right: what each command does and says."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animetools.images.files import encode_jpeg, encode_png
from tests.conftest import Shell
from tests.images.test_files import saved
from tests.images.test_kinds import FOREIGN
from tests.images.test_quality import noise
from tests.images.test_tiff import tiff

UNREAD = (
    "unsupported: PSD",
    "unsupported: JPEG 2000",
    "unsupported: TIFF of floating-point numbers",
)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A picture, three of kinds that are not read, and files that are no pictures."""
    folder = tmp_path / "raw"
    folder.mkdir()
    good = noise(128, 128)
    files = {
        "a.jpg": encode_jpeg(good, 95),
        "b.jpg": FOREIGN["PSD"],
        "c.png": FOREIGN["JPEG 2000"],
        "d.psd": FOREIGN["PSD"],
        "e.tif": tiff("<", good.astype(np.float16), photometric=2),
        "f.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        "._a.jpg": b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(60),
        "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "desktop.ini": b"[.ShellClassInfo]\r\n",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_what_is_not_read_is_never_deleted_or_moved(shell: Shell, raw: Path) -> None:
    for option in ("--delete", "--move bad"):
        done = shell(f"find raw -type f | sort | animeclean {option} --rejects r.tsv")
        assert (done.returncode, done.stdout) == (0, "raw/a.jpg\n")
        assert len(list(raw.iterdir())) == 9
        assert not (raw.parent / "bad").exists()
    lines = (raw.parent / "r.tsv").read_text().splitlines()
    assert {line.split("\t")[1] for line in lines} == set(UNREAD)
    last = done.stderr.splitlines()[-1]
    assert "rejected 4 (2 unsupported: PSD, 1 unsupported: JPEG 2000, 1 unsupported: TIFF" in last
    assert "passed over 4 (" in last
    assert "failed 0" in last


@pytest.mark.parametrize(
    "command", ["animecrop", "animeaug", "animepack --size 64", "animeupscale --scale 2"]
)
def test_pictures_that_were_left_out_are_counted_by_kind(
    shell: Shell, raw: Path, command: str
) -> None:
    shell("rm raw/a.jpg")
    for given in ("find raw -type f | sort |", "printf '%s\\n' raw/* |"):
        done = shell(f"{given} {command} -o out")
        assert "raw/b.jpg: unsupported: PSD\n" in done.stderr
        lines = done.stderr.splitlines()
        if command.startswith("animepack"):  # there is nothing to pack
            assert done.returncode == 2
            continue
        assert done.returncode == 1
        assert "failed 4 (2 unsupported: PSD, 1 unsupported: JPEG 2000, 1" in lines[-1]
        assert "1 video" in lines[-1]


def test_what_systems_leave_behind_is_no_failure(shell: Shell, raw: Path) -> None:
    shell("rm raw/[b-e].*")
    done = shell("find raw -type f | animepack --size 64 -o d.zip")
    assert done.returncode == 0
    assert "kept 1 + rejected 0 + passed over 4" in done.stderr


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Whole pictures that depart from their format, and one that has lost pixels."""
    folder = tmp_path / "odd"
    folder.mkdir()
    jpegs = [encode_jpeg(noise(128, 128, seed=n), 95) for n in range(4)]
    png = encode_png(noise(128, 128, seed=9))
    files = {
        "a-newline.jpg": jpegs[0] + b"\n",
        "b-no-end.jpg": jpegs[1][:-2],
        "c-zip.png": png + b"PK\3\4" + bytes(99),
        "d-cut.jpg": jpegs[2][:-500],
        "e-right.jpg": jpegs[3],
        "f-older.webp": saved(Image.fromarray(noise(128, 128, seed=5)), "WEBP") + bytes(33),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


WHOLE = ["a-newline.jpg", "b-no-end.jpg", "c-zip.png", "e-right.jpg", "f-older.webp"]


def test_what_is_not_strictly_right_is_kept_unless_strict(shell: Shell, odd: Path) -> None:
    shell("cp -r odd strict")
    done = shell("ls odd/* | animeclean --delete")
    assert done.stdout.split() == [f"odd/{name}" for name in WHOLE]
    assert "rejected 1 (1 broken)" in done.stderr
    done = shell("ls strict/* | animeclean --strict --rejects r.tsv")
    assert done.stdout == "strict/e-right.jpg\n"
    assert "4 not strictly conforming, 1 broken" in done.stderr
    assert (odd.parent / "r.tsv").read_text().splitlines()[:2] == [
        "strict/a-newline.jpg\tnot strictly conforming\t1 byte after the end of the JPEG",
        "strict/b-no-end.jpg\tnot strictly conforming\tJPEG without its end",
    ]


def test_what_is_not_strictly_right_is_packed_and_enlarged(shell: Shell, odd: Path) -> None:
    done = shell("ls odd/* | animepack --size 64 -o d.zip")
    assert done.returncode == 1
    assert "odd/d-cut.jpg: truncated JPEG\n" in done.stderr
    assert "kept 5" in done.stderr
    done = shell("ls odd/* | animecrop -n")
    assert done.stderr.count("truncated") == 1
    assert "failed 1" in done.stderr
